/* A batch of messages read from one partition. */
#ifndef COMMON_KAFKA_KAFKA_RECORD_H
#define COMMON_KAFKA_KAFKA_RECORD_H

#include <stddef.h>
#include <stdint.h>

struct kafka_record {
    int64_t offset;
    int64_t timestamp_ms; /* of the broker (LogAppendTime); -1: unknown */
    const void *key;
    size_t key_bytes;
    const void *value;
    size_t value_bytes;
};

enum { KAFKA_BATCH_RECORDS_MAX = 4096 };

/* The records of a batch, in the order of their offsets, and the messages of librdkafka that own
 * their bytes. A message is NULL when another object owns the bytes of its record. Initialise with
 * zeros. Reading into a batch releases its old content. It must be released before its reader or
 * consumer is destroyed. One thread. */
struct kafka_batch {
    struct kafka_record records[KAFKA_BATCH_RECORDS_MAX];
    uint32_t count;
    size_t bytes; /* of all values */
    void *messages[KAFKA_BATCH_RECORDS_MAX];
};

/* Empties the batch. */
void kafka_batch_release(struct kafka_batch *batch);
/* Drops all but the first `count` records. */
void kafka_batch_cut(struct kafka_batch *batch, uint32_t count);
/* Checks the invariants of a batch that a queue has filled. */
void kafka_batch_check(const struct kafka_batch *batch);

#endif
