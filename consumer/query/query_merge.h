/* The answers of several shards to one query, merged into its page. */
#ifndef CONSUMER_QUERY_QUERY_MERGE_H
#define CONSUMER_QUERY_QUERY_MERGE_H

#include "consumer/engine/engine.h"

struct query_page {
    struct engine_hit *hits; /* the page itself: `offset` is skipped; at most `limit` */
    uint64_t count;
    uint64_t total_matched; /* in all shards */
    bool full;              /* it has `limit` hits, so there may be a next page */
};

/* `results` has the answer of engine_query() to `query` from each shard; the caller keeps it and
 * frees the hits of the page with query_page_free(). */
void query_merge(const struct engine_query *query, const struct engine_result *results,
                 uint32_t result_count, struct query_page *page);
void query_page_free(struct query_page *page);

#endif
