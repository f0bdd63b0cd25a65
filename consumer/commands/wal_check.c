/* `wal check`: reads the logs as a start would, to their ends, and reports everything that is
 * wrong.
 *
 * A problem is what makes a start fail, with the newest checkpoint or with the previous one. A note
 * is what a start handles itself: an unfinished tail, a file that does not belong to the log.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/config/config_identity.h"
#include "common/event/event_codec.h"
#include "common/files/files.h"
#include "common/json/json_write.h"
#include "consumer/commands/commands.h"
#include "consumer/commands/wal_logs.h"
#include "consumer/engine/engine.h"
#include "consumer/partition/batch.h"
#include "consumer/partition/incomplete.h"
#include "consumer/partition/position.h"
#include "consumer/partition/sequence.h"
#include "consumer/partition/unanswered.h"
#include "consumer/wal/wal_scan.h"

struct wal_check {
    const struct config *config;
    struct config_fields fields;
    bool is_json;
    struct event_codec *codec;
    struct recorded_config *recorded; /* of the current segment, as is the engine */
    struct engine *engine;            /* without entities: it checks whether an op can be applied */
    struct arena arena;               /* of the current event */
    uint32_t problems;                /* of all logs */

    /* The current log: */
    const struct wal_log *log;
    struct buffer findings; /* problems and notes, as lines or as JSON */
    struct json_writer json;
    uint32_t log_problems;
    int64_t segments;
    int64_t frames;
    int64_t events;
    int64_t bytes;
    int64_t next_offset;
    struct position position; /* after the last frame that could be read */
    const struct config_fields *position_fields;
};

/* Holds after each report, and when a log was read. */
static void
wal_check_invariants(const struct wal_check *check)
{
    CHECK(check->log != NULL);
    CHECK(check->log_problems <= check->problems);
    CHECK(check->frames >= 0 && check->events >= 0 && check->bytes >= 0);
    CHECK(check->frames > 0 || check->next_offset == -1);
    CHECK(sequence_is_consistent(&check->position.sequence));
}

/* `kind`: "problem" or "note". */
static void
wal_check_report(struct wal_check *check, const char *kind, const char *message)
{
    CHECK(check->log != NULL);
    CHECK(strcmp(kind, "problem") == 0 || strcmp(kind, "note") == 0);
    CHECK(check->json.depth == (check->is_json ? 1 : 0)); /* in the array of findings */
    if (!check->is_json) {
        buffer_append_format(&check->findings, "%-8s partition %d, %s: %s\n", kind,
                             check->log->partition, check->log->name, message);
        return;
    }
    json_object_begin(&check->json);
    json_key(&check->json, kind);
    json_string(&check->json, message);
    json_object_end(&check->json);
}

static void
wal_check_report_problem(struct wal_check *check, const char *message)
{
    check->problems++;
    check->log_problems++;
    wal_check_report(check, "problem", message);
    wal_check_invariants(check);
}

static void
wal_check_count_event(void *context, const struct event *event)
{
    struct wal_check *check = context;
    (void)event;
    check->events++;
}

static void
wal_check_forget_position(struct wal_check *check)
{
    check->position_fields = &check->fields;
    position_init(&check->position, &check->fields);
    if (!check->config->kafka.present)
        sequence_init_alone(&check->position.sequence, &check->fields);
}

/* Makes configuration and engine those of the segment. */
static int
wal_check_configure(struct wal_check *check, const struct wal_segment *segment, struct error *err)
{
    if (check->recorded != NULL && text_equal(check->recorded->identity, segment->identity))
        return 0;
    engine_destroy(check->engine); /* it reads the configuration */
    check->engine = NULL;
    wal_check_forget_position(check);
    int rc = wal_logs_configure(check->config, segment, &check->recorded, err);
    if (rc != 0)
        return rc;
    const struct engine_options options = {
        .index = &check->recorded->config.index_config,
        .partition = check->log->partition,
        .partitions = check->config->topic.partitions,
        .max_slots = check->config->topic.max_slots,
    };
    return engine_create(&options, &check->engine, err);
}

