#include "producer/sink/topic_watch.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/mutex.h"
#include "common/base/thread.h"
#include "common/event/event_codec.h"
#include "common/kafka/kafka_admin.h"
#include "common/kafka/kafka_reader.h"
#include "producer/sink/topic_check.h"

enum {
    STEP_MS = 100,
    READ_WAIT_MS = 200,
    RANGE_WAIT_US = 10 * US_PER_S,
    REQUEST_MS = 2000,
    REFUSALS = 2,
};

/* next <= offset < end. Empty: all of them were read. */
struct watch_range {
    int64_t next;
    int64_t end;
};

/* What is read, as it was when the reading began. */
struct watch_task {
    uint64_t session;
    int32_t partition;
    struct watch_range range;
    struct rival_self self;
    char topic_id[RIVAL_NAME_BYTES];
    char start_name[RIVAL_NAME_BYTES];
};

struct topic_watch {
    const struct config *config;
    pthread_t thread;
    _Atomic bool stopping;

    pthread_mutex_t mutex; /* of these: */
    uint64_t session;      /* number of the present one, or of the last */
    bool has_session;
    struct watch_task task;     /* the names of the session; its other members are not used */
    struct watch_range *ranges; /* by partition; owned */
    struct rival rival;         /* of the session */
    struct error refused;       /* the topic, in this session; code 0: it is not */

    /* Of the thread. */
    struct event_codec *codec;
    struct kafka_reader *reader; /* NULL: not created; owned */
    struct kafka_batch batch;
    struct arena arena;        /* of the event that is decoded */
    struct kafka_admin *admin; /* NULL: not created; owned */
    int64_t describe_due_us;
    int refusals;                            /* in a row */
    char difference[TOPIC_DIFFERENCE_BYTES]; /* that was logged */
};

/* --- for the drain --------------------------------------------------------------------------- */

void
topic_watch_begin(struct topic_watch *watch, const struct rival_self *self)
{
    struct watch_task *task = &watch->task;
    mutex_lock(&watch->mutex);
    CHECK(!watch->has_session);
    watch->has_session = true;
    watch->session++;
    watch->rival = (struct rival){.kind = RIVAL_NONE};
    watch->refused.code = 0;
    for (int32_t i = 0; i < watch->config->topic.partitions; i++)
        watch->ranges[i] = (struct watch_range){0, 0};
    snprintf(task->topic_id, sizeof task->topic_id, "%s", self->topic_id);
    snprintf(task->start_name, sizeof task->start_name, "%s", self->start_name);
    task->self = *self;
    mutex_unlock(&watch->mutex);
}

void
topic_watch_end(struct topic_watch *watch)
{
    mutex_lock(&watch->mutex);
    CHECK(watch->has_session);
    watch->has_session = false;
    mutex_unlock(&watch->mutex);
}

void
topic_watch_add(struct topic_watch *watch, int32_t partition, int64_t first, int64_t end)
{
    CHECK(partition >= 0 && partition < watch->config->topic.partitions);
    CHECK(first >= 0 && first < end);
    mutex_lock(&watch->mutex);
    CHECK(watch->has_session);
    struct watch_range *range = &watch->ranges[partition];
    if (range->next >= range->end)
        range->next = first;
    range->end = end;
    mutex_unlock(&watch->mutex);
}

bool
topic_watch_find(struct topic_watch *watch, struct rival *rival)
{
    mutex_lock(&watch->mutex);
    bool found = watch->has_session && watch->rival.kind != RIVAL_NONE;
    *rival = watch->rival;
    mutex_unlock(&watch->mutex);
    return found;
}

int
topic_watch_check(struct topic_watch *watch, struct error *err)
{
    int rc = 0;
    mutex_lock(&watch->mutex);
    if (watch->has_session && watch->refused.code != 0)
        rc = error_set(err, watch->refused.code, "%s", watch->refused.message);
    mutex_unlock(&watch->mutex);
    return rc;
}

