#include "consumer/query/query_merge.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/memory.h"

/* The index of the result whose next hit comes first; `result_count` when no result has hits
 * left. */
static uint32_t
merge_first(const struct engine_query *query, const struct engine_result *results,
            const uint64_t *next, uint32_t result_count)
{
    bool by_value = query->sort_field.bytes > 0;
    uint32_t first = result_count;
    for (uint32_t i = 0; i < result_count; i++) {
        CHECK(next[i] <= results[i].count);
        if (next[i] == results[i].count)
            continue;
        if (first == result_count ||
            engine_hit_compare(&results[i].hits[next[i]], &results[first].hits[next[first]],
                               by_value, query->direction) < 0)
            first = i;
    }
    return first;
}

void
query_merge(const struct engine_query *query, const struct engine_result *results,
            uint32_t result_count, struct query_page *page)
{
    uint64_t hits = 0;
    *page = (struct query_page){0};
    for (uint32_t i = 0; i < result_count; i++) {
        CHECK(results[i].count <= results[i].total_matched);
        hits += results[i].count;
        page->total_matched += results[i].total_matched;
    }
    uint64_t left = hits > query->offset ? hits - query->offset : 0;
    uint64_t wanted = left < query->limit ? left : query->limit;
    page->hits = memory_alloc(wanted * sizeof *page->hits);
    uint64_t *next = memory_zalloc(result_count * sizeof *next);
    for (uint64_t rank = 0; page->count < wanted; rank++) {
        uint32_t first = merge_first(query, results, next, result_count);
        CHECK(first < result_count);
        const struct engine_hit *hit = &results[first].hits[next[first]++];
        if (rank >= query->offset)
            page->hits[page->count++] = *hit;
    }
    free(next);
    CHECK(page->count == wanted && page->count <= page->total_matched);
    CHECK(page->count < 2 ||
          engine_hit_compare(&page->hits[0], &page->hits[page->count - 1],
                             query->sort_field.bytes > 0, query->direction) <= 0);
    page->full = page->count > 0 && page->count == query->limit;
}

void
query_page_free(struct query_page *page)
{
    CHECK(page->count <= page->total_matched);
    free(page->hits);
    *page = (struct query_page){0};
}
