/* A commit is asked for and not waited for. The mirror gets only what the broker has acknowledged
 * (law L5): a position is kept until a commit at or behind it is, then the next one.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/kafka/kafka_consumer.h"
#include "common/metrics/metrics.h"
#include "consumer/group/cursor_table.h"
#include "consumer/partition/feed.h"

struct feed_kafka {
    struct feed feed; /* first */
    struct feed_kafka_options options;
    struct kafka_partition *partition;
    int64_t interval_us;
    int64_t committed_offset; /* as last asked for; -1: not yet */
    int64_t committed_us;     /* when */
    bool idle;                /* the last read found nothing */
    int64_t timed_offset;     /* the commit whose answer is waited for; -1: none */
    int64_t kept_offset;      /* the position that the mirror gets next; -1: none */
    struct sequence kept_sequence;
};

static int
feed_kafka_committed(struct feed *feed, int64_t *offset, struct buffer *metadata, struct error *err)
{
    const struct feed_kafka_options *options = &((struct feed_kafka *)feed)->options;
    return kafka_consumer_committed(options->consumer, options->partition, offset, metadata, err);
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
feed_kafka_commit(struct feed_kafka *kafka, int64_t offset, const char *metadata, bool wait,
                  struct error *err)
{
    const struct feed_kafka_options *options = &kafka->options;
    int64_t now_us = clock_monotonic_us();
    int rc =
        kafka_consumer_commit(options->consumer, options->partition, offset, metadata, wait, err);
    if (rc != 0)
        return error_wrap(err, rc, "offset %" PRId64 " is not committed", offset);
    kafka->committed_offset = offset;
    kafka->committed_us = now_us;
    kafka->timed_offset = offset;
    return 0;
}

static void
feed_kafka_tell_mirror(struct feed_kafka *kafka, int64_t offset, const struct sequence *sequence)
{
    const struct feed_kafka_options *options = &kafka->options;
    int64_t known = kafka_consumer_acknowledged(options->consumer, options->partition);
    if (kafka->timed_offset >= 0 && known >= kafka->timed_offset) {
        metrics_observe_us(options->commit_times, clock_monotonic_us() - kafka->committed_us);
        kafka->timed_offset = -1;
    }
    if (known >= offset) {
        cursor_table_put(options->mirror, options->partition, offset, sequence);
        kafka->kept_offset = -1;
        return;
    }
    if (kafka->kept_offset >= 0 && known >= kafka->kept_offset) {
        cursor_table_put(options->mirror, options->partition, kafka->kept_offset,
                         &kafka->kept_sequence);
        kafka->kept_offset = -1;
    }
    if (kafka->kept_offset < 0) {
        kafka->kept_offset = offset;
        kafka->kept_sequence = *sequence;
    }
}

static int
feed_kafka_durable(struct feed *feed, int64_t offset, const struct sequence *sequence,
                   const char *metadata, bool now, struct error *err)
{
    struct feed_kafka *kafka = (struct feed_kafka *)feed;
    bool due = kafka->idle || clock_monotonic_us() - kafka->committed_us >= kafka->interval_us;
    int rc = 0;
    if (now || (due && offset != kafka->committed_offset))
        rc = feed_kafka_commit(kafka, offset, metadata, now, err);
    feed_kafka_tell_mirror(kafka, offset, sequence);
    return rc;
}

static void
feed_kafka_bounds(struct feed *feed, struct feed_bounds *bounds)
{
    const struct feed_kafka *kafka = (const struct feed_kafka *)feed;
    const struct feed_kafka_options *options = &kafka->options;
    kafka_consumer_watermarks(options->consumer, options->partition, &bounds->low, &bounds->high);
    bounds->committed = kafka_consumer_acknowledged(options->consumer, options->partition);
    bounds->waiting = (int64_t)kafka_partition_queued(kafka->partition);
}

static void
feed_kafka_destroy(struct feed *feed)
{
    struct feed_kafka *kafka = (struct feed_kafka *)feed;
    kafka_partition_close(kafka->partition);
    free(kafka);
}

struct feed *
feed_kafka_create(const struct feed_kafka_options *options)
{
    struct feed_kafka *kafka = memory_zalloc(sizeof *kafka);
    kafka->feed = (struct feed){
        .committed = feed_kafka_committed,
        .read = feed_kafka_read,
        .durable = feed_kafka_durable,
        .bounds = feed_kafka_bounds,
        .destroy = feed_kafka_destroy,
    };
    kafka->options = *options;
    kafka->partition = kafka_partition_open(options->consumer, options->partition);
    kafka->interval_us = (int64_t)options->config->consumer.commit_interval_ms * 1000;
    kafka->committed_offset = -1;
    kafka->timed_offset = -1;
    kafka->kept_offset = -1;
    cursor_table_begin(options->mirror, options->partition);
    return &kafka->feed;
}
