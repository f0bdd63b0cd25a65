#include <inttypes.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/kafka/kafka_consumer.h"
#include "consumer/feed.h"

struct feed_kafka {
    struct feed feed; /* first */
    struct kafka_consumer *consumer;
    struct kafka_partition *partition;
    int32_t id;
    int64_t interval_us;
    int64_t committed_offset; /* as last asked for; -1: not yet */
    int64_t committed_us;     /* when */
    bool idle;                /* the last read found nothing */
};

static int
feed_kafka_committed(struct feed *feed, int64_t *offset, struct buffer *metadata, struct error *err)
{
    struct feed_kafka *kafka = (struct feed_kafka *)feed;
    return kafka_consumer_committed(kafka->consumer, kafka->id, offset, metadata, err);
}

static int
feed_kafka_read(struct feed *feed, int wait_ms, uint32_t max_records, size_t max_bytes,
                struct kafka_batch *batch, struct error *err)
{
    struct feed_kafka *kafka = (struct feed_kafka *)feed;
    int rc = kafka_partition_read(kafka->partition, wait_ms, max_records, max_bytes, batch, err);
    kafka->idle = batch->count == 0;
    return rc;
}

static int
feed_kafka_durable(struct feed *feed, int64_t offset, const char *metadata, bool now,
                   struct error *err)
{
    struct feed_kafka *kafka = (struct feed_kafka *)feed;
    int64_t now_us = clock_monotonic_us();
    bool due = kafka->idle || now_us - kafka->committed_us >= kafka->interval_us;
    if (!now && (!due || offset == kafka->committed_offset))
        return 0;
    int rc = kafka_consumer_commit(kafka->consumer, kafka->id, offset, metadata, now, err);
    if (rc != 0)
        return error_wrap(err, "offset %" PRId64 " is not committed", offset);
    kafka->committed_offset = offset;
    kafka->committed_us = now_us;
    return 0;
}

static void
feed_kafka_bounds(struct feed *feed, int64_t *low, int64_t *high)
{
    struct feed_kafka *kafka = (struct feed_kafka *)feed;
    kafka_consumer_watermarks(kafka->consumer, kafka->id, low, high);
}

static void
feed_kafka_destroy(struct feed *feed)
{
    struct feed_kafka *kafka = (struct feed_kafka *)feed;
    kafka_partition_close(kafka->partition);
    free(kafka);
}

struct feed *
feed_kafka_create(const struct config *config, struct kafka_consumer *consumer, int32_t partition)
{
    struct feed_kafka *kafka = memory_alloc(sizeof *kafka);
    *kafka = (struct feed_kafka){
        .feed =
            {
                .committed = feed_kafka_committed,
                .read = feed_kafka_read,
                .durable = feed_kafka_durable,
                .bounds = feed_kafka_bounds,
                .destroy = feed_kafka_destroy,
            },
        .consumer = consumer,
        .partition = kafka_partition_open(consumer, partition),
        .id = partition,
        .interval_us = (int64_t)config->consumer.commit_interval_ms * 1000,
        .committed_offset = -1,
    };
    return &kafka->feed;
}
