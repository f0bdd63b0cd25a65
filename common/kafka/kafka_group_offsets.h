/* Which topics a consumer group reads, by its committed offsets: what is left to know of a group
 * that rebalances or has no members.
 */
#ifndef COMMON_KAFKA_KAFKA_GROUP_OFFSETS_H
#define COMMON_KAFKA_KAFKA_GROUP_OFFSETS_H

#include "common/base/error.h"
#include "common/config/config.h"

enum kafka_group_topics {
    KAFKA_GROUP_UNKNOWN,   /* it has committed none, or they cannot be read now */
    KAFKA_GROUP_ELSEWHERE, /* it reads other topics only */
    KAFKA_GROUP_HERE,
};

struct kafka_group_offsets;

/* A client that asks for the offsets of any group; `group` is the first of them. Does not wait for
 * the broker. The caller owns `*offsets`. A request takes `request_ms` at most. */
int kafka_group_offsets_create(const struct config_kafka *config, const char *group, int request_ms,
                               struct kafka_group_offsets **offsets, struct error *err);
void kafka_group_offsets_destroy(struct kafka_group_offsets *offsets); /* NULL is allowed */

/* Waits for the broker. Not by two threads at once. */
enum kafka_group_topics kafka_group_offsets_find(struct kafka_group_offsets *offsets,
                                                 const char *group, const char *topic);

#endif
