/* The answers of several shards to one query, merged into its page. */
#ifndef CONSUMER_QUERY_QUERY_MERGE_H
#define CONSUMER_QUERY_QUERY_MERGE_H

#include "consumer/engine/engine.h"

struct query_page {
    struct engine_hit *hits; /* the page itself: `offset` is skipped; at most `limit` */
    uint64_t count;
    uint64_t total_matched; /* in all shards */
    bool full;              /* there may be more behind it */
};

/* `results` are what engine_query() said to `query` in each shard; they stay the caller's. The hits
 * of the page are freed with query_page_free(). */
void query_merge(const struct engine_query *query, const struct engine_result *results,
                 uint32_t result_count, struct query_page *page);
void query_page_free(struct query_page *page);

#endif
