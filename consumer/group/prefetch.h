/* How much the client fetches ahead, from consumer.prefetch_bytes to librdkafka's settings. Pure.
 *
 * The library's limits are for each partition, count the bytes of keys and values alone, and are
 * looked at before a fetch. Each message takes some 400 bytes beside its own (librdkafka 2.0), so
 * half of a partition's share is for bytes, and half for messages at 512 each. What one fetch
 * brings is limited to the same, but the broker sends whole record batches. So with large batches
 * the memory is about
 *
 *     prefetch_bytes + partitions x largest record batch
 *
 * of which a batch of small messages takes a multiple: 160 bytes in the topic are 560 here.
 */
#ifndef CONSUMER_GROUP_PREFETCH_H
#define CONSUMER_GROUP_PREFETCH_H

#include "common/config/config.h"

enum { PREFETCH_SETTINGS = 4, PREFETCH_VALUE_BYTES = 24 };

struct prefetch {
    struct config_kafka_setting settings[PREFETCH_SETTINGS];
    char values[PREFETCH_SETTINGS][PREFETCH_VALUE_BYTES]; /* that the settings point to */
};

/* `prefetch` must stay where it is. */
void prefetch_fill(const struct config *config, struct prefetch *prefetch);

#endif