static int
wal_check_position(struct text bytes, const struct config_fields *fields, struct position *position,
                   struct error *err)
{
    struct text parts, part;
    struct unanswered_changes changes;
    int rc = position_decode(bytes, fields, position, &parts, err);
    if (rc != 0 || !position_find_part(parts, POSITION_UNANSWERED, &part))
        return rc;
    unanswered_changes_init(&changes);
    rc = unanswered_changes_decode(part, &changes, err);
    unanswered_changes_free(&changes);
    return rc;
}

static int
wal_check_read_frame(struct wal_check *check, const struct wal_segment *segment,
                     const struct wal_frame *frame, struct error *err)
{
    const struct text encoded = {frame->position, frame->position_bytes};
    const struct text payload = {frame->payload, frame->payload_bytes};
    struct position position;
    int rc = wal_check_configure(check, segment, err);
    if (rc == 0)
        rc = wal_check_position(encoded, &check->recorded->fields, &position, err);
    if (rc != 0)
        return rc;
    check->position = position;
    check->position_fields = &check->recorded->fields;
    const struct batch_context batch = {
        .config = &check->recorded->config,
        .partition = check->log->partition,
        .engine = check->engine,
        .codec = check->codec,
    };
    return batch_read(&batch, payload, &check->arena, wal_check_count_event, check, err);
}

static int
wal_check_frame(void *context, const struct wal_segment *segment, const struct wal_frame *frame,
                struct error *err)
{
    struct wal_check *check = context;
    CHECK(check->codec != NULL);
    CHECK(frame->first_offset < frame->next_offset);
    CHECK(0 < segment->end_bytes && segment->end_bytes < segment->bytes);
    check->frames++;
    check->next_offset = frame->next_offset;
    int rc = wal_check_read_frame(check, segment, frame, err);
    if (rc != 0) {
        error_wrap(err, rc, "%s: byte %" PRId64, segment->path, segment->end_bytes);
        wal_check_report_problem(check, err->message);
    }
    return 0;
}

static int
wal_check_segment(void *context, const struct wal_segment *segment, struct error *err)
{
    struct wal_check *check = context;
    int64_t unfinished = segment->bytes - segment->end_bytes;
    (void)err;
    CHECK(unfinished == 0 || (unfinished > 0 && segment->is_last));
    CHECK(segment->frames <= check->frames);
    check->segments++;
    check->bytes += segment->bytes;
    if (unfinished > 0) {
        char *note = memory_format(
            "%s: byte %" PRId64 ": %s: ends with %" PRId64 " bytes of an unfinished frame",
            segment->path, segment->end_bytes, wal_logs_state(check->log, segment), unfinished);
        wal_check_report(check, "note", note);
        free(note);
    }
    return 0;
}

static int
wal_check_problem(void *context, const struct wal_segment *segment, const struct error *problem)
{
    struct wal_check *check = context;
    CHECK(problem->code != 0);
    check->segments++;
    check->bytes += segment->bytes;
    wal_check_report_problem(check, problem->message);
    return 0;
}

static int
wal_check_unknown(void *context, const char *name, struct error *err)
{
    struct wal_check *check = context;
    char *note = memory_format("%s/%s: not a file of the log", check->log->directory, name);
    (void)err;
    wal_check_report(check, "note", note);
    free(note);
    return 0;
}

static void
wal_check_print(struct wal_check *check)
{
    const struct sequence *sequence = &check->position.sequence;
    bool ok = check->log_problems == 0;
    char reason[INCOMPLETE_BYTES];
    incomplete_describe(sequence, check->position_fields, reason, sizeof reason);
    printf("%-8s partition %d, %s: %" PRId64 " files, %" PRId64 " frames, %" PRId64
           " events, %" PRId64 " bytes; next offset %" PRId64 ", epoch %" PRId64 ", seq %" PRId64,
           ok ? "ok" : "problem", check->log->partition, check->log->name, check->segments,
           check->frames, check->events, check->bytes, check->next_offset, sequence->epoch,
           sequence->seq);
    if (ok)
        printf(", %s%s", reason[0] == '\0' ? "complete" : "incomplete: ", reason);
    printf("\n%s", buffer_string(&check->findings));
}

