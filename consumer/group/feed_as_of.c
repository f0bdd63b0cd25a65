#include "consumer/group/feed_as_of.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/files/files.h"
#include "common/kafka/kafka_consumer.h"
#include "common/kafka/kafka_reader.h"

static const char *const area = "as of";

struct as_of_feed {
    struct feed feed; /* first */
    const struct config *config;
    int32_t partition;
    int64_t low;
    struct as_of_place place;
    atomic_llong next_offset;    /* -1: not started */
    struct kafka_reader *reader; /* the worker's thread; NULL: not reading */
};

struct feed_as_of {
    struct feed_source source; /* first */
    const struct config *config;
    struct as_of_feed feeds[]; /* topic.partitions */
};

/* There is no group. */
static int
as_of_committed(struct feed *feed, int64_t *offset, struct buffer *metadata, struct error *err)
{
    (void)feed;
    (void)metadata;
    (void)err;
    *offset = -1;
    return 0;
}

static int
as_of_start_reader(struct as_of_feed *feed, int64_t offset, struct error *err)
{
    const struct config *config = feed->config;
    int rc = kafka_reader_create(&config->kafka, config->topic.name, &feed->reader, err);
    if (rc == 0)
        rc = kafka_reader_start(feed->reader, feed->partition, offset, err);
    return rc;
}

/* Drops what is after the moment. */
static void
as_of_note_read(struct as_of_feed *feed, struct kafka_batch *batch)
{
    uint32_t count = batch->count;
    while (count > 0 && batch->records[count - 1].offset >= feed->place.stop)
        count--;
    if (count > 0)
        atomic_store(&feed->next_offset, batch->records[count - 1].offset + 1);
    if (count < batch->count)
        atomic_store(&feed->next_offset, feed->place.stop);
    kafka_batch_cut(batch, count);
}

static int
as_of_read(struct feed *base, int wait_ms, uint32_t max_records, size_t max_bytes,
           struct kafka_batch *batch, struct error *err)
{
    struct as_of_feed *feed = (struct as_of_feed *)base;
    int64_t next = atomic_load(&feed->next_offset);
    int rc = 0;
    kafka_batch_release(batch);
    if (next < 0 || next >= feed->place.stop) {
        kafka_reader_destroy(feed->reader);
        feed->reader = NULL;
        clock_sleep_ms(wait_ms);
        return 0;
    }
    if (feed->reader == NULL)
        rc = as_of_start_reader(feed, next, err);
    if (rc == 0)
        rc = kafka_reader_read_some(feed->reader, wait_ms, max_records, max_bytes, batch, err);
    if (rc == ERR_DATA)
        return error_wrap(err, ERR_FATAL, "retention has removed offset %" PRId64 " meanwhile",
                          next);
    if (rc == 0)
        as_of_note_read(feed, batch);
    return rc;
}

static int
as_of_durable(struct feed *feed, int64_t offset, const struct sequence *sequence,
              const char *metadata, bool wait, struct error *err)
{
    (void)feed;
    (void)offset;
    (void)sequence;
    (void)metadata;
    (void)wait;
    (void)err;
    return 0;
}

static void
as_of_bounds(struct feed *base, struct feed_bounds *bounds)
{
    const struct as_of_feed *feed = (const struct as_of_feed *)base;
    *bounds = (struct feed_bounds){
        .low = feed->low,
        .high = feed->place.stop,
        .committed = -1,
    };
}

static void
as_of_close(struct feed *base)
{
    struct as_of_feed *feed = (struct as_of_feed *)base;
    kafka_reader_destroy(feed->reader);
    feed->reader = NULL;
}

/* --- for the main thread --------------------------------------------------------------------- */

static struct as_of_feed *
as_of_feed_of(struct feed_source *source, int32_t partition)
{
    struct feed_as_of *feeds = (struct feed_as_of *)source;
    CHECK(partition >= 0);
    CHECK(partition < feeds->config->topic.partitions);
    return &feeds->feeds[partition];
}

static struct feed *
as_of_open(struct feed_source *source, int32_t partition)
{
    return &as_of_feed_of(source, partition)->feed;
}

static void
as_of_start(struct feed_source *source, int32_t partition, int64_t offset)
{
    struct as_of_feed *feed = as_of_feed_of(source, partition);
    CHECK(offset == KAFKA_OFFSET_BEGINNING || offset == feed->place.begin);
    atomic_store(&feed->next_offset, offset == KAFKA_OFFSET_BEGINNING ? feed->low : offset);
}

static void
as_of_init_feed(struct as_of_feed *feed, const struct config *config, int32_t partition,
                int64_t low)
{
    feed->feed = (struct feed){
        .committed = as_of_committed,
        .read = as_of_read,
        .durable = as_of_durable,
        .bounds = as_of_bounds,
        .destroy = as_of_close,
    };
    feed->config = config;
    feed->partition = partition;
    feed->low = low;
    atomic_init(&feed->next_offset, -1);
}

static void
as_of_log(const struct as_of_feed *feed)
{
    const struct as_of_place *place = &feed->place;
    char clock[CLOCK_TEXT_BYTES];
    clock_format_utc(place->clock_us, clock, sizeof clock);
    log_info(area,
             "partition %d: from %s %" PRId64 " up to offset %" PRId64 ", the watermark of %s%s",
             feed->partition,
             place->begin < 0 ? "the topic's offset" : "the log, which is frozen at offset",
             place->begin < 0 ? feed->low : place->begin, place->stop, clock,
             place->is_exact ? "" : ", because the topic does not reach back to the moment");
}

static int
as_of_place_all(struct feed_as_of *feeds, const struct as_of_found *found,
                struct frozen_files *frozen, struct error *err)
{
    int rc = 0;
    feeds->source.is_exact = true;
    for (int32_t i = 0; rc == 0 && i < feeds->config->topic.partitions; i++) {
        struct as_of_feed *feed = &feeds->feeds[i];
        const struct as_of_wanted wanted = {
            .config = feeds->config,
            .real = files_posix(),
            .partition = i,
            .low = found[i].low,
            .topic = &found[i].search,
        };
        as_of_init_feed(feed, feeds->config, i, found[i].low);
        rc = as_of_freeze(&wanted, frozen, &feed->place, err);
        if (rc == 0)
            as_of_log(feed);
        feeds->source.is_exact = feeds->source.is_exact && feed->place.is_exact;
    }
    return rc;
}

int
feed_as_of_create(const struct config *config, int64_t time_us, struct frozen_files *frozen,
                  struct feed_as_of **feeds, struct error *err)
{
    size_t partitions = (size_t)config->topic.partitions;
    struct as_of_found *found = memory_zalloc(partitions * sizeof *found);
    struct feed_as_of *made = memory_zalloc(sizeof *made + partitions * sizeof made->feeds[0]);
    CHECK(time_us > 0);
    made->config = config;
    made->source =
        (struct feed_source){.open = as_of_open, .start = as_of_start, .as_of_us = time_us};
    int rc = as_of_topic_find(config, time_us, found, err);
    if (rc == 0)
        rc = as_of_place_all(made, found, frozen, err);
    free(found);
    if (rc != 0) {
        feed_as_of_destroy(made);
        return rc;
    }
    *feeds = made;
    return 0;
}

void
feed_as_of_destroy(struct feed_as_of *feeds)
{
    free(feeds);
}

struct feed_source *
feed_as_of_source(struct feed_as_of *feeds)
{
    return &feeds->source;
}
