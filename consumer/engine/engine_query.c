/* One page of a query: match, then order what matched.
 *
 * By id, the page is a range of the matching bitmap, found by rank. By a sort field, the slices cut
 * the matches that have a value down to little more than the page, and a bounded heap that keeps
 * the best offset + limit orders those; only when they do not fill the page do nulls follow, by id
 * again.
 */
#include "consumer/engine/engine.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "consumer/engine/engine_internal.h"
#include "consumer/engine/matcher.h"

enum { SCAN_SLOTS = 256, SCAN_MAX = 1024 };

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

/* A page being filled: the best `capacity` hits so far, as a heap with the worst on top. */
struct page {
    const struct engine *engine;
    enum engine_direction direction;
    struct engine_hit *hits;
    uint64_t count;
    uint64_t capacity;
};

static bool
page_is_before(const struct page *page, const struct engine_hit *a, const struct engine_hit *b)
{
    return engine_hit_compare(a, b, true, page->direction) < 0;
}

static void
page_sift_down(const struct page *page, uint64_t at, uint64_t count)
{
    struct engine_hit hit = page->hits[at];
    for (uint64_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && page_is_before(page, &page->hits[child], &page->hits[child + 1]))
            child++;
        if (!page_is_before(page, &hit, &page->hits[child]))
            break;
        page->hits[at] = page->hits[child];
        at = child;
    }
    page->hits[at] = hit;
}

