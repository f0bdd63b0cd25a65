/* Happy path: see ops_topic.h.
 *
 * Failure: any error of the client fails the whole round, and the next round gets a new client. The
 * topic's limit for a message is read with each new client, so that an event that is too large
 * fails its own post and no other.
 */
#include "consumer/ingest/ops_topic.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mutex.h"
#include "common/base/thread.h"
#include "common/kafka/kafka_admin.h"
#include "common/kafka/kafka_producer.h"

enum {
    POLL_MS = 5,
    KEY_BYTES = 8,
    FRAMING_BYTES = 512, /* of a batch with one message */
};

/* A post, on the stack of the thread that waits for it: waiting, then taken by a round, then done;
 * or withdrawn while it waits. */
struct topic_post {
    const struct ops_post *post;
    struct topic_post *next;
    bool taken;
    bool done;
    struct error err; /* code 0: it is stored */
};

struct ops_topic {
    struct ops_sink sink; /* first */
    const struct config *config;
    pthread_t thread;

    pthread_mutex_t lock; /* guards what follows, and posts that are not taken */
    pthread_cond_t changed;
    struct topic_post *waiting; /* not taken yet, oldest first */
    struct topic_post **end;    /* of that list */
    bool stopping;

    /* Of the thread: */
    struct kafka_producer *producer; /* NULL: not created yet, or the last one failed */
    int64_t event_bytes_max;
};

static void
topic_lock(struct ops_topic *topic)
{
    mutex_lock(&topic->lock);
}

static void
topic_unlock(struct ops_topic *topic)
{
    mutex_unlock(&topic->lock);
}

static void
topic_notify(struct ops_topic *topic)
{
    condition_broadcast(&topic->changed);
}

static int64_t
topic_deadline_us(const struct ops_topic *topic)
{
    return clock_monotonic_us() + (int64_t)topic->config->consumer.post_timeout_ms * US_PER_MS;
}

/* --- the thread ------------------------------------------------------------------------------ */

static int
topic_describe(struct ops_topic *topic, struct kafka_topic *found, struct error *err)
{
    const struct config *config = topic->config;
    struct kafka_admin *admin;
    int rc = kafka_admin_create(&config->kafka, &admin, err);
    if (rc != 0)
        return rc;
    rc = kafka_admin_describe(admin, config->topic.name, found, err);
    kafka_admin_destroy(admin);
    if (rc == 0 && (!found->exists || found->partitions != config->topic.partitions))
        rc = error_set(err, ERR_RETRY, "topic %s does not exist with %d partitions",
                       config->topic.name, config->topic.partitions);
    return rc;
}

static int
topic_open_client(struct ops_topic *topic, struct error *err)
{
    const struct config *config = topic->config;
    struct kafka_topic found;
    if (topic->producer != NULL)
        return 0;
    int rc = topic_describe(topic, &found, err);
    if (rc != 0)
        return rc;
    topic->event_bytes_max = found.message_bytes_max - KEY_BYTES - FRAMING_BYTES;
    if (topic->event_bytes_max < 0)
        topic->event_bytes_max = 0;
    return kafka_producer_create(&config->kafka, config->topic.name, config->topic.partitions,
                                 found.message_bytes_max, &topic->producer, err);
}

static int
topic_poll(struct ops_topic *topic, int64_t deadline_us, struct error *err)
{
    CHECK(topic->producer != NULL);
    int rc = kafka_producer_poll(topic->producer, POLL_MS, err);
    if (rc != 0 || clock_monotonic_us() < deadline_us)
        return rc;
    char reason[ERROR_MESSAGE_BYTES];
    kafka_producer_last_error(topic->producer, reason, sizeof reason);
    return error_set(err, ERR_RETRY, "the broker has not acknowledged it in time%s%s",
                     reason[0] != '\0' ? ": " : "", reason);
}

