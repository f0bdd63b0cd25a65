#include "producer/sink/topic_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/event/event_codec.h"
#include "common/kafka/kafka_reader.h"

enum { READ_WAIT_MS = 200 };

struct reading {
    const struct topic_expectation *expected;
    struct topic_survey *survey; /* to fill; NULL: events are checked instead */
    struct event_codec *codec;
    struct kafka_reader *reader;
    struct kafka_batch *batch;
    struct arena arena; /* of the event that is decoded */

    struct topic_range range; /* of the current partition; its `next` is the offset to read */
};

int
topic_check_shape(const struct config_topic *config, const struct kafka_topic *topic,
                  struct error *err)
{
    const char *name = config->name;
    CHECK(config->partitions > 0);
    if (!topic->exists)
        return error_set(err, ERR_FATAL, "topic %s does not exist: run bitdex-producer init", name);
    if (topic->partitions != config->partitions)
        return error_set(err, ERR_FATAL,
                         "topic %s has %d partitions, but topic.partitions is %d: the number is"
                         " fixed for the life of a topic; use a new topic and load",
                         name, topic->partitions, config->partitions);
    if (!topic->cleanup_delete)
        return error_set(err, ERR_FATAL,
                         "topic %s is compacted, which removes events: set cleanup.policy=delete"
                         " before it is used",
                         name);
    if (!topic->log_append_time)
        return error_set(err, ERR_FATAL,
                         "topic %s keeps the timestamps of the producer, so that retention would"
                         " delete an old backlog on arrival: set"
                         " message.timestamp.type=LogAppendTime",
                         name);
    return 0;
}

void
topic_check_difference(const struct config_topic *config, const struct kafka_topic *topic,
                       char *out, size_t bytes)
{
    int64_t wanted_ms = config->retention_hours * INT64_C(3600000);
    int length = 0;
    CHECK(bytes >= TOPIC_DIFFERENCE_BYTES);
    out[0] = '\0';
    if (topic->retention_ms != wanted_ms)
        length = snprintf(out, bytes,
                          "topic %.249s has retention.ms=%" PRId64
                          ", and topic.retention_hours asks for %" PRId64
                          ": bitdex-producer init sets it",
                          config->name, topic->retention_ms, wanted_ms);
    if (topic->replication != config->replication_factor)
        snprintf(out + length, bytes - (size_t)length,
                 "%stopic %.*s has %d replica(s), and topic.replication_factor is %d: move its"
                 " partitions with the tools of Kafka, or change the configuration",
                 length > 0 ? "; " : "", length > 0 ? 0 : 249, config->name, topic->replication,
                 config->replication_factor);
}

static bool
text_is_not(struct text text, const char *expected)
{
    return !text_is(text, expected);
}

static int
check_source(const char *expected, const struct event *event, struct error *err)
{
    CHECK(expected != NULL);
    if (text_is(event->source, expected))
        return 0;
    return error_set(err, ERR_FATAL,
                     "another producer, \"%.*s\", writes to this topic: a topic has one; give"
                     " each producer a topic of its own",
                     TEXT_ARGS(event->source));
}

static void
note_mark(struct topic_mark *newest, const struct mark *mark)
{
    if (newest == NULL || mark->clock_us <= newest->clock_us)
        return;
    newest->clock_us = mark->clock_us;
    snprintf(newest->start_name, sizeof newest->start_name, "%.*s", TEXT_ARGS(mark->start_name));
}

int
topic_check_event(const struct topic_expectation *expected, const struct event *event,
                  struct error *err)
{
    CHECK(expected->epoch >= 1 && expected->generation >= 1);
    if (event->epoch == 0)
        return 0; /* from an HTTP source */
    int rc = check_source(expected->source, event, err);
    if (rc != 0)
        return rc;
    if (event->kind == EVENT_MARK && text_is_not(event->mark.topic_id, expected->topic_id))
        return error_set(err, ERR_FATAL,
                         "the topic belongs to another cursor (topic id %.*s, not %s): if a"
                         " producer of another database has the same name, give this one another"
                         " name and topic; if the producer's tables were created again, open a new"
                         " epoch with: bitdex-producer cursor adopt",
                         TEXT_ARGS(event->mark.topic_id),
                         expected->topic_id[0] != '\0' ? expected->topic_id : "a new one");
    bool later = event->epoch > expected->epoch ||
                 (event->epoch == expected->epoch &&
                  (event->generation >= expected->generation || event->tick > expected->tick));
    if (later)
        return error_set(err, ERR_FATAL,
                         "the topic is ahead of the cursor (epoch %" PRId64 ", generation %" PRId64
                         ", tick %" PRId64 "; saved are %" PRId64 ", %" PRId64 ", %" PRId64
                         "): the database was rolled back, or a second producer of this name runs"
                         " on a copy of it; stop the other one, or open a new epoch with:"
                         " bitdex-producer cursor adopt",
                         event->epoch, event->generation, event->tick, expected->epoch,
                         expected->generation - 1, expected->tick);
    if (event->kind == EVENT_MARK)
        note_mark(expected->newest, &event->mark);
    return 0;
}

