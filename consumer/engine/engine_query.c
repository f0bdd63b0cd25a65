/* A query: match, then order what matched, then take one page of it.
 *
 * Ordered by id, the page is read from the bitmap of the matches. Ordered by a sort field, top_k.h
 * finds the best offset + limit matches; if they do not fill the page, the matches without a value
 * follow, ordered by id.
 */
#include "consumer/engine/engine.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/config/config_fields.h"
#include "consumer/engine/engine_internal.h"
#include "consumer/engine/engine_time.h"
#include "consumer/engine/engine_watch.h"
#include "consumer/engine/matcher.h"
#include "consumer/engine/resolve.h"
#include "consumer/engine/top_k.h"
#include "consumer/engine/unknown_field.h"

int
engine_hit_compare(const struct engine_hit *a, const struct engine_hit *b, bool by_value,
                   enum engine_direction direction)
{
    if (by_value && a->has_value != b->has_value)
        return a->has_value ? -1 : 1;
    int64_t left = a->entity_id;
    int64_t right = b->entity_id;
    if (by_value && a->has_value && a->value != b->value) {
        left = a->value;
        right = b->value;
    }
    if (left == right)
        return 0;
    return (left < right) == (direction == ENGINE_ASCENDING) ? -1 : 1;
}

/* The page that is being filled. */
struct page {
    const struct engine *engine;
    enum engine_direction direction;
    bool id_is_value; /* the hits have their id as value of the sort field */
    struct engine_hit *hits;
    uint64_t count;
    uint64_t capacity;
};

/* The slot from which on the successors of an entity are; descending: below which they are. */
static uint64_t
page_edge(const struct page *page, int64_t after_id)
{
    if (page->direction == ENGINE_DESCENDING)
        return engine_slots_below(page->engine, after_id);
    return after_id < INT64_MAX ? engine_slots_below(page->engine, after_id + 1) : UINT64_MAX;
}

/* Moves the iterator to the first slot of the page; false: the page is empty. */
static bool
page_begin(const struct page *page, const roaring_bitmap_t *slots, const int64_t *after_id,
           roaring_uint32_iterator_t *at)
{
    bool ascending = page->direction == ENGINE_ASCENDING;
    uint64_t edge = ascending ? 0 : UINT64_MAX;
    CHECK(page->count == 0 || after_id == NULL);
    if (after_id != NULL)
        edge = page_edge(page, *after_id);
    roaring_init_iterator(slots, at);
    bool found =
        edge <= UINT32_MAX && roaring_move_uint32_iterator_equalorlarger(at, (uint32_t)edge);
    if (ascending)
        return found;
    if (found)
        return roaring_previous_uint32_iterator(at);
    roaring_init_iterator_last(slots, at);
    return at->has_value;
}

/* Appends the slots that follow `after_id` (NULL: all) in the order of their ids. */
static void
page_fill_by_id(struct page *page, const roaring_bitmap_t *slots, const int64_t *after_id)
{
    roaring_uint32_iterator_t at;
    CHECK(page->count <= page->capacity);
    bool more = page_begin(page, slots, after_id, &at);
    while (more && page->count < page->capacity) {
        int64_t id = engine_entity_of(page->engine, at.current_value);
        page->hits[page->count++] = (struct engine_hit){
            .entity_id = id,
            .has_value = page->id_is_value,
            .value = page->id_is_value ? id : 0,
        };
        more = page->direction == ENGINE_ASCENDING ? roaring_advance_uint32_iterator(&at)
                                                   : roaring_previous_uint32_iterator(&at);
    }
    CHECK(page->count == page->capacity || !more);
}

static void
page_fill_by_value(struct page *page, const roaring_bitmap_t *matches, const struct field *field,
                   const struct engine_page_key *after)
{
    CHECK(page->count == 0);
    struct top_k_hit *hits = memory_alloc(page->capacity * sizeof *hits);
    struct top_k_key key = {0};
    if (after != NULL)
        key = (struct top_k_key){after->value, page_edge(page, after->entity_id)};
    page->count = top_k_find(field, matches, page->direction == ENGINE_DESCENDING,
                             after != NULL ? &key : NULL, page->capacity, hits);
    CHECK(page->count <= page->capacity);
    for (uint64_t i = 0; i < page->count; i++) {
        page->hits[i] = (struct engine_hit){
            .entity_id = engine_entity_of(page->engine, hits[i].slot),
            .has_value = true,
            .value = hits[i].value,
        };
    }
    free(hits);
}

static void
page_fill_sorted(struct page *page, const roaring_bitmap_t *matches, const struct field *field,
                 const struct engine_page_key *after)
{
    CHECK(field->sort_bits > 0);
    if (after == NULL || after->has_value)
        page_fill_by_value(page, matches, field, after);
    if (page->count == page->capacity)
        return;
    roaring_bitmap_t *nulls = bitmap_andnot(matches, field->present);
    page_fill_by_id(page, nulls, after != NULL && !after->has_value ? &after->entity_id : NULL);
    roaring_bitmap_free(nulls);
}

/* A query whose names are resolved. */
struct plan {
    const struct engine *engine;
    const struct engine_query *query;
    const struct field *sort_field; /* NULL: by id */
    bool names_id;                  /* by id, because the query sorts by the field `id` */
    const struct filter *filter;    /* NULL: every visible slot matches */
};

