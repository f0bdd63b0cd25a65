#include "consumer/dead_letter/dead_letter_scan.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/key_table.h"
#include "common/json/json_parse.h"
#include "common/kafka/kafka_admin.h"
#include "common/kafka/kafka_reader.h"

enum {
    LETTER_DEPTH = 16,
    READ_WAIT_MS = 500,
    SILENT_S = 30,            /* without a message for so long, the broker does not answer */
    TOPIC_PARTITION = 0,      /* that has all letters */
    LETTERS_MAX = 1000 * 1000 /* a bound on memory */
};

struct letter_scan {
    const char *group;
    dead_letter_visit visit;
    void *context;
    char *topic;
    struct kafka_reader *reader;
    struct kafka_batch *batch;
    struct arena arena;
    struct key_table seen; /* offset and partition: a delivery that fails is repeated */
};

static const struct json_value *
letter_member(const struct json_value *letter, const char *key, enum json_kind kind)
{
    const struct json_value *member = json_member(letter, key);
    return member != NULL && member->kind == kind ? member : NULL;
}

/* False: it is not a dead letter of this group. */
static bool
scan_read(struct letter_scan *scan, const struct kafka_record *record,
          struct dead_letter_found *found)
{
    static const struct json_value nothing = {.kind = JSON_ARRAY};
    const struct json_value *letter;
    struct error ignored;
    const struct text json = {record->value, record->value_bytes};
    if (record->value == NULL ||
        json_parse(json, LETTER_DEPTH, &scan->arena, &letter, &ignored) != 0)
        return false;
    const struct json_value *group = letter_member(letter, "group", JSON_STRING);
    const struct json_value *partition = letter_member(letter, "partition", JSON_INTEGER);
    const struct json_value *offset = letter_member(letter, "offset", JSON_INTEGER);
    const struct json_value *reason = letter_member(letter, "reason", JSON_STRING);
    if (group == NULL || partition == NULL || offset == NULL || reason == NULL ||
        !text_is(group->string, scan->group))
        return false;
    *found = (struct dead_letter_found){
        .partition = (int32_t)partition->integer,
        .offset = offset->integer,
        .timestamp_ms = record->timestamp_ms,
        .reason = reason->string,
        .json = json,
        .event = letter_member(letter, "event", JSON_OBJECT),
        .ops = json_member(letter, "ops"),
        .reasons = letter_member(letter, "reasons", JSON_ARRAY),
        .entity_ids = letter_member(letter, "entity_ids", JSON_ARRAY),
    };
    found->ops = found->ops != NULL ? found->ops : &nothing;
    found->reasons = found->reasons != NULL ? found->reasons : &nothing;
    found->entity_ids = found->entity_ids != NULL ? found->entity_ids : &nothing;
    return true;
}

static int
scan_visit(struct letter_scan *scan, const struct kafka_record *record, struct error *err)
{
    struct dead_letter_found found;
    arena_reset(&scan->arena);
    if (!scan_read(scan, record, &found))
        return 0;
    const struct key_entry place = {.id = found.offset, .word = (uint64_t)found.partition};
    if (key_table_find(&scan->seen, &place) != NULL)
        return 0;
    if (scan->seen.count == LETTERS_MAX)
        return error_set(err, ERR_FATAL, "there are more than %d dead letters of group %s",
                         LETTERS_MAX, scan->group);
    key_table_put(&scan->seen, &place);
    return scan->visit(scan->context, &found, err);
}

static int
scan_records(struct letter_scan *scan, int64_t end, struct error *err)
{
    int64_t silent_until_us = clock_monotonic_us() + SILENT_S * US_PER_S;
    for (int64_t next = 0; next < end;) {
        int rc = kafka_reader_read(scan->reader, READ_WAIT_MS, scan->batch, err);
        if (rc != 0 && rc != ERR_RETRY)
            return rc;
        CHECK(rc == 0 || scan->batch->count == 0);
        for (uint32_t i = 0; i < scan->batch->count; i++) {
            next = scan->batch->records[i].offset + 1;
            rc = next <= end ? scan_visit(scan, &scan->batch->records[i], err) : 0;
            if (rc != 0)
                return rc;
        }
        if (scan->batch->count > 0)
            silent_until_us = clock_monotonic_us() + SILENT_S * US_PER_S;
        else if (clock_monotonic_us() > silent_until_us)
            return error_set(err, ERR_RETRY, "no answer for %d s", SILENT_S);
    }
    return 0;
}

/* `*begin` == `*end`: there is nothing to read. */
static int
scan_find_bounds(const struct config *config, const char *topic, int64_t *begin, int64_t *end,
                 struct error *err)
{
    struct kafka_admin *admin;
    struct kafka_topic described;
    int rc = kafka_admin_create(&config->kafka, &admin, err);
    *begin = *end = 0;
    if (rc != 0)
        return rc;
    rc = kafka_admin_describe(admin, topic, &described, err);
    if (rc == 0 && described.exists)
        rc = kafka_admin_offsets(admin, topic, TOPIC_PARTITION, begin, end, err);
    kafka_admin_destroy(admin);
    return rc;
}

static int
scan_run(struct letter_scan *scan, const struct config *config, struct error *err)
{
    int64_t begin, end;
    int rc = scan_find_bounds(config, scan->topic, &begin, &end, err);
    if (rc == 0 && begin < end) {
        CHECK(begin >= 0);
        rc = kafka_reader_create(&config->kafka, scan->topic, &scan->reader, err);
    }
    if (rc != 0 || scan->reader == NULL)
        return rc;
    scan->batch = memory_zalloc(sizeof *scan->batch);
    rc = kafka_reader_start(scan->reader, TOPIC_PARTITION, begin, err);
    if (rc == 0)
        rc = scan_records(scan, end, err);
    kafka_batch_release(scan->batch);
    free(scan->batch);
    kafka_reader_destroy(scan->reader);
    return rc;
}

int
dead_letter_scan(const struct config *config, const char *group, dead_letter_visit visit,
                 void *context, struct error *err)
{
    struct letter_scan scan = {
        .group = group, .visit = visit, .context = context, .seen = {.keyed_by_word = true}};
    CHECK(config->kafka.present);
    arena_init(&scan.arena);
    scan.topic = memory_format("%s.dead", config->topic.name);
    int rc = scan_run(&scan, config, err);
    if (rc < 0)
        error_wrap(err, rc, "topic %s", scan.topic);
    arena_free(&scan.arena);
    free(scan.topic);
    key_table_clear(&scan.seen);
    return rc;
}
