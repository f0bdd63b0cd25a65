/* A batch of messages read from one partition. */
#ifndef COMMON_KAFKA_KAFKA_RECORD_H
#define COMMON_KAFKA_KAFKA_RECORD_H

#include <stddef.h>
#include <stdint.h>

struct kafka_record {
    int64_t offset;
    int64_t timestamp_ms; /* of the broker (LogAppendTime); -1 unknown */
    const void *key;
    size_t key_bytes;
    const void *value;
    size_t value_bytes;
};

enum { KAFKA_BATCH_RECORDS_MAX = 4096 };

/* The records of a batch and the library's messages that they point into. Zero-initialise; reading
 * into a batch releases what it held, and it must be released before its reader or consumer is
 * destroyed. A message that is NULL has a record whose bytes are somebody else's. One thread. */
struct kafka_batch {
    struct kafka_record records[KAFKA_BATCH_RECORDS_MAX];
    uint32_t count;
    size_t bytes; /* of all values */
    void *messages[KAFKA_BATCH_RECORDS_MAX];
};

void kafka_batch_release(struct kafka_batch *batch);

#endif