static int
plan_query(struct plan *plan, struct arena *arena, struct error *err)
{
    const struct engine_query *query = plan->query;
    const struct filter *filter = query->filter;
    CHECK(query->after == NULL || query->offset == 0);
    plan->names_id = text_is(query->sort_field, CONFIG_FIELD_ID);
    if (query->sort_field.bytes > 0 && !plan->names_id) {
        plan->sort_field = engine_find_field(plan->engine, query->sort_field);
        if (plan->sort_field == NULL || plan->sort_field->sort_bits == 0)
            return unknown_field_refuse_sort(plan->engine, query->sort_field, err);
    }
    if (filter == NULL || (filter->kind == FILTER_AND && filter->count == 0))
        return 0;
    return resolve_filter(plan->engine, filter, arena, &plan->filter, err);
}

/* Matches the slots that have changed again, without a pause. */
static void
query_match_changed(const struct matcher *matcher, const struct filter *filter,
                    const roaring_bitmap_t *changed, roaring_bitmap_t *matched)
{
    CHECK(matcher->pauses->watch == NULL);
    roaring_bitmap_t *within = bitmap_and(engine_visible(matcher->engine), changed);
    roaring_bitmap_t *again = matcher_match(matcher, filter, within);
    roaring_bitmap_andnot_inplace(matched, changed);
    roaring_bitmap_or_inplace(matched, again);
    roaring_bitmap_free(again);
    roaring_bitmap_free(within);
}

static int
query_match_in_steps(const struct plan *plan, roaring_bitmap_t **matched, struct error *err)
{
    struct engine_watch watch = {.changed = bitmap_create()};
    struct matcher_pauses pauses = {.pause = plan->query->pause, .watch = &watch, .err = err};
    const struct matcher matcher = {.engine = plan->engine, .pauses = &pauses};
    *matched = matcher_match(&matcher, plan->filter, engine_visible(plan->engine));
    if (pauses.rc == 0 && !roaring_bitmap_is_empty(watch.changed)) {
        pauses.watch = NULL;
        query_match_changed(&matcher, plan->filter, watch.changed, *matched);
    }
    CHECK(plan->engine->watches != &watch);
    roaring_bitmap_free(watch.changed);
    return pauses.rc;
}

/* Sets `*matched` to the matches; NULL: all visible slots match. On error the caller frees it
 * too. */
static int
query_match(const struct plan *plan, roaring_bitmap_t **matched, struct error *err)
{
    const struct matcher matcher = {.engine = plan->engine};
    *matched = NULL;
    if (plan->filter == NULL)
        return 0;
    if (plan->query->pause != NULL)
        return query_match_in_steps(plan, matched, err);
    *matched = matcher_match(&matcher, plan->filter, engine_visible(plan->engine));
    return 0;
}

static void
page_fill(struct page *page, const struct plan *plan, const roaring_bitmap_t *matches)
{
    const struct engine_page_key *after = plan->query->after;
    page->hits = memory_alloc(page->capacity * sizeof *page->hits);
    if (page->capacity > 0 && plan->sort_field != NULL)
        page_fill_sorted(page, matches, plan->sort_field, after);
    else if (page->capacity > 0)
        page_fill_by_id(page, matches, after != NULL ? &after->entity_id : NULL);
    CHECK(page->count <= page->capacity);
    CHECK(page->count < 2 || engine_hit_compare(&page->hits[0], &page->hits[page->count - 1],
                                                plan->sort_field != NULL, page->direction) < 0);
}

/* The page of the matches, which `matched` is (NULL: all visible slots). */
static void
query_page(const struct plan *plan, const roaring_bitmap_t *matched, struct engine_result *result)
{
    const struct engine_query *query = plan->query;
    const roaring_bitmap_t *matches = matched != NULL ? matched : engine_visible(plan->engine);
    uint64_t total = roaring_bitmap_get_cardinality(matches);
    uint64_t wanted =
        query->limit > UINT64_MAX - query->offset ? UINT64_MAX : query->offset + query->limit;
    struct page page = {
        .engine = plan->engine,
        .direction = query->direction,
        .id_is_value = plan->names_id,
        .capacity = wanted < total ? wanted : total,
    };
    page_fill(&page, plan, matches);
    *result = (struct engine_result){page.hits, page.count, total};
}

int
engine_query(const struct engine *engine, const struct engine_query *query,
             struct engine_result *result, struct error *err)
{
    struct plan plan = {.engine = engine, .query = query};
    CHECK(!engine->in_rows);
    CHECK(query->direction == ENGINE_DESCENDING || query->direction == ENGINE_ASCENDING);
    roaring_bitmap_t *matched = NULL;
    struct arena arena;
    arena_init(&arena);
    int rc = plan_query(&plan, &arena, err);
    if (rc == 0)
        rc = query_match(&plan, &matched, err);
    if (rc == 0)
        query_page(&plan, matched, result);
    if (matched != NULL)
        roaring_bitmap_free(matched);
    arena_free(&arena);
    return rc;
}

void
engine_result_free(struct engine_result *result)
{
    CHECK(result->count <= result->total_matched);
    free(result->hits);
    *result = (struct engine_result){0};
}
