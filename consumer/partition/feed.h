/* Where a worker's messages come from, and where it reports how far they are durable: a partition
 * of the topic (group/feed_kafka.h), or the queue of a stand-alone index (group/feed_local.h).
 *
 * Whoever creates a feed also starts it, at the offset that the worker asks for. The worker's
 * thread makes all calls; any thread may call bounds().
 */
#ifndef CONSUMER_PARTITION_FEED_H
#define CONSUMER_PARTITION_FEED_H

#include <stdbool.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/kafka/kafka_record.h"
#include "consumer/partition/sequence.h"

/* What is known about the partition outside of this process. -1: not known. */
struct feed_bounds {
    int64_t low;       /* the first offset that the topic has */
    int64_t high;      /* the next offset that a message will get */
    int64_t committed; /* the group's offset */
    int64_t waiting;   /* messages that were fetched and not read yet */
};

/* Reads the messages of the partition a second time, for a rebuild. */
struct feed_reader {
    /* As kafka_reader_read(). */
    int (*read)(struct feed_reader *reader, int wait_ms, struct kafka_batch *batch,
                struct error *err);
    /* The first offset of the topic and the next one, as this reader knows them; -1: not yet. */
    void (*bounds)(struct feed_reader *reader, int64_t *low, int64_t *high);
    /* Batches must be released before. */
    void (*destroy)(struct feed_reader *reader);
};

struct feed {
    /* What was last committed, by whichever owner of the partition: the offset (-1: nothing) and
     * its metadata, appended. ERR_RETRY: not known yet, call again. */
    int (*committed)(struct feed *feed, int64_t *offset, struct buffer *metadata,
                     struct error *err);
    /* As kafka_partition_read(). */
    int (*read)(struct feed *feed, int wait_ms, uint32_t max_records, size_t max_bytes,
                struct kafka_batch *batch, struct error *err);
    /* The first offset that the topic has now, and the next one; before the first read. ERR_RETRY
     * as above. NULL: the feed has no topic. */
    int (*extent)(struct feed *feed, int64_t *low, int64_t *high, struct error *err);
    /* Everything below `offset` is durable; `sequence` is the position there, and `metadata`
     * (terminated) says whose log it is. Offsets do not go back. Called after each batch, and
     * whenever a read found nothing. The feed commits when it is time to; with `wait` it commits at
     * once and returns when the commit is acknowledged. ERR_RETRY: the offset may not be
     * committed. */
    int (*durable)(struct feed *feed, int64_t offset, const struct sequence *sequence,
                   const char *metadata, bool wait, struct error *err);
    void (*bounds)(struct feed *feed, struct feed_bounds *bounds);
    /* Opens a reader at `offset`, which may be KAFKA_OFFSET_BEGINNING. Does not wait. NULL, like
     * the next one: the feed has no messages of the past. */
    int (*open_reader)(struct feed *feed, int64_t offset, struct feed_reader **reader,
                       struct error *err);
    /* The first offset whose message is not before this time; -1: none. ERR_RETRY. */
    int (*offset_at)(struct feed *feed, int64_t time_ms, int64_t *offset, struct error *err);
    /* Another state is durable from now on: its offset and its numbers may be before those that
     * were reported. `is_moved`: reading begins again elsewhere; what was fetched is dropped. */
    void (*replace)(struct feed *feed, bool is_moved);
    void (*destroy)(struct feed *feed);
};

#endif
