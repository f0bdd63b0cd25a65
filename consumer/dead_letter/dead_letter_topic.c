#include "consumer/dead_letter/dead_letter_topic.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "common/kafka/kafka_producer.h"

/* All letters go to the first partition: any number of partitions will do for that topic. */
enum { DEAD_PARTITION = 0, DEAD_PARTITIONS = 1 };

struct dead_letter_topic {
    const struct config *config;
    char *topic;
    struct kafka_producer *producer; /* NULL: none yet, or the last one failed */
    uint32_t sent;                   /* of the list that is being delivered */
    uint64_t acked_before;           /* the producer's count when that list began */
    bool all_acked;                  /* of that list */
};

struct dead_letter_topic *
dead_letter_topic_create(const struct config *config)
{
    struct dead_letter_topic *letters = memory_zalloc(sizeof *letters);
    letters->config = config;
    letters->topic = memory_format("%s.dead", config->topic.name);
    return letters;
}

static void
dead_letter_topic_drop_client(struct dead_letter_topic *letters)
{
    if (letters->producer != NULL)
        kafka_producer_destroy(letters->producer);
    letters->producer = NULL;
    letters->sent = 0;
}

void
dead_letter_topic_destroy(struct dead_letter_topic *letters)
{
    if (letters == NULL)
        return;
    dead_letter_topic_drop_client(letters);
    free(letters->topic);
    free(letters);
}

static int
dead_letters_send(struct dead_letter_topic *letters, const struct dead_letter_list *list,
                  struct error *err)
{
    int rc = 0;
    uint32_t taken = 1;
    while (rc == 0 && taken == 1 && letters->sent < list->count) {
        const struct dead_letter_span *span = &list->spans[letters->sent];
        const uint8_t *key = list->bytes.data + span->begin;
        const struct kafka_message message = {key, span->key_bytes, key + span->key_bytes,
                                              span->value_bytes};
        rc = kafka_producer_send(letters->producer, DEAD_PARTITION, &message, 1, &taken, err);
        letters->sent += taken;
    }
    return rc;
}

static int
dead_letters_work(struct dead_letter_topic *letters, const struct dead_letter_list *list,
                  int wait_ms, struct error *err)
{
    int64_t deadline_us = clock_monotonic_us() + (int64_t)wait_ms * 1000;
    if (letters->sent == 0)
        letters->acked_before = kafka_producer_acked(letters->producer, DEAD_PARTITION);
    for (;;) {
        int rc = dead_letters_send(letters, list, err);
        if (rc == 0)
            rc = kafka_producer_poll(letters->producer, wait_ms, err);
        if (rc != 0)
            return rc;
        uint64_t acked = kafka_producer_acked(letters->producer, DEAD_PARTITION);
        letters->all_acked = acked - letters->acked_before == list->count;
        if (letters->all_acked || clock_monotonic_us() >= deadline_us)
            return 0;
    }
}

int
dead_letter_topic_deliver(struct dead_letter_topic *letters, const struct dead_letter_list *list,
                          int wait_ms, struct error *err)
{
    int rc = 0;
    if (letters->producer == NULL)
        rc = kafka_producer_create(&letters->config->kafka, letters->topic, DEAD_PARTITIONS, 0,
                                   &letters->producer, err);
    if (rc == 0)
        rc = dead_letters_work(letters, list, wait_ms, err);
    if (rc != 0) {
        dead_letter_topic_drop_client(letters);
        return error_wrap(err, rc, "topic %s", letters->topic);
    }
    if (!letters->all_acked)
        return error_set(err, ERR_RETRY, "dead letters wait for topic %s", letters->topic);
    letters->sent = 0;
    return 0;
}
