/* Each queue has a lock of its own, which guards everything in it except the events that the worker
 * has taken. One condition is signalled for every change: threads wait at it for events, for room,
 * and for durability. */
#include "consumer/group/feed_local.h"

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "consumer/partition/position_order.h"

struct local_event {
    struct local_event *next;
    size_t bytes;
    uint8_t data[];
};

enum local_state { LOCAL_RECOVERING, LOCAL_OPEN, LOCAL_CLOSED };

struct local_queue {
    struct feed feed; /* first */
    int32_t partition;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum local_state state;
    struct local_event *first;   /* the oldest queued event; NULL: the queue is empty */
    struct local_event **end;    /* where the next event is linked */
    size_t bytes;                /* of the queued events */
    int64_t first_offset;        /* of `first` */
    int64_t next_offset;         /* of the next event that is queued */
    struct position_order order; /* durable */
    struct local_event *taken;   /* the worker's: its batch points to them */
};

struct feed_local {
    struct ops_sink sink; /* first */
    struct feed_source source;
    const struct config *config;
    struct local_queue queues[]; /* topic.partitions */
};

static void
local_lock(struct local_queue *queue)
{
    mutex_lock(&queue->lock);
}

static void
local_notify(struct local_queue *queue)
{
    condition_broadcast(&queue->changed);
}

/* What holds whenever the lock is free. */
static void
local_check(const struct local_queue *queue)
{
    CHECK((queue->first == NULL) == (queue->first_offset == queue->next_offset));
    CHECK((queue->first == NULL) == (queue->end == &queue->first));
    CHECK(queue->first_offset <= queue->next_offset);
    CHECK(queue->first != NULL || queue->bytes == 0);
}

static void
local_unlock(struct local_queue *queue)
{
    local_check(queue);
    mutex_unlock(&queue->lock);
}

/* False: the deadline has passed. */
static bool
local_wait(struct local_queue *queue, int64_t deadline_us)
{
    return condition_wait_until(&queue->changed, &queue->lock, deadline_us);
}

static void
local_free_events(struct local_event *event)
{
    while (event != NULL) {
        struct local_event *next = event->next;
        free(event);
        event = next;
    }
}

/* --- storing --------------------------------------------------------------------------------- */

static int
local_stopping(const struct local_queue *queue, struct error *err)
{
    CHECK(queue->state == LOCAL_CLOSED);
    return error_set(err, ERR_RETRY, "partition %d stops", queue->partition);
}

/* Waits until the queue is open and has room for `bytes`. An empty queue has room for any event. */
static int
local_await_room(struct local_queue *queue, size_t bytes, size_t bytes_max, int64_t deadline_us,
                 struct error *err)
{
    while (queue->state == LOCAL_RECOVERING ||
           (queue->state == LOCAL_OPEN && queue->first != NULL &&
            (bytes > bytes_max || queue->bytes > bytes_max - bytes)))
        if (!local_wait(queue, deadline_us))
            return error_set(err, ERR_RETRY,
                             queue->state == LOCAL_RECOVERING ? "partition %d is recovering"
                                                              : "partition %d has no room",
                             queue->partition);
    CHECK(queue->state != LOCAL_RECOVERING);
    return queue->state == LOCAL_OPEN ? 0 : local_stopping(queue, err);
}

/* Queues a copy. `*end` becomes the offset after it. */
static int
local_push(struct local_queue *queue, struct text bytes, size_t bytes_max, int64_t deadline_us,
           int64_t *end, struct error *err)
{
    struct local_event *event = memory_alloc(sizeof *event + bytes.bytes);
    *event = (struct local_event){.bytes = bytes.bytes};
    memcpy(event->data, bytes.data, bytes.bytes);
    local_lock(queue);
    int rc = local_await_room(queue, bytes.bytes, bytes_max, deadline_us, err);
    if (rc == 0) {
        CHECK(queue->state == LOCAL_OPEN);
        CHECK(*queue->end == NULL);
        *queue->end = event;
        queue->end = &event->next;
        queue->bytes += bytes.bytes;
        *end = ++queue->next_offset;
        local_notify(queue);
    }
    local_unlock(queue);
    if (rc != 0)
        free(event);
    return rc;
}

static int64_t
local_durable_offset(const struct local_queue *queue)
{
    return position_order_offset(&queue->order, POSITION_DURABLE);
}

