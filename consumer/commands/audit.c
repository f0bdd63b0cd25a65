/* `audit`: reads the topic, and prints what it proves.
 *
 * Happy path: the ends of all partitions are noted; the partitions are read one after the other,
 * from their beginnings to these ends, and fed to the auditor, which needs no configuration of the
 * index.
 *
 * Failure modes: a broker that is away is waited for. A batch that fails the checksum of Kafka is
 * skipped by the client, and is a finding, as is what cannot be decoded. What retention removes
 * while its partition is read ends the command.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/event/event_codec.h"
#include "common/kafka/kafka_admin.h"
#include "common/kafka/kafka_reader.h"
#include "consumer/commands/audit_certificate.h"
#include "consumer/commands/commands.h"

enum { READ_WAIT_MS = 500, SILENT_S = 60 };

struct audit_bounds {
    int64_t begin;
    int64_t end;
};

struct audit {
    const struct config *config;
    int32_t partitions;
    int32_t only; /* -1: all partitions */
    struct audit_bounds *bounds;
    struct auditor *auditor;
    struct event_codec *codec;
    struct arena arena;
    struct kafka_reader *reader;
    struct kafka_batch *batch;
};

static bool
audit_reads(const struct audit *audit, int32_t partition)
{
    return audit->only < 0 || audit->only == partition;
}

/* --- one partition ---------------------------------------------------------------------------- */

static void
audit_take(struct audit *audit, const struct kafka_record *record)
{
    struct error err = {0};
    struct event event;
    struct audit_record taken = {
        .offset = record->offset,
        .key = {record->key, record->key != NULL ? record->key_bytes : 0},
    };
    CHECK(record->offset >= 0);
    arena_reset(&audit->arena);
    int rc =
        event_decode(audit->codec, record->value != NULL ? record->value : "",
                     record->value != NULL ? record->value_bytes : 0, &audit->arena, &event, &err);
    if (rc == 0)
        taken.event = &event;
    else
        taken.problem = err.message;
    auditor_take(audit->auditor, &taken);
}

/* The messages before `offset` were not returned, after an error. */
static void
audit_take_gap(struct audit *audit, int64_t offset, const struct error *failure)
{
    const struct audit_record lost = {.offset = offset, .problem = failure->message};
    auditor_take(audit->auditor, &lost);
}

static int
audit_read(struct audit *audit, const struct audit_bounds *bounds, struct error *err)
{
    int64_t silent_until_us = clock_monotonic_us() + SILENT_S * US_PER_S;
    struct error failure = {0};
    for (int64_t next = bounds->begin; next < bounds->end;) {
        int rc = kafka_reader_read(audit->reader, READ_WAIT_MS, audit->batch, &failure);
        if (rc != 0 && rc != ERR_RETRY)
            return error_set(err, rc, "%s", failure.message);
        for (uint32_t i = 0; i < audit->batch->count && next < bounds->end; i++) {
            const struct kafka_record *record = &audit->batch->records[i];
            if (record->offset > next && failure.code != 0)
                audit_take_gap(audit, next, &failure);
            failure.code = 0;
            next = record->offset + 1;
            if (next <= bounds->end)
                audit_take(audit, record);
        }
        if (audit->batch->count > 0)
            silent_until_us = clock_monotonic_us() + SILENT_S * US_PER_S;
        else if (clock_monotonic_us() > silent_until_us)
            return error_set(err, ERR_RETRY, "offset %" PRId64 ": no message for %d s: %s", next,
                             SILENT_S, failure.code != 0 ? failure.message : "no error");
    }
    return 0;
}

static int
audit_read_partition(struct audit *audit, int32_t partition, struct error *err)
{
    const struct audit_bounds *bounds = &audit->bounds[partition];
    CHECK(bounds->begin <= bounds->end);
    auditor_begin(audit->auditor, partition, bounds->begin, bounds->end);
    if (bounds->begin == bounds->end)
        return 0;
    int rc = kafka_reader_start(audit->reader, partition, bounds->begin, err);
    if (rc == 0)
        rc = audit_read(audit, bounds, err);
    return rc == 0 ? 0 : error_wrap(err, rc, "partition %d", partition);
}

