/* Where all partitions are fed from when no group assigns them: the queues of a stand-alone index
 * (feed_local.h), or the topic up to a moment (feed_as_of.h). The main thread makes the calls. */
#ifndef CONSUMER_GROUP_FEED_SOURCE_H
#define CONSUMER_GROUP_FEED_SOURCE_H

#include "consumer/partition/feed.h"

struct feed_source {
    /* The feed of a partition; once for each. */
    struct feed *(*open)(struct feed_source *source, int32_t partition);
    /* The worker of the partition reads from `offset` on, or from KAFKA_OFFSET_BEGINNING. */
    void (*start)(struct feed_source *source, int32_t partition, int64_t offset);
    /* The moment that the index is of; 0: none, it follows its source. */
    int64_t as_of_us;
    /* As of a moment: all partitions are exactly there. */
    bool is_exact;
};

#endif