static void
wal_check_print_json(struct wal_check *check)
{
    const struct {
        const char *key;
        int64_t value;
    } numbers[] = {
        {"partition", check->log->partition},
        {"files", check->segments},
        {"frames", check->frames},
        {"events", check->events},
        {"bytes", check->bytes},
        {"next_offset", check->next_offset},
        {"epoch", check->position.sequence.epoch},
        {"seq", check->position.sequence.seq},
    };
    struct buffer line = {0};
    struct json_writer json;
    CHECK(check->json.depth == 0); /* the findings are one value */
    json_writer_init(&json, &line);
    json_object_begin(&json);
    json_key(&json, "log");
    json_string(&json, check->log->name);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        json_key(&json, numbers[i].key);
        json_integer(&json, numbers[i].value);
    }
    json_key(&json, "complete");
    json_boolean(&json, check->log_problems == 0 && sequence_complete(&check->position.sequence));
    json_key(&json, "ok");
    json_boolean(&json, check->log_problems == 0);
    json_key(&json, "findings");
    json_raw(&json, (struct text){(const char *)check->findings.data, check->findings.bytes});
    json_object_end(&json);
    puts(buffer_string(&line));
    buffer_free(&line);
}

static void
wal_check_scan(struct wal_check *check, const struct wal_log *log)
{
    const struct wal_visitor visitor = {
        .context = check,
        .unknown = wal_check_unknown,
        .frame = wal_check_frame,
        .segment = wal_check_segment,
        .problem = wal_check_problem,
    };
    struct buffer identity = {0};
    struct error err = {0};
    config_partition_identity(check->config, log->partition, &identity);
    CHECK(identity.bytes > 0); /* else any identity is accepted */
    const struct wal_place place = {
        .files = files_posix(),
        .directory = log->directory,
        .identity = {(const char *)identity.data, identity.bytes},
        .begin_offset = log->begin_offset,
    };
    if (wal_scan(&place, &visitor, &err) != 0)
        wal_check_report_problem(check, err.message);
    buffer_free(&identity);
}

static int
wal_check_log(void *context, const struct wal_log *log, struct error *err)
{
    struct wal_check *check = context;
    (void)err;
    CHECK(log->partition >= 0);
    CHECK(log->begin_offset >= 0);
    check->log = log;
    check->log_problems = 0;
    check->segments = check->frames = check->events = check->bytes = 0;
    check->next_offset = -1;
    wal_check_forget_position(check);
    buffer_clear(&check->findings);
    json_writer_init(&check->json, &check->findings);
    if (check->is_json)
        json_array_begin(&check->json);
    wal_check_scan(check, log);
    wal_check_invariants(check);
    if (check->is_json) {
        json_array_end(&check->json);
        wal_check_print_json(check);
    } else {
        wal_check_print(check);
    }
    return 0;
}

int
command_wal_check(const struct cli *cli, struct error *err)
{
    struct wal_check check = {.config = cli->config, .is_json = cli->json};
    config_fields_init(&check.fields, &cli->config->index_config);
    arena_init(&check.arena);
    int rc = event_codec_create(&check.codec, err);
    if (rc == 0)
        rc = wal_logs_visit(cli, wal_check_log, &check, err);
    if (rc == 0 && check.problems > 0)
        rc = error_set(err, ERR_FATAL, "problems found: %u", check.problems);
    buffer_free(&check.findings);
    arena_free(&check.arena);
    config_fields_free(&check.fields);
    event_codec_destroy(check.codec);
    engine_destroy(check.engine);
    recorded_config_destroy(check.recorded);
    return rc;
}