/* --- the topic -------------------------------------------------------------------------------- */

static int
audit_find_bounds(struct audit *audit, struct kafka_admin *admin, struct error *err)
{
    const char *topic = audit->config->topic.name;
    int rc = 0;
    audit->bounds = memory_zalloc((size_t)audit->partitions * sizeof *audit->bounds);
    for (int32_t i = 0; rc == 0 && i < audit->partitions; i++)
        if (audit_reads(audit, i))
            rc = kafka_admin_offsets(admin, topic, i, &audit->bounds[i].begin,
                                     &audit->bounds[i].end, err);
    return rc;
}

static int
audit_describe(struct audit *audit, struct error *err)
{
    const char *topic = audit->config->topic.name;
    struct kafka_admin *admin;
    struct kafka_topic described;
    int rc = kafka_admin_create(&audit->config->kafka, &admin, err);
    if (rc != 0)
        return rc;
    rc = kafka_admin_describe(admin, topic, &described, err);
    if (rc == 0 && !described.exists)
        rc = error_set(err, ERR_FATAL, "there is no such topic");
    audit->partitions = rc == 0 ? described.partitions : 0;
    if (rc == 0 && audit->only >= audit->partitions)
        rc = error_set(err, ERR_USAGE, "--partition: the topic has %d partitions",
                       (int)audit->partitions);
    if (rc == 0)
        rc = audit_find_bounds(audit, admin, err);
    kafka_admin_destroy(admin);
    return rc;
}

static int
audit_run(struct audit *audit, struct error *err)
{
    int rc = audit_describe(audit, err);
    if (rc == 0)
        rc = event_codec_create(&audit->codec, err);
    if (rc == 0)
        rc = kafka_reader_create(&audit->config->kafka, audit->config->topic.name, &audit->reader,
                                 err);
    if (rc != 0)
        return rc;
    audit->auditor = auditor_create(audit->partitions, &audit_limits_default);
    for (int32_t i = 0; rc == 0 && i < audit->partitions; i++)
        if (audit_reads(audit, i))
            rc = audit_read_partition(audit, i, err);
    if (rc == 0)
        auditor_finish(audit->auditor);
    return rc;
}

static int
audit_print(const struct audit *audit, bool as_json, struct error *err)
{
    const int64_t findings = auditor_findings(audit->auditor)->all;
    const struct audit_certificate certificate = {
        .topic = audit->config->topic.name,
        .partitions = audit->partitions,
        .partition = audit->only,
        .auditor = audit->auditor,
    };
    if (as_json)
        audit_certificate_print_json(&certificate);
    else
        audit_certificate_print(&certificate);
    return findings == 0 ? 0 : error_set(err, ERR_DATA, "findings: %" PRId64, findings);
}

int
command_audit(const struct cli *cli, struct error *err)
{
    struct audit audit = {.config = cli->config, .only = -1};
    const char *partition = cli_find_option(cli, "--partition");
    int64_t number = -1;
    int rc = 0;
    CHECK(cli->argument_count == 0);
    if (!cli->config->kafka.present)
        return error_set(err, ERR_USAGE, "there is no topic: the configuration has no `kafka`");
    if (partition != NULL)
        rc = cli_read_number(partition, 0, INT32_MAX - 1, &number, err);
    if (rc != 0)
        return rc;
    audit.only = (int32_t)number;
    arena_init(&audit.arena);
    audit.batch = memory_zalloc(sizeof *audit.batch);
    rc = audit_run(&audit, err);
    if (rc == 0)
        rc = audit_print(&audit, cli->json, err);
    if (rc != 0)
        error_wrap(err, rc, "topic %s", cli->config->topic.name);
    kafka_batch_release(audit.batch);
    free(audit.batch);
    kafka_reader_destroy(audit.reader);
    event_codec_destroy(audit.codec);
    auditor_destroy(audit.auditor);
    arena_free(&audit.arena);
    free(audit.bounds);
    return rc;
}
