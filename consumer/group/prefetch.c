#include "consumer/group/prefetch.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base/check.h"

enum {
    KIB = 1024,
    MIB = 1024 * 1024,
    MESSAGE_BYTES = 512,              /* of a message, beside its key and value */
    FETCH_MIN_BYTES = 16 * KIB,       /* smaller fetches cost more than they bring */
    RESPONSE_MIN_BYTES = 1000 * 1000, /* the default of message.max.bytes, librdkafka's minimum */
    RESPONSE_MAX_BYTES = 50 * MIB,    /* librdkafka's default */
};

static int64_t
prefetch_clamp(int64_t value, int64_t minimum, int64_t maximum)
{
    CHECK(minimum <= maximum);
    return value < minimum ? minimum : value > maximum ? maximum : value;
}

static void
prefetch_set(struct prefetch *prefetch, int at, const char *name, int64_t value)
{
    CHECK(at < PREFETCH_SETTINGS);
    int bytes = snprintf(prefetch->values[at], PREFETCH_VALUE_BYTES, "%" PRId64, value);
    CHECK(bytes > 0 && bytes < PREFETCH_VALUE_BYTES);
    prefetch->settings[at] = (struct config_kafka_setting){name, prefetch->values[at]};
}

void
prefetch_fill(const struct config *config, struct prefetch *prefetch)
{
    int64_t all = config->consumer.prefetch_bytes;
    CHECK(all > 0 && config->topic.partitions > 0);
    int64_t half = all / config->topic.partitions / 2;
    prefetch_set(prefetch, 0, "queued.max.messages.kbytes", prefetch_clamp(half / KIB, 1, 2097151));
    prefetch_set(prefetch, 1, "queued.min.messages",
                 prefetch_clamp(half / MESSAGE_BYTES, 1, 10000000));
    prefetch_set(prefetch, 2, "fetch.message.max.bytes",
                 prefetch_clamp(half, FETCH_MIN_BYTES, MIB));
    prefetch_set(prefetch, 3, "fetch.max.bytes",
                 prefetch_clamp(all / 4, RESPONSE_MIN_BYTES, RESPONSE_MAX_BYTES));
}