static int
topic_send_message(struct ops_topic *topic, int32_t partition, const struct kafka_message *message,
                   int64_t deadline_us, struct error *err)
{
    uint32_t sent = 0;
    int rc = 0;
    while (rc == 0 && sent == 0) {
        rc = kafka_producer_send(topic->producer, partition, message, 1, &sent, err);
        if (rc == 0 && sent == 0)
            rc = topic_poll(topic, deadline_us, err);
    }
    CHECK(sent <= 1);
    CHECK(rc != 0 || sent == 1);
    return rc;
}

static int
topic_send_span(struct ops_topic *topic, const struct ops_post *post, const struct ops_span *span,
                int64_t deadline_us, struct error *err)
{
    uint8_t key[KEY_BYTES];
    CHECK(span->begin + span->bytes <= post->bytes.bytes);
    for (int i = 0; i < KEY_BYTES; i++)
        key[i] = (uint8_t)((uint64_t)span->entity_id >> 8 * (KEY_BYTES - 1 - i));
    const struct kafka_message message = {key, sizeof key, post->bytes.data + span->begin,
                                          span->bytes};
    int32_t first;
    int32_t count = ops_span_partitions(span, topic->config->topic.partitions, &first);
    int rc = 0;
    for (int32_t i = first; rc == 0 && i < first + count; i++)
        rc = topic_send_message(topic, i, &message, deadline_us, err);
    return rc;
}

/* Sends all posts of the round except those that are refused, and waits for the broker. */
static int
topic_deliver(struct ops_topic *topic, struct topic_post *round, struct error *err)
{
    int64_t deadline_us = topic_deadline_us(topic);
    int rc = 0;
    CHECK(topic->producer != NULL);
    CHECK(kafka_producer_outstanding(topic->producer) == 0);
    for (struct topic_post *one = round; rc == 0 && one != NULL; one = one->next) {
        if (ops_post_check_bytes(one->post, topic->event_bytes_max, &one->err) != 0)
            continue;
        for (uint32_t i = 0; rc == 0 && i < one->post->count; i++)
            rc = topic_send_span(topic, one->post, &one->post->spans[i], deadline_us, err);
    }
    while (rc == 0 && kafka_producer_outstanding(topic->producer) > 0)
        rc = topic_poll(topic, deadline_us, err);
    CHECK(rc != 0 || kafka_producer_outstanding(topic->producer) == 0);
    return rc;
}

/* The offset that the last event of the round has is not smaller than that of the post. */
static void
topic_set_offsets(struct ops_topic *topic, const struct ops_post *post)
{
    int32_t partitions = topic->config->topic.partitions;
    for (uint32_t i = 0; post->offsets != NULL && i < post->count; i++) {
        int32_t first;
        int32_t count = ops_span_partitions(&post->spans[i], partitions, &first);
        for (int32_t j = first; j < first + count; j++)
            post->offsets[j] = kafka_producer_acked_offset_is_last(topic->producer, j)
                                   ? kafka_producer_acked_offset(topic->producer, j)
                                   : OPS_OFFSET_UNKNOWN;
    }
}

/* Answers all posts of the round; those that were not refused get `err` (code 0: stored). */
static void
topic_answer(struct ops_topic *topic, struct topic_post *round, const struct error *err)
{
    topic_lock(topic);
    while (round != NULL) {
        struct topic_post *next = round->next; /* its thread may free it once it is done */
        CHECK(round->taken);
        CHECK(!round->done);
        if (round->err.code == 0)
            round->err = *err;
        round->done = true;
        round = next;
    }
    topic_notify(topic);
    topic_unlock(topic);
}

/* Takes all posts that wait; NULL: all were withdrawn. */
static struct topic_post *
topic_take_round(struct ops_topic *topic)
{
    topic_lock(topic);
    struct topic_post *round = topic->waiting;
    for (struct topic_post *one = round; one != NULL; one = one->next) {
        CHECK(!one->taken);
        CHECK(!one->done);
        one->taken = true;
    }
    topic->waiting = NULL;
    topic->end = &topic->waiting;
    topic_unlock(topic);
    return round;
}

/* Waits for a post; false: the thread must stop. */
static bool
topic_await_post(struct ops_topic *topic)
{
    topic_lock(topic);
    while (topic->waiting == NULL && !topic->stopping)
        condition_wait(&topic->changed, &topic->lock);
    bool stopping = topic->stopping;
    CHECK(stopping || topic->waiting != NULL);
    topic_unlock(topic);
    return !stopping;
}