/* --- the thread ------------------------------------------------------------------------------ */

/* Takes a range to read; false: all were read. */
static bool
watch_take(struct topic_watch *watch, struct watch_task *task)
{
    bool found = false;
    mutex_lock(&watch->mutex);
    for (int32_t i = 0; i < watch->config->topic.partitions && watch->has_session && !found; i++) {
        found = watch->ranges[i].next < watch->ranges[i].end;
        if (!found)
            continue;
        *task = watch->task;
        task->session = watch->session;
        task->partition = i;
        task->range = watch->ranges[i];
        watch->ranges[i] = (struct watch_range){0, 0};
    }
    mutex_unlock(&watch->mutex);
    task->self.topic_id = task->topic_id;
    task->self.start_name = task->start_name;
    return found;
}

/* The rest of the range is read later. */
static void
watch_put_back(struct topic_watch *watch, const struct watch_task *task)
{
    struct watch_range *range = &watch->ranges[task->partition];
    mutex_lock(&watch->mutex);
    if (watch->has_session && watch->session == task->session) {
        if (range->next >= range->end)
            range->end = task->range.end;
        range->next = task->range.next;
    }
    mutex_unlock(&watch->mutex);
}

static void
watch_report(struct topic_watch *watch, const struct watch_task *task, const struct rival *rival)
{
    CHECK(rival->kind != RIVAL_NONE);
    mutex_lock(&watch->mutex);
    if (watch->has_session && watch->session == task->session && watch->rival.kind == RIVAL_NONE)
        watch->rival = *rival;
    mutex_unlock(&watch->mutex);
}

static void
watch_judge(struct topic_watch *watch, const struct watch_task *task,
            const struct kafka_record *record)
{
    struct error err = {0};
    struct event event;
    struct rival rival;
    if (record->key_bytes > 0)
        return;
    arena_reset(&watch->arena);
    int rc =
        event_decode(watch->codec, record->value, record->value_bytes, &watch->arena, &event, &err);
    if (rc == ERR_DATA)
        return; /* not an event; it becomes a dead letter of the consumers */
    if (rc != 0)
        rival = (struct rival){.kind = RIVAL_SCHEMA};
    else if (rival_judge(&task->self, &event, &rival) == RIVAL_NONE)
        return;
    rival.partition = task->partition;
    rival.offset = record->offset;
    watch_report(watch, task, &rival);
}

/* Takes what has come of the range. */
static int
watch_read_batch(struct topic_watch *watch, struct watch_task *task, struct error *err)
{
    int rc = kafka_reader_read(watch->reader, READ_WAIT_MS, &watch->batch, err);
    if (rc == ERR_DATA) { /* retention has removed the offset */
        task->range.next = task->range.end;
        return 0;
    }
    for (uint32_t i = 0; rc == 0 && i < watch->batch.count; i++) {
        const struct kafka_record *record = &watch->batch.records[i];
        if (record->offset < task->range.end)
            watch_judge(watch, task, record);
        task->range.next = record->offset + 1;
    }
    kafka_batch_release(&watch->batch);
    return rc;
}

/* Reads the range, or as much of it as comes in time. */
static int
watch_read(struct topic_watch *watch, struct watch_task *task, struct error *err)
{
    const struct config *config = watch->config;
    int64_t until_us = clock_monotonic_us() + RANGE_WAIT_US;
    int rc = 0;
    if (watch->reader == NULL)
        rc = kafka_reader_create(&config->kafka, config->topic.name, &watch->reader, err);
    if (rc == 0)
        rc = kafka_reader_start(watch->reader, task->partition, task->range.next, err);
    if (rc != 0)
        return rc;
    while (rc == 0 && task->range.next < task->range.end && !watch->stopping &&
           clock_monotonic_us() < until_us) {
        rc = watch_read_batch(watch, task, err);
        if (rc == ERR_RETRY)
            rc = 0; /* nothing yet, or an error that the client retries by itself */
    }
    kafka_reader_stop(watch->reader);
    return rc;
}

