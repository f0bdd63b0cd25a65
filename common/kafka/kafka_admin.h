/* Topics as the broker knows them: describe, create, ask for offsets.
 *
 * Errors: ERR_RETRY when the broker cannot be reached in time or asks to come back; ERR_FATAL
 * when it refuses (authorisation, invalid settings); ERR_USAGE when librdkafka refuses a
 * setting. Only the settings for both sides are used. Calls block up to 20 seconds. An admin
 * belongs to one thread.
 */
#ifndef COMMON_KAFKA_KAFKA_ADMIN_H
#define COMMON_KAFKA_KAFKA_ADMIN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/config/config.h"

struct kafka_admin;

struct kafka_topic {
    bool exists;
    int32_t partitions;
    bool cleanup_delete;       /* cleanup.policy is delete and nothing else */
    bool log_append_time;      /* message.timestamp.type */
    int64_t message_bytes_max; /* max.message.bytes: of a batch with its framing */
};

/* Does not wait for the broker. The caller owns `*admin`. */
int kafka_admin_create(const struct config_kafka *config, struct kafka_admin **admin,
                       struct error *err);
void kafka_admin_destroy(struct kafka_admin *admin);

/* A topic that does not exist is no error. */
int kafka_admin_describe(struct kafka_admin *admin, const char *topic, struct kafka_topic *out,
                         struct error *err);

/* Creates a topic with cleanup.policy=delete and LogAppendTime; one that exists is left alone.
 * `*created` tells which it was. Returns when the topic's leaders are known. */
int kafka_admin_create_topic(struct kafka_admin *admin, const struct config_topic *topic,
                             bool *created, struct error *err);

/* The partition's first offset, and one behind its last. */
int kafka_admin_offsets(struct kafka_admin *admin, const char *topic, int32_t partition,
                        int64_t *low, int64_t *high, struct error *err);

#endif