/* `offset` 0: there is nothing to wait for. */
static int
local_await_durable(struct local_queue *queue, int64_t offset, int64_t deadline_us,
                    struct error *err)
{
    int rc = 0;
    local_lock(queue);
    CHECK(offset >= 0);
    CHECK(offset <= queue->next_offset);
    while (rc == 0 && offset > 0 && local_durable_offset(queue) < offset)
        if (queue->state == LOCAL_CLOSED)
            rc = local_stopping(queue, err);
        else if (!local_wait(queue, deadline_us) && local_durable_offset(queue) < offset)
            rc = error_set(err, ERR_RETRY, "partition %d has not stored the ops in time",
                           queue->partition);
    local_unlock(queue);
    return rc;
}

/* Queues a span for its partitions. ends[partition] becomes the offset after it. */
static int
local_push_span(struct feed_local *local, const struct ops_post *post, const struct ops_span *span,
                int64_t deadline_us, int64_t *ends, struct error *err)
{
    const struct text bytes = {(const char *)post->bytes.data + span->begin, span->bytes};
    size_t bytes_max = (size_t)local->config->consumer.batch_bytes;
    int32_t first;
    int32_t count = ops_span_partitions(span, local->config->topic.partitions, &first);
    CHECK(span->begin + span->bytes <= post->bytes.bytes);
    CHECK(first >= 0);
    CHECK(first + count <= local->config->topic.partitions);
    int rc = 0;
    for (int32_t i = first; rc == 0 && i < first + count; i++)
        rc = local_push(&local->queues[i], bytes, bytes_max, deadline_us, &ends[i], err);
    return rc;
}

static int
local_store(struct ops_sink *sink, const struct ops_post *post, struct error *err)
{
    struct feed_local *local = (struct feed_local *)sink;
    int32_t partitions = local->config->topic.partitions;
    int64_t deadline_us =
        clock_monotonic_us() + (int64_t)local->config->consumer.post_timeout_ms * US_PER_MS;
    int64_t *ends = memory_zalloc((size_t)partitions * sizeof *ends); /* 0: nothing went there */
    bool touched = false;
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < post->count; i++)
        rc = local_push_span(local, post, &post->spans[i], deadline_us, ends, err);
    for (int32_t i = 0; i < partitions; i++) {
        touched = touched || ends[i] > 0;
        if (rc == 0)
            rc = local_await_durable(&local->queues[i], ends[i], deadline_us, err);
    }
    free(ends);
    return rc == 0 ? 0 : ops_post_fail(err, !touched);
}

/* --- the worker's calls ---------------------------------------------------------------------- */

static int
local_committed(struct feed *feed, int64_t *offset, struct buffer *metadata, struct error *err)
{
    (void)feed; /* there is no group; the log alone has the position */
    (void)metadata;
    (void)err;
    *offset = -1;
    return 0;
}

/* Moves events from the queue to `taken`; the batch points to them. */
static void
local_take(struct local_queue *queue, uint32_t max_records, size_t max_bytes,
           struct kafka_batch *batch)
{
    struct local_event **end = &queue->taken;
    CHECK(queue->taken == NULL);
    CHECK(batch->count == 0);
    CHECK(max_records <= KAFKA_BATCH_RECORDS_MAX);
    while (queue->first != NULL && batch->count < max_records && batch->bytes < max_bytes) {
        struct local_event *event = queue->first;
        CHECK(event->bytes <= queue->bytes);
        CHECK(queue->first_offset < queue->next_offset);
        queue->first = event->next;
        queue->bytes -= event->bytes;
        *end = event;
        end = &event->next;
        batch->messages[batch->count] = NULL;
        batch->records[batch->count++] = (struct kafka_record){
            .offset = queue->first_offset++,
            .timestamp_ms = -1,
            .value = event->data,
            .value_bytes = event->bytes,
        };
        batch->bytes += event->bytes;
    }
    *end = NULL;
    if (queue->first == NULL)
        queue->end = &queue->first;
}

static int
local_read(struct feed *feed, int wait_ms, uint32_t max_records, size_t max_bytes,
           struct kafka_batch *batch, struct error *err)
{
    struct local_queue *queue = (struct local_queue *)feed;
    (void)err;
    int64_t deadline_us = clock_monotonic_us() + (int64_t)wait_ms * US_PER_MS;
    kafka_batch_release(batch);
    local_free_events(queue->taken);
    queue->taken = NULL;
    local_lock(queue);
    while (queue->first == NULL && local_wait(queue, deadline_us))
        continue;
    local_take(queue, max_records, max_bytes, batch);
    CHECK(batch->count <= max_records);
    local_notify(queue);
    local_unlock(queue);
    return 0;
}