static void
page_sift_up(const struct page *page, uint64_t at)
{
    struct engine_hit hit = page->hits[at];
    while (at > 0 && page_is_before(page, &page->hits[(at - 1) / 2], &hit)) {
        page->hits[at] = page->hits[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    page->hits[at] = hit;
}

static void
page_offer(struct page *page, const struct engine_hit *hit)
{
    if (page->count < page->capacity) {
        page->hits[page->count] = *hit;
        page_sift_up(page, page->count++);
    } else if (page_is_before(page, hit, &page->hits[0])) {
        page->hits[0] = *hit;
        page_sift_down(page, 0, page->count);
    }
}

/* The heap becomes a list, the best first. */
static void
page_order(struct page *page)
{
    for (uint64_t left = page->count; left > 1; left--) {
        struct engine_hit worst = page->hits[0];
        page->hits[0] = page->hits[left - 1];
        page->hits[left - 1] = worst;
        page_sift_down(page, 0, left - 1);
    }
}

/* How many of `slots` have an entity id below `entity_id`. */
static uint64_t
page_rank(const struct page *page, const roaring_bitmap_t *slots, int64_t entity_id)
{
    uint64_t below = engine_slots_below(page->engine, entity_id);
    if (below == 0)
        return 0;
    return roaring_bitmap_rank(slots, below - 1 < UINT32_MAX ? (uint32_t)(below - 1) : UINT32_MAX);
}

/* Appends `slots` in the order of their ids, behind `after_id` if there is one. */
static void
page_fill_by_id(struct page *page, const roaring_bitmap_t *slots, const int64_t *after_id)
{
    bool ascending = page->direction == ENGINE_ASCENDING;
    uint64_t first = 0; /* the candidates are those of rank first .. end - 1 */
    uint64_t end = roaring_bitmap_get_cardinality(slots);
    if (after_id != NULL && !ascending)
        end = page_rank(page, slots, *after_id);
    else if (after_id != NULL && *after_id < INT64_MAX)
        first = page_rank(page, slots, *after_id + 1);
    else if (after_id != NULL)
        first = end;
    uint64_t wanted = page->capacity - page->count;
    uint64_t count = end - first < wanted ? end - first : wanted;
    if (count == 0)
        return;
    uint32_t *found = memory_alloc(count * sizeof *found);
    CHECK(roaring_bitmap_range_uint32_array(slots, ascending ? first : end - count, count, found));
    for (uint64_t i = 0; i < count; i++) {
        uint32_t slot = found[ascending ? i : count - 1 - i];
        page->hits[page->count++] =
            (struct engine_hit){.entity_id = engine_entity_of(page->engine, slot)};
    }
    free(found);
}

static void
page_fill_by_value(struct page *page, const roaring_bitmap_t *slots, const struct field *field,
                   const struct engine_hit *after)
{
    roaring_uint32_iterator_t at;
    uint32_t found[SCAN_SLOTS];
    uint32_t read;
    roaring_init_iterator(slots, &at);
    while ((read = roaring_read_uint32_iterator(&at, found, SCAN_SLOTS)) > 0) {
        for (uint32_t i = 0; i < read; i++) {
            struct engine_hit hit = {
                .entity_id = engine_entity_of(page->engine, found[i]),
                .has_value = true,
                .value = column_read(&field->column, found[i]),
            };
            if (after == NULL || page_is_before(page, after, &hit))
                page_offer(page, &hit);
        }
    }
    page_order(page);
}

/* Of `slots`, which have the same value as the page key, those that come behind it by id. */
static void
page_cut_ties(const struct page *page, roaring_bitmap_t *slots, int64_t after_id)
{
    bool descending = page->direction == ENGINE_DESCENDING;
    const uint64_t end = UINT64_C(1) << 32;
    uint64_t edge = end;
    if (descending)
        edge = engine_slots_below(page->engine, after_id);
    else if (after_id < INT64_MAX)
        edge = engine_slots_below(page->engine, after_id + 1);
    if (edge > end)
        edge = end;
    roaring_bitmap_remove_range(slots, descending ? edge : 0, descending ? end : edge);
}

/* Of `slots`, those that come behind the page key. */
static roaring_bitmap_t *
page_behind(const struct page *page, const roaring_bitmap_t *slots, const struct field *field,
            const struct engine_hit *after)
{
    bool descending = page->direction == ENGINE_DESCENDING;
    if (after->value > field->max || after->value < field->min) {
        bool all = descending == (after->value > field->max);
        return all ? roaring_bitmap_copy(slots) : roaring_bitmap_create();
    }
    roaring_bitmap_t *above, *ties;
    slices_compare(&field->slices, after->value, slots, &above, &ties);
    roaring_bitmap_t *behind = above;
    if (descending) {
        behind = roaring_bitmap_andnot(slots, above);
        CHECK(behind != NULL);
        roaring_bitmap_andnot_inplace(behind, ties);
        roaring_bitmap_free(above);
    }
    page_cut_ties(page, ties, after->entity_id);
    roaring_bitmap_or_inplace(behind, ties);
    roaring_bitmap_free(ties);
    return behind;
}

/* Of `slots`, little more than those that the page will hold. */
static roaring_bitmap_t *
page_narrow(const struct page *page, const roaring_bitmap_t *slots, const struct field *field,
            const struct engine_hit *after)
{
    bool greatest = page->direction == ENGINE_DESCENDING;
    if (after == NULL)
        return slices_best(&field->slices, slots, page->capacity, greatest);
    roaring_bitmap_t *behind = page_behind(page, slots, field, after);
    CHECK(behind != NULL);
    roaring_bitmap_t *best = slices_best(&field->slices, behind, page->capacity, greatest);
    roaring_bitmap_free(behind);
    return best;
}

static void
page_fill_valued(struct page *page, const roaring_bitmap_t *matches, const struct field *field,
                 const struct engine_hit *after)
{
    roaring_bitmap_t *valued = roaring_bitmap_and(matches, field->present);
    CHECK(valued != NULL);
    if (roaring_bitmap_get_cardinality(valued) > SCAN_MAX) {
        roaring_bitmap_t *best = page_narrow(page, valued, field, after);
        roaring_bitmap_free(valued);
        valued = best;
    }
    page_fill_by_value(page, valued, field, after);
    roaring_bitmap_free(valued);
}

static void
page_fill_sorted(struct page *page, const roaring_bitmap_t *matches, const struct field *field,
                 const struct engine_page_key *after)
{
    if (after == NULL || after->has_value) {
        struct engine_hit key = {0};
        if (after != NULL)
            key = (struct engine_hit){after->entity_id, true, after->value};
        page_fill_valued(page, matches, field, after != NULL ? &key : NULL);
    }
    if (page->count == page->capacity)
        return;
    roaring_bitmap_t *nulls = roaring_bitmap_andnot(matches, field->present);
    CHECK(nulls != NULL);
    page_fill_by_id(page, nulls, after != NULL && !after->has_value ? &after->entity_id : NULL);
    roaring_bitmap_free(nulls);
}

static int
query_check(const struct engine *engine, const struct engine_query *query,
            const struct field **sort_field, struct error *err)
{
    struct matcher matcher = {.engine = engine};
    CHECK(query->after == NULL || query->offset == 0);
    *sort_field = NULL;
    if (query->sort_field.bytes > 0) {
        *sort_field = engine_find_field(engine, query->sort_field);
        if (*sort_field == NULL || (*sort_field)->sort_bits == 0)
            return error_set(err, ERR_DATA, "the index has no sort field \"%.*s\"",
                             TEXT_ARGS(query->sort_field));
    }
    return query->filter != NULL ? matcher_check(&matcher, query->filter, err) : 0;
}

/* The slots that have changed are matched once more, in one go. */
static void
query_match_changed(const struct matcher *matcher, const struct filter *filter,
                    const roaring_bitmap_t *changed, roaring_bitmap_t *matched)
{
    roaring_bitmap_t *within = roaring_bitmap_and(engine_visible(matcher->engine), changed);
    CHECK(within != NULL);
    roaring_bitmap_t *again = matcher_match(matcher, filter, within);
    roaring_bitmap_andnot_inplace(matched, changed);
    roaring_bitmap_or_inplace(matched, again);
    roaring_bitmap_free(again);
    roaring_bitmap_free(within);
}

static int
query_match_in_steps(const struct engine *engine, const struct engine_query *query,
                     roaring_bitmap_t **matched, struct error *err)
{
    struct engine_watch watch = {.changed = roaring_bitmap_create()};
    struct matcher_pauses pauses = {.pause = query->pause, .watch = &watch, .err = err};
    const struct matcher matcher = {.engine = engine, .pauses = &pauses};
    CHECK(watch.changed != NULL);
    *matched = matcher_match(&matcher, query->filter, engine_visible(engine));
    if (pauses.rc == 0 && !roaring_bitmap_is_empty(watch.changed)) {
        pauses.watch = NULL;
        query_match_changed(&matcher, query->filter, watch.changed, *matched);
    }
    roaring_bitmap_free(watch.changed);
    return pauses.rc;
}

/* `*matched` NULL: everything visible. */
static int
query_match(const struct engine *engine, const struct engine_query *query,
            roaring_bitmap_t **matched, struct error *err)
{
    const struct filter *filter = query->filter;
    const struct matcher matcher = {.engine = engine};
    *matched = NULL;
    if (filter == NULL || (filter->kind == FILTER_AND && filter->count == 0))
        return 0;
    if (query->pause != NULL)
        return query_match_in_steps(engine, query, matched, err);
    *matched = matcher_match(&matcher, filter, engine_visible(engine));
    return 0;
}

/* Fills the page with its part of the matches. */
static void
page_fill(struct page *page, const struct engine_query *query, const struct field *sort_field,
          const roaring_bitmap_t *matches)
{
    page->hits = memory_alloc(page->capacity * sizeof *page->hits);
    if (page->capacity > 0 && sort_field != NULL)
        page_fill_sorted(page, matches, sort_field, query->after);
    else if (page->capacity > 0)
        page_fill_by_id(page, matches, query->after != NULL ? &query->after->entity_id : NULL);
}

int
engine_query(const struct engine *engine, const struct engine_query *query,
             struct engine_result *result, struct error *err)
{
    const struct field *sort_field;
    int rc = query_check(engine, query, &sort_field, err);
    if (rc != 0)
        return rc;
    roaring_bitmap_t *matched;
    rc = query_match(engine, query, &matched, err);
    if (rc != 0) {
        roaring_bitmap_free(matched);
        return rc;
    }
    const roaring_bitmap_t *matches = matched != NULL ? matched : engine_visible(engine);
    uint64_t total = roaring_bitmap_get_cardinality(matches);
    uint64_t wanted =
        query->limit > UINT64_MAX - query->offset ? UINT64_MAX : query->offset + query->limit;
    struct page page = {
        .engine = engine,
        .direction = query->direction,
        .capacity = wanted < total ? wanted : total,
    };
    page_fill(&page, query, sort_field, matches);
    if (matched != NULL)
        roaring_bitmap_free(matched);
    *result = (struct engine_result){page.hits, page.count, total};
    return 0;
}

void
engine_result_free(struct engine_result *result)
{
    free(result->hits);
    *result = (struct engine_result){0};
}