/* Logs a difference that was not there before. */
static void
watch_show_difference(struct topic_watch *watch, const struct kafka_topic *topic)
{
    char difference[TOPIC_DIFFERENCE_BYTES];
    topic_check_difference(&watch->config->topic, topic, difference, sizeof difference);
    if (difference[0] != '\0' && strcmp(difference, watch->difference) != 0)
        log_warn("drain", "%s", difference);
    snprintf(watch->difference, sizeof watch->difference, "%s", difference);
}

/* Asks for the settings of the topic. An outage proves nothing. */
static void
watch_describe(struct topic_watch *watch)
{
    const struct config *config = watch->config;
    struct error err = {0};
    struct kafka_topic topic;
    int rc = 0;
    if (watch->admin == NULL)
        rc = kafka_admin_create(&config->kafka, &watch->admin, &err);
    if (rc != 0)
        return;
    kafka_admin_limit_requests(watch->admin, REQUEST_MS);
    if (kafka_admin_describe(watch->admin, config->topic.name, &topic, &err) != 0)
        return;
    if (topic_check_shape(&config->topic, &topic, &err) == 0) {
        watch->refusals = 0;
        watch_show_difference(watch, &topic);
        return;
    }
    if (++watch->refusals < REFUSALS)
        return;
    mutex_lock(&watch->mutex);
    watch->refused = err;
    mutex_unlock(&watch->mutex);
}

static bool
watch_has_session(struct topic_watch *watch)
{
    mutex_lock(&watch->mutex);
    bool has_session = watch->has_session;
    mutex_unlock(&watch->mutex);
    return has_session;
}

static void
watch_describe_when_due(struct topic_watch *watch)
{
    int64_t now_us = clock_monotonic_us();
    CHECK(watch->config->producer.guard_interval_ms > 0);
    if (now_us < watch->describe_due_us || !watch_has_session(watch))
        return;
    watch_describe(watch);
    watch->describe_due_us =
        clock_monotonic_us() + (int64_t)watch->config->producer.guard_interval_ms * US_PER_MS;
}

static void *
watch_main(void *context)
{
    struct topic_watch *watch = context;
    struct watch_task task;
    while (!watch->stopping) {
        struct error err = {0};
        if (watch_take(watch, &task)) {
            if (watch_read(watch, &task, &err) != 0)
                log_warn("drain", "cannot look at what others write to the topic: %s", err.message);
            if (task.range.next < task.range.end)
                watch_put_back(watch, &task);
        }
        watch_describe_when_due(watch);
        clock_sleep_ms(STEP_MS);
    }
    return NULL;
}

static void
watch_free(struct topic_watch *watch)
{
    kafka_batch_release(&watch->batch);
    kafka_reader_destroy(watch->reader);
    kafka_admin_destroy(watch->admin);
    event_codec_destroy(watch->codec);
    arena_free(&watch->arena);
    mutex_destroy(&watch->mutex);
    free(watch->ranges);
    free(watch);
}

int
topic_watch_start(const struct config *config, struct topic_watch **out, struct error *err)
{
    struct topic_watch *watch = memory_zalloc(sizeof *watch);
    CHECK(config->topic.partitions > 0);
    watch->config = config;
    watch->ranges = memory_zalloc((size_t)config->topic.partitions * sizeof *watch->ranges);
    mutex_init(&watch->mutex);
    arena_init(&watch->arena);
    int rc = event_codec_create(&watch->codec, err);
    if (rc == 0)
        rc = thread_start(&watch->thread, "topic watch", watch_main, watch, err);
    if (rc != 0) {
        watch_free(watch);
        return rc;
    }
    *out = watch;
    return 0;
}

void
topic_watch_stop(struct topic_watch *watch)
{
    CHECK(!watch->stopping); /* stopped once */
    watch->stopping = true;
    thread_join(watch->thread);
    watch_free(watch);
}
