/* What those who post say of themselves in `meta`: the last word of each source, for sync-lag and
 * metrics. Kept in memory, and only of the sources that were heard of last. Any thread. */
#ifndef CONSUMER_INGEST_HTTP_SOURCES_H
#define CONSUMER_INGEST_HTTP_SOURCES_H

#include "consumer/ingest/ops_request.h"

enum { HTTP_SOURCES_MAX = 64 };

struct http_sources;

struct http_source {
    char source[OPS_SOURCE_BYTES_MAX + 1];
    int64_t cursor; /* negative: not said, as are the next two */
    int64_t max_id;
    int64_t lag_rows;
    uint64_t ops;  /* posted since this process started */
    int64_t heard; /* order of the last words */
};

struct http_sources *http_sources_create(void);
void http_sources_destroy(struct http_sources *posters);

/* `ops` were stored with this word. Without a source nothing is kept. */
void http_sources_record(struct http_sources *posters, const struct ops_meta *meta, uint64_t ops);
/* Copies them to `out`; returns how many. */
uint32_t http_sources_read(struct http_sources *posters,
                           struct http_source out[static HTTP_SOURCES_MAX]);

#endif
