/* A commit is requested and not waited for. The cursor table gets only offsets that the broker has
 * acknowledged (law L5): one reported offset is kept until a commit of it or of a later one is
 * acknowledged, then the next one is kept.
 */
#include "consumer/group/feed_kafka.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "consumer/group/replay_reader.h"
#include "consumer/partition/position_order.h"

struct feed_kafka {
    struct feed feed; /* first */
    struct feed_kafka_options options;
    struct kafka_partition *partition;
    struct position_order order; /* durable, committed, cursor table */
    int64_t interval_us;
    int64_t requested_offset; /* of the last commit; -1: none yet */
    int64_t requested_us;
    int64_t timed_offset; /* the commit whose answer is timed; -1: none */
    int64_t kept_offset;  /* what the cursor table gets next; -1: nothing is kept */
    struct sequence kept_sequence;
    bool is_idle; /* the last read found nothing */
};

static int
feed_kafka_committed(struct feed *feed, int64_t *offset, struct buffer *metadata, struct error *err)
{
    const struct feed_kafka_options *options = &((struct feed_kafka *)feed)->options;
    CHECK(position_order_offset(&((struct feed_kafka *)feed)->order, POSITION_DURABLE) < 0);
    return kafka_consumer_committed(options->consumer, options->partition, offset, metadata, err);
}

static int
feed_kafka_read(struct feed *feed, int wait_ms, uint32_t max_records, size_t max_bytes,
                struct kafka_batch *batch, struct error *err)
{
    struct feed_kafka *kafka = (struct feed_kafka *)feed;
    CHECK(max_records > 0);
    CHECK(max_records <= KAFKA_BATCH_RECORDS_MAX);
    int rc = kafka_partition_read(kafka->partition, wait_ms, max_records, max_bytes, batch, err);
    CHECK(batch->count <= max_records);
    CHECK(rc == 0 || batch->count == 0);
    kafka->is_idle = batch->count == 0;
    return rc;
}

static int
feed_kafka_extent(struct feed *feed, int64_t *low, int64_t *high, struct error *err)
{
    const struct feed_kafka_options *options = &((struct feed_kafka *)feed)->options;
    return kafka_consumer_extent(options->consumer, options->partition, low, high, err);
}

static int
feed_kafka_commit(struct feed_kafka *kafka, int64_t offset, const char *metadata, bool wait,
                  struct error *err)
{
    const struct feed_kafka_options *options = &kafka->options;
    int64_t now_us = clock_monotonic_us();
    CHECK(offset <= position_order_offset(&kafka->order, POSITION_DURABLE));
    CHECK(offset >= kafka->requested_offset);
    int rc =
        kafka_consumer_commit(options->consumer, options->partition, offset, metadata, wait, err);
    if (rc != 0)
        return error_wrap(err, rc, "offset %" PRId64 " is not committed", offset);
    kafka->requested_offset = offset;
    kafka->requested_us = now_us;
    kafka->timed_offset = offset;
    return 0;
}

/* Moves the committed position to what the broker has acknowledged of this feed's commits. Before
 * the first of them is answered, the client may still know the offset of an earlier owner. */
static void
feed_kafka_note_committed(struct feed_kafka *kafka)
{
    const struct feed_kafka_options *options = &kafka->options;
    int64_t known = kafka_consumer_acknowledged(options->consumer, options->partition);
    if (known > kafka->requested_offset)
        known = kafka->requested_offset;
    if (known > position_order_offset(&kafka->order, POSITION_COMMITTED))
        position_order_move(&kafka->order, POSITION_COMMITTED, known);
    if (kafka->timed_offset >= 0 && known >= kafka->timed_offset) {
        metrics_observe_us(options->commit_times, clock_monotonic_us() - kafka->requested_us);
        kafka->timed_offset = -1;
    }
}

static void
feed_kafka_show(struct feed_kafka *kafka, int64_t offset, const struct sequence *sequence)
{
    const struct feed_kafka_options *options = &kafka->options;
    position_order_move(&kafka->order, POSITION_CURSOR_TABLE, offset);
    cursor_table_put(options->cursor_table, options->partition, offset, sequence);
}

