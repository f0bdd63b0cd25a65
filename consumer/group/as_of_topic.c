#include "consumer/group/as_of_topic.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/shutdown.h"
#include "common/event/event_codec.h"
#include "common/kafka/kafka_admin.h"
#include "common/kafka/kafka_reader.h"

enum {
    READ_WAIT_MS = 100,
    SILENT_S = 30, /* without a message for so long, the broker does not answer */
};

static const char *const area = "as of";

struct topic_search {
    const struct config *config;
    struct kafka_admin *admin;
    struct kafka_reader *reader;
    struct kafka_batch *batch;
    uint32_t at;         /* the next record of the batch */
    int64_t next_offset; /* where reading continues; AS_OF_NONE: nowhere */
    struct event_codec *codec;
    struct arena arena;
};

/* The clock of a watermark; AS_OF_NONE for every other message. */
static int64_t
topic_read_clock(struct topic_search *topic, const struct kafka_record *record)
{
    struct event event;
    struct error ignored;
    arena_reset(&topic->arena);
    if (event_decode(topic->codec, record->value, record->value_bytes, &topic->arena, &event,
                     &ignored) != 0 ||
        event.kind != EVENT_MARK || event.mark.kind != MARK_WATERMARK)
        return AS_OF_NONE;
    return event.mark.clock_us;
}

/* The first watermark among the records that were read and not looked at. */
static int64_t
topic_find_watermark(struct topic_search *topic, int64_t to, int64_t *clock_us)
{
    for (; topic->at < topic->batch->count; topic->at++) {
        const struct kafka_record *record = &topic->batch->records[topic->at];
        topic->next_offset = record->offset + 1;
        *clock_us = record->offset < to ? topic_read_clock(topic, record) : AS_OF_NONE;
        if (record->offset >= to)
            return AS_OF_NONE;
        if (*clock_us == AS_OF_NONE)
            continue;
        topic->at++;
        return record->offset;
    }
    return AS_OF_NONE;
}

static int
topic_go_to(struct topic_search *topic, int32_t partition, int64_t from, struct error *err)
{
    if (topic->next_offset == from)
        return 0;
    kafka_batch_release(topic->batch);
    topic->at = 0;
    topic->next_offset = from;
    return kafka_reader_start(topic->reader, partition, from, err);
}

/* The next records; those before them were looked at. */
static int
topic_read(struct topic_search *topic, int64_t *silent_until_us, struct error *err)
{
    topic->at = 0;
    int rc = kafka_reader_read(topic->reader, READ_WAIT_MS, topic->batch, err);
    if (rc == ERR_DATA)
        return error_wrap(err, ERR_RETRY, "retention removes what is read");
    if (rc != 0 && rc != ERR_RETRY)
        return rc;
    if (topic->batch->count > 0)
        *silent_until_us = clock_monotonic_us() + SILENT_S * US_PER_S;
    else if (shutdown_requested())
        return error_set(err, ERR_RETRY, "asked to stop");
    else if (clock_monotonic_us() > *silent_until_us)
        return error_set(err, ERR_RETRY, "the broker sends nothing for %d s", SILENT_S);
    return 0;
}

/* `*offset`: of the first watermark from `from` up to before `to`, or AS_OF_NONE. */
static int
topic_probe(struct topic_search *topic, int32_t partition, int64_t from, int64_t to,
            int64_t *offset, int64_t *clock_us, struct error *err)
{
    int64_t silent_until_us = clock_monotonic_us() + SILENT_S * US_PER_S;
    int rc = topic_go_to(topic, partition, from, err);
    *offset = rc == 0 ? topic_find_watermark(topic, to, clock_us) : AS_OF_NONE;
    while (rc == 0 && *offset == AS_OF_NONE && topic->next_offset < to) {
        rc = topic_read(topic, &silent_until_us, err);
        if (rc == 0)
            *offset = topic_find_watermark(topic, to, clock_us);
    }
    return rc;
}

/* Is anything known of the moment? A partition without watermarks says nothing about it. */
static int
topic_check_past(const struct as_of_search *search, struct error *err)
{
    char time[CLOCK_TEXT_BYTES], newest[CLOCK_TEXT_BYTES];
    if (search->stop == AS_OF_NONE || search->later_us != AS_OF_NONE ||
        search->stop_us == search->time_us)
        return 0;
    clock_format_utc(search->time_us, time, sizeof time);
    clock_format_utc(search->stop_us, newest, sizeof newest);
    return error_set(err, ERR_USAGE,
                     "%s is later than the newest watermark, of %s: nothing is known of it yet",
                     time, newest);
}

static int
topic_find_partition(struct topic_search *topic, int32_t partition, int64_t time_us,
                     struct as_of_found *found, struct error *err)
{
    struct as_of_search *search = &found->search;
    int64_t high, from, to, offset, clock_us = AS_OF_NONE;
    int rc = kafka_admin_offsets(topic->admin, topic->config->topic.name, partition, &found->low,
                                 &high, err);
    if (rc != 0)
        return rc;
    as_of_search_begin(search, time_us, found->low, high);
    topic->next_offset = AS_OF_NONE;
    while (as_of_search_next(search, &from, &to)) {
        rc = topic_probe(topic, partition, from, to, &offset, &clock_us, err);
        if (rc != 0)
            return rc;
        as_of_search_take(search, offset, clock_us);
    }
    log_debug(area, "partition %d: the moment is at offset %" PRId64, partition, search->stop);
    return topic_check_past(search, err);
}

static int
topic_find_all(struct topic_search *topic, int64_t time_us, struct as_of_found *found,
               struct error *err)
{
    const struct config_topic *config = &topic->config->topic;
    struct kafka_topic described;
    int rc = kafka_admin_describe(topic->admin, config->name, &described, err);
    if (rc == 0 && (!described.exists || described.partitions != config->partitions))
        rc = error_set(err, ERR_USAGE, "topic %s has %d partitions, but topic.partitions is %d",
                       config->name, described.exists ? described.partitions : 0,
                       config->partitions);
    for (int32_t i = 0; rc == 0 && i < config->partitions; i++) {
        rc = topic_find_partition(topic, i, time_us, &found[i], err);
        if (rc != 0)
            error_wrap(err, rc, "topic %s, partition %d", config->name, i);
    }
    return rc;
}

int
as_of_topic_find(const struct config *config, int64_t time_us, struct as_of_found *found,
                 struct error *err)
{
    struct topic_search topic = {.config = config};
    CHECK(config->kafka.present);
    arena_init(&topic.arena);
    topic.batch = memory_zalloc(sizeof *topic.batch);
    int rc = event_codec_create(&topic.codec, err);
    if (rc == 0)
        rc = kafka_admin_create(&config->kafka, &topic.admin, err);
    if (rc == 0)
        rc = kafka_reader_create(&config->kafka, config->topic.name, &topic.reader, err);
    if (rc == 0)
        rc = topic_find_all(&topic, time_us, found, err);
    kafka_batch_release(topic.batch);
    free(topic.batch);
    kafka_reader_destroy(topic.reader);
    if (topic.admin != NULL)
        kafka_admin_destroy(topic.admin);
    event_codec_destroy(topic.codec);
    arena_free(&topic.arena);
    return rc;
}
