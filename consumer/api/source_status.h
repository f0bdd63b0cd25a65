/* The sources of ops, for sync-lag and metrics: the topic's numbered source, summed over the
 * partitions of this process, then the HTTP sources as they report themselves. */
#ifndef CONSUMER_API_SOURCE_STATUS_H
#define CONSUMER_API_SOURCE_STATUS_H

#include "consumer/api/partition_status.h"
#include "consumer/ingest/http_sources.h"

/* A negative number is not known. */
struct source_status {
    const char *name;
    int64_t cursor;     /* every row with an id up to it was sent and is applied */
    int64_t max_row_id; /* greatest id in the outbox */
    int64_t lag_rows;   /* not sent yet, or not applied yet */
    int64_t ops;
    int64_t wal_bytes;
};

struct source_status_list {
    bool has_numbered; /* then it is the first item */
    struct source_status items[1 + HTTP_SOURCES_MAX];
    uint32_t count;
    struct http_source http[HTTP_SOURCES_MAX]; /* some names point into it */
};

/* The other names point into `partitions`. */
void source_status_read(struct api_context *api, const struct partition_status_list *partitions,
                        struct source_status_list *sources);

#endif
