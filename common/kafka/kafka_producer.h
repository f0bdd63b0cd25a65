/* The sending side of one topic: idempotent, acks=all, explicit partitions, and no message is ever
 * given up (L4).
 *
 * Messages of one partition are appended and acknowledged in the order they were sent, so counting
 * acknowledgements tells which messages are on the topic. Any delivery error is final for the whole
 * producer: nothing behind the refused message is delivered, every later call returns it
 * (ERR_RETRY), and the caller destroys the producer and sends again with a new one. A broker that
 * is away is not an error: acknowledgements stop coming.
 *
 * One thread. librdkafka's own threads do the network; no callback runs outside these calls.
 */
#ifndef COMMON_KAFKA_KAFKA_PRODUCER_H
#define COMMON_KAFKA_KAFKA_PRODUCER_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/config/config.h"

struct kafka_producer;

struct kafka_message {
    const void *key;
    size_t key_bytes;
    const void *value;
    size_t value_bytes;
};

/* Does not wait for the broker. `batch_bytes_max` is the topic's max.message.bytes, so that no
 * batch of messages is larger (0: the broker's default is large enough). ERR_USAGE when librdkafka
 * refuses a setting, with its name. The caller owns `*producer`. */
int kafka_producer_create(const struct config_kafka *config, const char *topic, int32_t partitions,
                          int64_t batch_bytes_max, struct kafka_producer **producer,
                          struct error *err);

/* Throws away what is queued or in flight; what is in flight may still arrive. Does not wait. */
void kafka_producer_destroy(struct kafka_producer *producer);

/* Queues copies of as many messages as fit, in order; `*sent` says how many. Fewer than `count`
 * with 0 means that the queue is full: poll, then send the rest. ERR_DATA: a message that no
 * queue would hold; nothing was sent. */
int kafka_producer_send(struct kafka_producer *producer, int32_t partition,
                        const struct kafka_message *messages, uint32_t count, uint32_t *sent,
                        struct error *err);

/* Takes acknowledgements, waiting up to `wait_ms` for the first. */
int kafka_producer_poll(struct kafka_producer *producer, int wait_ms, struct error *err);

/* Of one partition since creation: messages queued, messages acknowledged, and the offset of the
 * last acknowledged one (-1: none yet; an earlier one's when the broker did not say, after a
 * retry). */
uint64_t kafka_producer_sent(const struct kafka_producer *producer, int32_t partition);
uint64_t kafka_producer_acked(const struct kafka_producer *producer, int32_t partition);
int64_t kafka_producer_acked_offset(const struct kafka_producer *producer, int32_t partition);
/* Of all partitions: queued and not acknowledged. */
uint64_t kafka_producer_outstanding(const struct kafka_producer *producer);

/* What the client last said about its brokers ("" when all is well): for status and logs. Any
 * thread. */
void kafka_producer_trouble(struct kafka_producer *producer, char *out, size_t bytes);

#endif
