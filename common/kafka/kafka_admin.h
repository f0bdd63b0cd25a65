/* Topics on the broker: describe and create them, read offsets, and find who reads them.
 *
 * Errors: ERR_RETRY when the broker cannot be reached in time, or the error is temporary; ERR_FATAL
 * when it refuses the request (invalid settings, a policy); ERR_USAGE when librdkafka refuses a
 * setting. Only the settings for both sides are used. Calls block up to 20 seconds. An admin
 * belongs to one thread.
 */
#ifndef COMMON_KAFKA_KAFKA_ADMIN_H
#define COMMON_KAFKA_KAFKA_ADMIN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/config/config.h"

struct kafka_admin;

struct kafka_topic {
    bool exists;
    int32_t partitions;
    bool cleanup_delete;       /* cleanup.policy is delete and nothing else */
    bool log_append_time;      /* message.timestamp.type */
    int64_t message_bytes_max; /* max.message.bytes: the limit of a batch with its header */
    int64_t retention_ms;      /* -1: without a limit */
    int32_t replication;       /* of the partition that has the fewest replicas */
};

/* Does not wait for the broker. The caller owns `*admin`, and keeps `config` as long. */
int kafka_admin_create(const struct config_kafka *config, struct kafka_admin **admin,
                       struct error *err);
void kafka_admin_destroy(struct kafka_admin *admin);
/* From now on a request takes `ms` at most, and a call twice as long. */
void kafka_admin_limit_requests(struct kafka_admin *admin, int ms);

/* A topic that does not exist is not an error. */
int kafka_admin_describe(struct kafka_admin *admin, const char *topic, struct kafka_topic *out,
                         struct error *err);

/* Creates a topic with cleanup.policy=delete and LogAppendTime; a topic that exists is not changed,
 * and `*created` is false. Returns when all partitions have a leader. */
int kafka_admin_create_topic(struct kafka_admin *admin, const struct config_topic *topic,
                             bool *created, struct error *err);

/* Sets retention.ms of a topic that exists. Its other settings stay as they are. */
int kafka_admin_set_retention(struct kafka_admin *admin, const char *topic, int64_t retention_ms,
                              struct error *err);

/* The first offset of the partition, and the offset after its last one. */
int kafka_admin_offsets(struct kafka_admin *admin, const char *topic, int32_t partition,
                        int64_t *low, int64_t *high, struct error *err);

/* A member of a consumer group. */
struct kafka_member {
    const char *group;
    const char *client_id;
};

struct kafka_members {
    const struct kafka_member *items; /* group by group */
    uint32_t count;
    const char *rebalancing; /* a group that may read the topic and is rebalancing, so its members
                                are not known; NULL: none */
};

/* Every member, of any group of the cluster, that has partitions of the topic. The result is in
 * `arena`. ERR_DATA: there are more than KAFKA_GROUPS_MAX groups with members. */
enum { KAFKA_GROUPS_MAX = 10000 };
int kafka_admin_members(struct kafka_admin *admin, const char *topic, struct arena *arena,
                        struct kafka_members *members, struct error *err);

/* The member of the group with this group.instance.id, as "CLIENT_ID from HOST"; "" when the group
 * has no such member. A broker may keep CLIENT_ID and HOST of the one that was there before.
 * ERR_RETRY: the group cannot be described now. */
int kafka_admin_find_instance(struct kafka_admin *admin, const char *group, const char *instance_id,
                              char *out, size_t bytes, struct error *err);

/* The names of the groups without members whose committed offsets name the topic, of at most
 * KAFKA_IDLE_GROUPS_MAX groups without members. The result is in `arena`. */
enum { KAFKA_IDLE_GROUPS_MAX = 1000 };
int kafka_admin_idle_groups(struct kafka_admin *admin, const char *topic, struct arena *arena,
                            const char *const **names, uint32_t *count, struct error *err);

#endif