static void *
topic_main(void *context)
{
    struct ops_topic *topic = context;
    while (topic_await_post(topic)) {
        struct error err = {0};
        int rc = topic_open_client(topic, &err);
        struct topic_post *round = topic_take_round(topic);
        if (rc != 0)
            ops_post_fail(&err, true);
        else if (topic_deliver(topic, round, &err) != 0)
            ops_post_fail(&err, false);
        for (struct topic_post *one = round; err.code == 0 && one != NULL; one = one->next)
            if (one->err.code == 0)
                topic_set_offsets(topic, one->post);
        if (err.code != 0) {
            err.code = ERR_RETRY; /* a new client may succeed */
            log_warn("ops", "%s", err.message);
            kafka_producer_destroy(topic->producer);
            topic->producer = NULL;
        }
        topic_answer(topic, round, &err);
    }
    return NULL;
}

/* --- any thread ------------------------------------------------------------------------------ */

/* Waits until the post is done, or until the deadline if no round takes it. Under the lock. */
static void
topic_await(struct ops_topic *topic, struct topic_post *mine)
{
    int64_t deadline_us = topic_deadline_us(topic);
    bool in_time = true;
    while (!mine->done && (mine->taken || in_time)) {
        if (mine->taken)
            condition_wait(&topic->changed, &topic->lock);
        else
            in_time = condition_wait_until(&topic->changed, &topic->lock, deadline_us);
    }
}

/* Removes the post from the list of those that wait. Under the lock. */
static void
topic_withdraw(struct ops_topic *topic, struct topic_post *mine)
{
    struct topic_post **at = &topic->waiting;
    CHECK(!mine->taken);
    CHECK(!mine->done);
    while (*at != mine) {
        CHECK(*at != NULL);
        at = &(*at)->next;
    }
    *at = mine->next;
    if (*at == NULL)
        topic->end = at;
    error_set(&mine->err, ERR_RETRY,
              "the broker does not answer, or earlier posts still wait for it");
    ops_post_fail(&mine->err, true);
}

static int
topic_store(struct ops_sink *sink, const struct ops_post *post, struct error *err)
{
    struct ops_topic *topic = (struct ops_topic *)sink;
    struct topic_post mine = {.post = post};
    CHECK(post->count > 0);
    topic_lock(topic);
    CHECK(*topic->end == NULL);
    CHECK(!topic->stopping);
    *topic->end = &mine;
    topic->end = &mine.next;
    topic_notify(topic);
    topic_await(topic, &mine);
    if (!mine.done)
        topic_withdraw(topic, &mine);
    topic_unlock(topic);
    CHECK(mine.done || mine.err.code == ERR_RETRY);
    if (mine.err.code != 0)
        *err = mine.err;
    return mine.err.code;
}

static void
topic_free(struct ops_topic *topic)
{
    CHECK(topic->waiting == NULL);
    kafka_producer_destroy(topic->producer);
    condition_destroy(&topic->changed);
    mutex_destroy(&topic->lock);
    free(topic);
}

static void
topic_destroy(struct ops_sink *sink)
{
    struct ops_topic *topic = (struct ops_topic *)sink;
    topic_lock(topic);
    CHECK(!topic->stopping);
    topic->stopping = true;
    topic_notify(topic);
    topic_unlock(topic);
    thread_join(topic->thread);
    topic_free(topic);
}

int
ops_topic_create(const struct config *config, struct ops_sink **sink, struct error *err)
{
    struct ops_topic *topic = memory_zalloc(sizeof *topic);
    topic->sink = (struct ops_sink){.store = topic_store, .destroy = topic_destroy};
    topic->config = config;
    topic->end = &topic->waiting;
    mutex_init(&topic->lock);
    condition_init(&topic->changed);
    int rc = thread_start(&topic->thread, "post to topic", topic_main, topic, err);
    if (rc != 0) {
        topic_free(topic);
        return rc;
    }
    *sink = &topic->sink;
    return 0;
}
