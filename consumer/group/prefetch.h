/* How much the Kafka client fetches ahead of the workers: librdkafka's settings from
 * consumer.prefetch_bytes. Pure.
 *
 * The library's limits are for each partition, count only the bytes of keys and values, and are
 * checked before a fetch. Each message takes some 400 bytes more (librdkafka 2.0). So half of a
 * partition's share limits the bytes, and the other half limits the number of messages at 512 bytes
 * each. One fetch is limited to the same, but the broker sends whole record batches. With large
 * batches the memory is therefore about
 *
 *     prefetch_bytes + partitions x largest record batch
 *
 * where a batch of small messages takes a multiple of its size: 160 bytes in the topic take 560
 * bytes here.
 */
#ifndef CONSUMER_GROUP_PREFETCH_H
#define CONSUMER_GROUP_PREFETCH_H

#include "common/config/config.h"

enum { PREFETCH_SETTINGS = 4, PREFETCH_VALUE_BYTES = 24 };

struct prefetch {
    struct config_kafka_setting settings[PREFETCH_SETTINGS];
    char values[PREFETCH_SETTINGS][PREFETCH_VALUE_BYTES]; /* the settings point to them */
};

/* The settings point into `prefetch`, which must not be copied. */
void prefetch_fill(const struct config *config, struct prefetch *prefetch);

#endif
