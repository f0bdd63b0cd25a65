/* Where a worker's messages come from, and where it says how far they are durable: a partition of
 * the topic (feed_kafka.c). What makes a feed also starts it, at the offset that the worker asks
 * for.
 *
 * The worker's thread makes all calls but bounds(), which any thread may.
 */
#ifndef CONSUMER_PARTITION_FEED_H
#define CONSUMER_PARTITION_FEED_H

#include <stdbool.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/kafka/kafka_record.h"
#include "consumer/partition/sequence.h"

/* What is known of the partition outside of this process, as last heard. -1: not known. */
struct feed_bounds {
    int64_t low;       /* the first offset */
    int64_t high;      /* one behind the last */
    int64_t committed; /* what the group is known to have as its offset */
    int64_t waiting;   /* messages that have come and were not read yet */
};

struct feed {
    /* What was last said to be durable, by whichever owner of the partition: the offset (-1:
     * nothing) and its metadata, appended. ERR_RETRY: ask again. */
    int (*committed)(struct feed *feed, int64_t *offset, struct buffer *metadata,
                     struct error *err);
    /* As kafka_partition_read(). */
    int (*read)(struct feed *feed, int wait_ms, uint32_t max_records, size_t max_bytes,
                struct kafka_batch *batch, struct error *err);
    /* All below `offset` is durable, and `sequence` stands there; `metadata` (terminated) says
     * whose state that is. Called after each batch and whenever nothing was read. `now`: not when
     * it suits, and 0 only when it is known. ERR_RETRY. */
    int (*durable)(struct feed *feed, int64_t offset, const struct sequence *sequence,
                   const char *metadata, bool now, struct error *err);
    void (*bounds)(struct feed *feed, struct feed_bounds *bounds);
    void (*destroy)(struct feed *feed);
};

struct config;
struct kafka_consumer;
struct metrics_histogram;
struct cursor_table;

struct feed_kafka_options {
    const struct config *config;
    struct kafka_consumer *consumer;
    struct cursor_table *mirror;            /* gets what the broker has acknowledged; NULL: none */
    struct metrics_histogram *commit_times; /* until the worker sees the answer */
    int32_t partition;
};

/* Opens the partition's queue: call before the partition is assigned. All must outlive it. Commits
 * are at least consumer.commit_interval_ms apart, unless there is nothing to read. */
struct feed *feed_kafka_create(const struct feed_kafka_options *options);

#endif
