/* The sending side of one topic: idempotent, acks=all, explicit partitions, and retries without a
 * limit (L4).
 *
 * Messages of one partition are appended and acknowledged in the order in which they were sent, so
 * the number of acknowledgements determines which messages are on the topic. A delivery error ends
 * the whole producer: no message after the refused one is delivered, and every later call returns
 * the error (ERR_RETRY). The caller then destroys the producer and sends again with a new one. A
 * broker that is away is not an error: there are no acknowledgements until it is back.
 *
 * One thread. The threads of librdkafka do the network I/O; no callback runs outside of these
 * calls.
 */
#ifndef COMMON_KAFKA_KAFKA_PRODUCER_H
#define COMMON_KAFKA_KAFKA_PRODUCER_H

#include <stdbool.h>
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

/* Does not wait for the broker. No batch of messages is larger than `batch_bytes_max`, which is the
 * max.message.bytes of the topic (0: the default of the broker). ERR_USAGE with the name of a
 * setting that librdkafka refuses. The caller owns `*producer`. */
int kafka_producer_create(const struct config_kafka *config, const char *topic, int32_t partitions,
                          int64_t batch_bytes_max, struct kafka_producer **producer,
                          struct error *err);

/* Discards the messages that are queued or in flight; those in flight may still be appended. Does
 * not wait. */
void kafka_producer_destroy(struct kafka_producer *producer);

/* Queues copies of as many messages as fit, in order, and sets `*sent` to their number. When that
 * is less than `count` and the result is 0, the queue is full: poll, then send the rest. ERR_DATA:
 * a message does not fit into an empty queue; nothing was sent. */
int kafka_producer_send(struct kafka_producer *producer, int32_t partition,
                        const struct kafka_message *messages, uint32_t count, uint32_t *sent,
                        struct error *err);

/* Counts acknowledgements; waits up to `wait_ms` for the first, whatever the wall clock does
 * meanwhile (F121). */
int kafka_producer_poll(struct kafka_producer *producer, int wait_ms, struct error *err);

/* Of one partition since creation: messages queued, messages acknowledged, and the last offset that
 * the broker has acknowledged (-1: none). After a retry the broker may acknowledge a message
 * without its offset. */
uint64_t kafka_producer_sent(const struct kafka_producer *producer, int32_t partition);
uint64_t kafka_producer_acked(const struct kafka_producer *producer, int32_t partition);
int64_t kafka_producer_acked_offset(const struct kafka_producer *producer, int32_t partition);
/* Is that the offset of the last message that was acknowledged? */
bool kafka_producer_acked_offset_is_last(const struct kafka_producer *producer, int32_t partition);
/* Between the offsets that were acknowledged there are offsets that were not, from `*first` up to
 * before `*end`: somebody else's messages, or ours whose offsets the broker did not report. Of all
 * such gaps since the last call the whole range. False: there was none. */
bool kafka_producer_take_gap(struct kafka_producer *producer, int32_t partition, int64_t *first,
                             int64_t *end);
/* Of all partitions: messages queued and not acknowledged. */
uint64_t kafka_producer_outstanding(const struct kafka_producer *producer);

/* The last error about the brokers; "" when a message was acknowledged since. Any thread. */
void kafka_producer_last_error(struct kafka_producer *producer, char *out, size_t bytes);

#endif
