/* The feed of a worker from its partition of the topic (feed.h). It commits durable offsets to the
 * group, and passes those that the broker has acknowledged to the cursor table.
 */
#ifndef CONSUMER_GROUP_FEED_KAFKA_H
#define CONSUMER_GROUP_FEED_KAFKA_H

#include "common/config/config.h"
#include "common/kafka/kafka_consumer.h"
#include "common/metrics/metrics.h"
#include "consumer/group/cursor_table.h"
#include "consumer/partition/feed.h"

/* All of it must outlive the feed. */
struct feed_kafka_options {
    const struct config *config;
    struct kafka_consumer *consumer;
    struct cursor_table *cursor_table;      /* NULL: none */
    struct metrics_histogram *commit_times; /* from a commit until the worker sees the answer */
    int32_t partition;
};

/* Opens the partition's queue: call before the partition is assigned. Commits are at least
 * consumer.commit_interval_ms apart, unless there is nothing to read. */
struct feed *feed_kafka_create(const struct feed_kafka_options *options);

#endif
