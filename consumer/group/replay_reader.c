#include "consumer/group/replay_reader.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/kafka/kafka_consumer.h"
#include "common/kafka/kafka_reader.h"
#include "consumer/group/prefetch.h"

struct replay_reader {
    struct feed_reader reader; /* first */
    struct kafka_reader *kafka;
};

static int
replay_reader_read(struct feed_reader *reader, int wait_ms, struct kafka_batch *batch,
                   struct error *err)
{
    return kafka_reader_read(((struct replay_reader *)reader)->kafka, wait_ms, batch, err);
}

static void
replay_reader_bounds(struct feed_reader *reader, int64_t *low, int64_t *high)
{
    kafka_reader_watermarks(((struct replay_reader *)reader)->kafka, low, high);
}

static void
replay_reader_destroy(struct feed_reader *reader)
{
    kafka_reader_destroy(((struct replay_reader *)reader)->kafka);
    free(reader);
}

/* The configured settings, after those of the prefetch: a later one wins. */
static int
replay_reader_create(const struct config *config, struct kafka_reader **reader, struct error *err)
{
    const struct config_kafka_settings *configured = &config->kafka.common;
    struct prefetch prefetch;
    prefetch_fill(config, &prefetch);
    uint32_t count = PREFETCH_SETTINGS + configured->count;
    struct config_kafka_setting *all = memory_alloc(count * sizeof *all);
    memcpy(all, prefetch.settings, sizeof prefetch.settings);
    for (uint32_t i = 0; i < configured->count; i++)
        all[PREFETCH_SETTINGS + i] = configured->items[i];
    struct config_kafka kafka = config->kafka;
    kafka.common = (struct config_kafka_settings){all, count};
    int rc = kafka_reader_create(&kafka, config->topic.name, reader, err);
    free(all);
    return rc;
}

int
replay_reader_open(const struct config *config, int32_t partition, int64_t offset,
                   struct feed_reader **reader, struct error *err)
{
    struct kafka_reader *kafka;
    CHECK(config->kafka.present);
    CHECK(offset >= 0 || offset == KAFKA_OFFSET_BEGINNING);
    int rc = replay_reader_create(config, &kafka, err);
    if (rc != 0)
        return rc;
    rc = kafka_reader_start(kafka, partition, offset, err);
    if (rc != 0) {
        kafka_reader_destroy(kafka);
        return rc;
    }
    struct replay_reader *made = memory_zalloc(sizeof *made);
    made->reader = (struct feed_reader){
        .read = replay_reader_read,
        .bounds = replay_reader_bounds,
        .destroy = replay_reader_destroy,
    };
    made->kafka = kafka;
    *reader = &made->reader;
    return 0;
}