static int
local_durable(struct feed *feed, int64_t offset, const struct sequence *sequence,
              const char *metadata, bool wait, struct error *err)
{
    struct local_queue *queue = (struct local_queue *)feed;
    (void)sequence;
    (void)metadata;
    (void)wait;
    (void)err;
    local_lock(queue);
    CHECK(queue->state != LOCAL_OPEN || offset <= queue->first_offset);
    position_order_move(&queue->order, POSITION_DURABLE, offset);
    local_notify(queue);
    local_unlock(queue);
    return 0;
}

static void
local_bounds(struct feed *feed, struct feed_bounds *bounds)
{
    struct local_queue *queue = (struct local_queue *)feed;
    local_lock(queue);
    bool is_known = queue->state != LOCAL_RECOVERING;
    *bounds = (struct feed_bounds){
        .low = 0,
        .high = is_known ? queue->next_offset : -1,
        .committed = -1, /* there is no group */
        .waiting = is_known ? queue->next_offset - queue->first_offset : 0,
    };
    local_unlock(queue);
}

static void
local_close(struct feed *feed)
{
    struct local_queue *queue = (struct local_queue *)feed;
    local_free_events(queue->taken);
    queue->taken = NULL;
    local_lock(queue);
    CHECK(queue->state != LOCAL_CLOSED);
    queue->state = LOCAL_CLOSED;
    local_notify(queue);
    local_unlock(queue);
}

/* --- for the main thread --------------------------------------------------------------------- */

static void
local_destroy(struct ops_sink *sink)
{
    struct feed_local *local = (struct feed_local *)sink;
    for (int32_t i = 0; i < local->config->topic.partitions; i++) {
        struct local_queue *queue = &local->queues[i];
        CHECK(queue->state != LOCAL_OPEN);
        CHECK(queue->taken == NULL);
        local_free_events(queue->first);
        condition_destroy(&queue->changed);
        mutex_destroy(&queue->lock);
    }
    free(local);
}

static void
local_init(struct local_queue *queue, int32_t partition)
{
    *queue = (struct local_queue){
        .feed =
            {
                .committed = local_committed,
                .read = local_read,
                .durable = local_durable,
                .bounds = local_bounds,
                .destroy = local_close,
            },
        .partition = partition,
        .end = &queue->first,
    };
    position_order_init(&queue->order);
    position_order_follow(&queue->order, POSITION_DURABLE, POSITION_NONE);
    mutex_init(&queue->lock);
    condition_init(&queue->changed);
}

static struct local_queue *
local_queue_of(struct feed_source *source, int32_t partition)
{
    struct feed_local *local =
        (struct feed_local *)((char *)source - offsetof(struct feed_local, source));
    CHECK(partition >= 0);
    CHECK(partition < local->config->topic.partitions);
    return &local->queues[partition];
}

static struct feed *
local_open(struct feed_source *source, int32_t partition)
{
    struct local_queue *queue = local_queue_of(source, partition);
    CHECK(queue->state == LOCAL_RECOVERING);
    return &queue->feed;
}

static void
local_start(struct feed_source *source, int32_t partition, int64_t offset)
{
    struct local_queue *queue = local_queue_of(source, partition);
    local_lock(queue);
    CHECK(queue->state == LOCAL_RECOVERING);
    queue->state = LOCAL_OPEN;
    queue->first_offset = offset > 0 ? offset : 0;
    queue->next_offset = queue->first_offset;
    CHECK(local_durable_offset(queue) <= queue->first_offset);
    position_order_move(&queue->order, POSITION_DURABLE, queue->first_offset);
    local_notify(queue);
    local_unlock(queue);
}

struct feed_local *
feed_local_create(const struct config *config)
{
    int32_t partitions = config->topic.partitions;
    CHECK(partitions > 0);
    struct feed_local *local =
        memory_alloc(sizeof *local + (size_t)partitions * sizeof local->queues[0]);
    local->sink = (struct ops_sink){.store = local_store, .destroy = local_destroy};
    local->source = (struct feed_source){.open = local_open, .start = local_start};
    local->config = config;
    for (int32_t i = 0; i < partitions; i++)
        local_init(&local->queues[i], i);
    return local;
}

struct ops_sink *
feed_local_sink(struct feed_local *local)
{
    return &local->sink;
}

struct feed_source *
feed_local_source(struct feed_local *local)
{
    return &local->source;
}
