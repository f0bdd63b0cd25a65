#include "consumer/dead_letter/dead_letter_topic.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/kafka/kafka_producer.h"

/* All dead letters go to the first partition, so the topic may have any number of partitions. */
enum { DEAD_PARTITION = 0, DEAD_PARTITIONS = 1 };

struct dead_letter_topic {
    const struct config *config;
    char *name;
    struct kafka_producer *producer; /* NULL: not created yet, or the last one failed */
    uint32_t sent;                   /* of the list that is being delivered */
    uint64_t acked_before;           /* the producer's count when that list began */
};

struct dead_letter_topic *
dead_letter_topic_create(const struct config *config)
{
    struct dead_letter_topic *topic = memory_zalloc(sizeof *topic);
    topic->config = config;
    topic->name = memory_format("%s.dead", config->topic.name);
    return topic;
}

static void
topic_drop_client(struct dead_letter_topic *topic)
{
    if (topic->producer != NULL)
        kafka_producer_destroy(topic->producer);
    topic->producer = NULL;
    topic->sent = 0;
}

void
dead_letter_topic_destroy(struct dead_letter_topic *topic)
{
    if (topic == NULL)
        return;
    topic_drop_client(topic);
    free(topic->name);
    free(topic);
}

static int
topic_send(struct dead_letter_topic *topic, const struct dead_letter_list *list, struct error *err)
{
    int rc = 0;
    uint32_t taken = 1;
    CHECK(topic->sent <= list->count);
    while (rc == 0 && taken == 1 && topic->sent < list->count) {
        const struct dead_letter_span *span = &list->spans[topic->sent];
        const uint8_t *key = list->bytes.data + span->begin;
        const struct kafka_message message = {key, span->key_bytes, key + span->key_bytes,
                                              span->value_bytes};
        CHECK(span->begin + span->key_bytes + span->value_bytes <= list->bytes.bytes);
        rc = kafka_producer_send(topic->producer, DEAD_PARTITION, &message, 1, &taken, err);
        topic->sent += taken;
    }
    return rc;
}

/* 1: all are acknowledged; 0: not in time. */
static int
topic_work(struct dead_letter_topic *topic, const struct dead_letter_list *list, int wait_ms,
           struct error *err)
{
    int64_t deadline_us = clock_monotonic_us() + (int64_t)wait_ms * US_PER_MS;
    CHECK(topic->producer != NULL);
    if (topic->sent == 0)
        topic->acked_before = kafka_producer_acked(topic->producer, DEAD_PARTITION);
    for (;;) {
        int rc = topic_send(topic, list, err);
        if (rc == 0)
            rc = kafka_producer_poll(topic->producer, wait_ms, err);
        if (rc != 0)
            return rc;
        uint64_t acked = kafka_producer_acked(topic->producer, DEAD_PARTITION);
        CHECK(acked - topic->acked_before <= topic->sent);
        if (acked - topic->acked_before == list->count)
            return 1;
        if (clock_monotonic_us() >= deadline_us)
            return 0;
    }
}

int
dead_letter_topic_deliver(struct dead_letter_topic *topic, const struct dead_letter_list *list,
                          int wait_ms, struct error *err)
{
    int rc = 0;
    CHECK(list->count > 0);
    if (topic->producer == NULL)
        rc = kafka_producer_create(&topic->config->kafka, topic->name, DEAD_PARTITIONS, 0,
                                   &topic->producer, err);
    if (rc == 0)
        rc = topic_work(topic, list, wait_ms, err);
    if (rc < 0) {
        topic_drop_client(topic);
        return error_wrap(err, rc, "topic %s", topic->name);
    }
    if (rc == 0)
        return error_set(err, ERR_RETRY, "topic %s has not acknowledged the dead letters yet",
                         topic->name);
    topic->sent = 0;
    return 0;
}
