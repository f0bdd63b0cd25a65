/* The status of every partition that this process owns, read at one time for one answer. */
#ifndef CONSUMER_API_PARTITION_STATUS_H
#define CONSUMER_API_PARTITION_STATUS_H

#include "common/config/config_fields.h"
#include "consumer/api/api_context.h"
#include "consumer/engine/engine.h"
#include "consumer/partition/feed.h"
#include "consumer/partition/freshness.h"
#include "consumer/partition/shard.h"

struct partition_status {
    int32_t partition;
    struct shard_status shard;
    struct engine_stats engine; /* zeros unless they were requested */
    struct feed_bounds bounds;
    int64_t cursor_table_offset; /* in bitdex_cursors; -1: none */
    int64_t lag_rows;            /* messages in the topic that are not applied; -1: not known */
    struct freshness freshness;  /* of the source snapshot that is proved */
    double lag_s;                /* its age; negative: none is proved */
    int64_t heartbeat_age_us;    /* since the last heartbeat of the worker */
    bool complete;               /* in existence and all fields */
    char reason[ERROR_MESSAGE_BYTES]; /* why the partition is incomplete; "" */
    struct field_set complete_fields;
    bool serves; /* existence and at least one field are complete */
};

struct partition_status_list {
    struct partition_status *items; /* ascending by partition */
    uint32_t count;
    char broker_error[ERROR_MESSAGE_BYTES]; /* the Kafka client's last error; "" */
    char cursor_table_error[ERROR_MESSAGE_BYTES];
};

/* Fills what follows from status->shard: from `complete` on. */
void partition_status_judge(struct partition_status *status, const struct config_fields *fields);

/* `with_engine`: fill `engine` as well, which waits for a batch that is being applied; the rest
 * waits for nothing. Free the list with partition_status_free(). */
void partition_status_read(struct api_context *api, bool with_engine,
                           struct partition_status_list *list);
void partition_status_free(struct partition_status_list *list);

#endif
