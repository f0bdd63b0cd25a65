/* Where a worker's messages come from, and where it says how far they are durable: a partition of
 * the topic (feed_kafka.c). What makes a feed also starts it, at the offset that the worker asks
 * for.
 *
 * The worker's thread makes all calls but bounds(), which any thread may.
 */
#ifndef CONSUMER_FEED_H
#define CONSUMER_FEED_H

#include <stdbool.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/kafka/kafka_record.h"

struct feed {
    /* What was last said to be durable, by whichever owner of the partition: the offset (-1:
     * nothing) and its metadata, appended. ERR_RETRY: ask again. */
    int (*committed)(struct feed *feed, int64_t *offset, struct buffer *metadata,
                     struct error *err);
    /* As kafka_partition_read(). */
    int (*read)(struct feed *feed, int wait_ms, uint32_t max_records, size_t max_bytes,
                struct kafka_batch *batch, struct error *err);
    /* All below `offset` is durable; `metadata` (terminated) says whose state that is. Called after
     * each batch and whenever nothing was read. `now`: not when it suits, and 0 only when it is
     * known. ERR_RETRY. */
    int (*durable)(struct feed *feed, int64_t offset, const char *metadata, bool now,
                   struct error *err);
    /* The first offset, and one behind the last, as last heard; -1: not known. */
    void (*bounds)(struct feed *feed, int64_t *low, int64_t *high);
    void (*destroy)(struct feed *feed);
};

struct config;
struct kafka_consumer;

/* Opens the partition's queue: call before the partition is assigned. The consumer must outlive it.
 * Commits are at least consumer.commit_interval_ms apart, unless there is nothing to read. */
struct feed *feed_kafka_create(const struct config *config, struct kafka_consumer *consumer,
                               int32_t partition);

#endif