static void
feed_kafka_show_committed(struct feed_kafka *kafka, int64_t offset, const struct sequence *sequence)
{
    int64_t committed = position_order_offset(&kafka->order, POSITION_COMMITTED);
    CHECK(kafka->kept_offset <= offset);
    CHECK(committed <= kafka->requested_offset);
    if (committed >= offset) {
        feed_kafka_show(kafka, offset, sequence);
        kafka->kept_offset = -1;
        return;
    }
    if (kafka->kept_offset >= 0 && committed >= kafka->kept_offset) {
        feed_kafka_show(kafka, kafka->kept_offset, &kafka->kept_sequence);
        kafka->kept_offset = -1;
    }
    if (kafka->kept_offset < 0) {
        kafka->kept_offset = offset;
        kafka->kept_sequence = *sequence;
    }
}

static int
feed_kafka_durable(struct feed *feed, int64_t offset, const struct sequence *sequence,
                   const char *metadata, bool wait, struct error *err)
{
    struct feed_kafka *kafka = (struct feed_kafka *)feed;
    bool is_due =
        kafka->is_idle || clock_monotonic_us() - kafka->requested_us >= kafka->interval_us;
    int rc = 0;
    position_order_move(&kafka->order, POSITION_DURABLE, offset);
    if (wait || (is_due && offset != kafka->requested_offset))
        rc = feed_kafka_commit(kafka, offset, metadata, wait, err);
    feed_kafka_note_committed(kafka);
    feed_kafka_show_committed(kafka, offset, sequence);
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

static int
feed_kafka_open_reader(struct feed *feed, int64_t offset, struct feed_reader **reader,
                       struct error *err)
{
    const struct feed_kafka_options *options = &((struct feed_kafka *)feed)->options;
    return replay_reader_open(options->config, options->partition, offset, reader, err);
}

static int
feed_kafka_offset_at(struct feed *feed, int64_t time_ms, int64_t *offset, struct error *err)
{
    const struct feed_kafka_options *options = &((struct feed_kafka *)feed)->options;
    return kafka_consumer_offset_at(options->consumer, options->partition, time_ms, offset, err);
}

static void
feed_kafka_begin(struct feed_kafka *kafka)
{
    kafka->requested_offset = -1;
    kafka->timed_offset = -1;
    kafka->kept_offset = -1;
    position_order_init(&kafka->order);
    position_order_follow(&kafka->order, POSITION_DURABLE, POSITION_NONE);
    position_order_follow(&kafka->order, POSITION_COMMITTED, POSITION_NONE);
    position_order_follow(&kafka->order, POSITION_CURSOR_TABLE, POSITION_NONE);
    cursor_table_begin(kafka->options.cursor_table, kafka->options.partition);
}

static void
feed_kafka_replace(struct feed *feed, bool is_moved)
{
    struct feed_kafka *kafka = (struct feed_kafka *)feed;
    if (is_moved)
        kafka_partition_rewind(kafka->partition);
    feed_kafka_begin(kafka);
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
    CHECK(options->partition >= 0);
    CHECK(options->partition < options->config->topic.partitions);
    CHECK(options->consumer != NULL);
    struct feed_kafka *kafka = memory_zalloc(sizeof *kafka);
    kafka->feed = (struct feed){
        .committed = feed_kafka_committed,
        .read = feed_kafka_read,
        .extent = feed_kafka_extent,
        .durable = feed_kafka_durable,
        .bounds = feed_kafka_bounds,
        .open_reader = feed_kafka_open_reader,
        .offset_at = feed_kafka_offset_at,
        .replace = feed_kafka_replace,
        .destroy = feed_kafka_destroy,
    };
    kafka->options = *options;
    kafka->partition = kafka_partition_open(options->consumer, options->partition);
    kafka->interval_us = (int64_t)options->config->consumer.commit_interval_ms * US_PER_MS;
    feed_kafka_begin(kafka);
    return &kafka->feed;
}
