/* What HTTP sources report about themselves in `meta` of POST /ops: the last report of each source,
 * for sync-lag and metrics. Kept in memory, for the HTTP_SOURCES_MAX sources that reported last.
 * Any thread. */
#ifndef CONSUMER_INGEST_HTTP_SOURCES_H
#define CONSUMER_INGEST_HTTP_SOURCES_H

#include "consumer/ingest/ops_request.h"

enum { HTTP_SOURCES_MAX = 64 };

struct http_sources;

struct http_source {
    char source[OPS_SOURCE_BYTES_MAX + 1];
    int64_t cursor; /* negative: not reported, as are the next two */
    int64_t max_id;
    int64_t lag_rows;
    uint64_t ops;     /* accepted from this source since the process started */
    uint64_t reports; /* reports of all sources up to the last one of this source */
};

struct http_sources *http_sources_create(void);
void http_sources_destroy(struct http_sources *sources);

/* `ops` were stored with this `meta`. A `meta` without a source is ignored. */
void http_sources_record(struct http_sources *sources, const struct ops_meta *meta, uint64_t ops);
/* Copies all sources to `out`; returns their number. */
uint32_t http_sources_read(struct http_sources *sources,
                           struct http_source out[static HTTP_SOURCES_MAX]);

#endif