static bool
is_own_fence(const struct topic_expectation *expected, const struct event *event)
{
    return event->kind == EVENT_MARK && event->mark.kind == MARK_FENCE &&
           event->epoch == expected->epoch && event->generation == expected->generation &&
           text_is(event->source, expected->source) &&
           text_is(event->mark.topic_id, expected->topic_id) &&
           text_is(event->mark.start_name, expected->start_name);
}

static int
survey_event(const struct reading *reading, const struct event *event, struct error *err)
{
    struct topic_survey *survey = reading->survey;
    CHECK(survey != NULL);
    if (event->epoch == 0)
        return 0; /* from an HTTP source */
    if (event->epoch == INT64_MAX || event->generation == INT64_MAX)
        return error_set(err, ERR_FATAL, "there is no epoch or generation above those of an event");
    if (event->epoch > survey->epoch)
        survey->epoch = event->epoch;
    if (event->generation > survey->generation)
        survey->generation = event->generation;
    if (event->kind == EVENT_MARK && text_is(event->mark.topic_id, reading->expected->topic_id))
        survey->has_topic_id = true;
    return check_source(reading->expected->source, event, err);
}

/* If the broker did not report the offset of our fence, the reading meets the fence and accepts it
 * once: a fence with another random name is not ours. */
static int
read_event(struct reading *reading, const struct event *event, struct error *err)
{
    CHECK(reading->survey == NULL || !reading->range.skip_fence);
    if (reading->survey != NULL)
        return survey_event(reading, event, err);
    if (reading->range.skip_fence && is_own_fence(reading->expected, event)) {
        reading->range.skip_fence = false;
        return 0;
    }
    return topic_check_event(reading->expected, event, err);
}

static int
read_record(struct reading *reading, const struct kafka_record *record, struct error *err)
{
    struct event event;
    CHECK(record->offset < reading->range.end);
    arena_reset(&reading->arena);
    int rc = event_decode(reading->codec, record->value, record->value_bytes, &reading->arena,
                          &event, err);
    if (rc == ERR_DATA)
        return 0; /* not an event; it becomes a dead letter of the consumers */
    if (rc == 0)
        rc = read_event(reading, &event, err);
    else
        rc = ERR_FATAL; /* the unknown schema of a newer producer: a retry does not help */
    return rc != 0 ? error_wrap(err, rc, "offset %" PRId64, record->offset) : 0;
}

static int
read_batch(struct reading *reading, struct error *err)
{
    CHECK(reading->range.next < reading->range.end);
    int rc = kafka_reader_read(reading->reader, READ_WAIT_MS, reading->batch, err);
    if (rc == ERR_RETRY)
        return 0;       /* nothing yet, or an error that the client retries by itself */
    if (rc == ERR_DATA) /* retention has just removed the offset */
        return error_wrap(err, ERR_RETRY, "offset removed while it was read");
    for (uint32_t i = 0; rc == 0 && i < reading->batch->count; i++) {
        const struct kafka_record *record = &reading->batch->records[i];
        if (record->offset < reading->range.end)
            rc = read_record(reading, record, err);
        reading->range.next = record->offset + 1;
    }
    return rc;
}

static int
read_partition(struct reading *reading, int32_t partition, int (*heartbeat)(void *), void *context,
               struct error *err)
{
    CHECK(reading->reader != NULL && reading->batch != NULL);
    if (reading->range.next >= reading->range.end)
        return 0;
    int rc = kafka_reader_start(reading->reader, partition, reading->range.next, err);
    while (rc == 0 && reading->range.next < reading->range.end) {
        rc = heartbeat(context);
        if (rc == 0)
            rc = read_batch(reading, err);
    }
    return rc;
}

int
topic_check_range(const struct topic_expectation *expected, int64_t low, int64_t high,
                  int64_t offset, int64_t fence, struct topic_range *range, struct error *err)
{
    CHECK(low >= 0 && low <= high);
    CHECK(offset >= -1 && fence >= -1);
    *range = (struct topic_range){
        .next = offset + 1 > low ? offset + 1 : low,
        .end = fence >= 0 && fence < high ? fence : high,
        .skip_fence = fence < 0,
    };
    if (offset >= range->end)
        return error_set(err, ERR_FATAL,
                         "ends at offset %" PRId64 ", but offset %" PRId64
                         " was acknowledged: the topic was created again, or the cluster lost"
                         " acknowledged messages; open a new epoch with: bitdex-producer cursor"
                         " adopt",
                         range->end, offset);
    if (expected->whole && low > offset + 1)
        return error_set(err, ERR_FATAL,
                         "begins at offset %" PRId64 ", but events from offset %" PRId64
                         " on must be read: retention has removed what shows whether rows that"
                         " were sent are lost; open a new epoch with: bitdex-producer cursor adopt",
                         low, offset + 1);
    return 0;
}

static int
find_range(struct reading *reading, struct kafka_admin *admin, const char *topic, int32_t partition,
           int64_t offset, int64_t fence, struct error *err)
{
    int64_t low;
    int64_t high;
    int rc = kafka_admin_offsets(admin, topic, partition, &low, &high, err);
    return rc == 0 ? topic_check_range(reading->expected, low, high, offset, fence, &reading->range,
                                       err)
                   : rc;
}

static int
read_partitions(struct reading *reading, struct kafka_admin *admin,
                const struct config_topic *topic, int64_t *offsets, const int64_t *fences,
                int (*heartbeat)(void *), void *context, struct error *err)
{
    CHECK(topic->partitions > 0);
    for (int32_t i = 0; i < topic->partitions; i++) {
        int64_t fence = fences != NULL ? fences[i] : INT64_MAX;
        int rc = heartbeat(context);
        if (rc == 0)
            rc = find_range(reading, admin, topic->name, i, offsets[i], fence, err);
        if (rc == 0)
            rc = read_partition(reading, i, heartbeat, context, err);
        if (rc < 0)
            error_wrap(err, rc, "partition %d of topic %s", i, topic->name);
        if (rc != 0)
            return rc;
        CHECK(reading->range.end - 1 >= offsets[i]);
        offsets[i] = reading->range.end - 1;
    }
    return 0;
}

static int
read_topic(struct reading *reading, const struct config *config, int64_t *offsets,
           const int64_t *fences, int (*heartbeat)(void *), void *context, struct error *err)
{
    struct kafka_admin *admin = NULL;
    CHECK(reading->reader == NULL && reading->codec == NULL && reading->batch == NULL);
    int rc = kafka_admin_create(&config->kafka, &admin, err);
    if (rc == 0)
        rc = kafka_reader_create(&config->kafka, config->topic.name, &reading->reader, err);
    if (rc == 0)
        rc = event_codec_create(&reading->codec, err);
    if (rc == 0) {
        reading->batch = memory_zalloc(sizeof *reading->batch);
        rc = read_partitions(reading, admin, &config->topic, offsets, fences, heartbeat, context,
                             err);
        kafka_batch_release(reading->batch);
        free(reading->batch);
    }
    arena_free(&reading->arena);
    event_codec_destroy(reading->codec);
    kafka_reader_destroy(reading->reader);
    kafka_admin_destroy(admin);
    return rc;
}

int
topic_check_content(const struct config *config, const struct topic_expectation *expected,
                    int64_t *offsets, const int64_t *fences, int (*heartbeat)(void *context),
                    void *context, struct error *err)
{
    struct reading reading = {.expected = expected};
    CHECK(expected->epoch >= 1 && expected->generation >= 1 && expected->tick >= 0);
    CHECK(expected->source != NULL && expected->topic_id != NULL);
    CHECK(expected->start_name != NULL);
    CHECK(offsets != NULL && heartbeat != NULL);
    return read_topic(&reading, config, offsets, fences, heartbeat, context, err);
}

int
topic_check_describe(const struct config *config, struct kafka_topic *topic, struct error *err)
{
    struct kafka_admin *admin;
    CHECK(config->topic.name != NULL);
    int rc = kafka_admin_create(&config->kafka, &admin, err);
    if (rc != 0)
        return rc;
    rc = kafka_admin_describe(admin, config->topic.name, topic, err);
    kafka_admin_destroy(admin);
    return rc == 0 ? topic_check_shape(&config->topic, topic, err) : rc;
}

static int
survey_heartbeat(void *context)
{
    (void)context;
    return 0;
}

int
topic_survey_read(const struct config *config, const char *source, const char *topic_id,
                  struct topic_survey *survey, int64_t *ends, struct error *err)
{
    const struct topic_expectation expected = {.source = source, .topic_id = topic_id};
    struct reading reading = {.expected = &expected, .survey = survey};
    struct kafka_topic topic;
    CHECK(source != NULL && topic_id != NULL && ends != NULL);
    *survey = (struct topic_survey){0};
    for (int32_t i = 0; i < config->topic.partitions; i++)
        ends[i] = -1;
    int rc = topic_check_describe(config, &topic, err);
    return rc == 0 ? read_topic(&reading, config, ends, NULL, survey_heartbeat, NULL, err) : rc;
}
