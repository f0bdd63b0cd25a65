#include "consumer/engine/matcher.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/memory.h"
#include "consumer/engine/field_match.h"
#include "consumer/engine/id_match.h"
#include "consumer/engine/scalar.h"

/* So many values that reading every candidate costs less than a search for each. */
enum { LISTED_MIN = 8 };

static const struct field *
matcher_field(const struct matcher *matcher, const struct filter *leaf)
{
    CHECK(leaf->field_number > 0 && leaf->field_number <= matcher->engine->field_count);
    return &matcher->engine->fields[leaf->field_number - 1];
}

/* Lets the writer in if it waits; false: the match is to end. What a caller holds across it must
 * not point into the engine, except to what lives as long as the engine, such as its visible
 * slots. */
static bool
matcher_pause(const struct matcher *matcher)
{
    struct matcher_pauses *pauses = matcher->pauses;
    if (pauses == NULL)
        return true;
    CHECK(pauses->pause != NULL && pauses->pause->ask != NULL);
    if (pauses->rc == 0)
        pauses->rc = pauses->pause->ask(pauses->pause->context, pauses->watch, pauses->err);
    return pauses->rc == 0;
}

/* Does `part` have more than half of the slots of `whole`? */
static bool
bitmap_is_most(const roaring_bitmap_t *part, const roaring_bitmap_t *whole)
{
    return roaring_bitmap_get_cardinality(part) > roaring_bitmap_get_cardinality(whole) / 2;
}

/* Adds `part` to `matches`, and frees it. */
static void
matcher_join(roaring_bitmap_t *matches, roaring_bitmap_t *part)
{
    CHECK(matches != part);
    roaring_bitmap_or_inplace(matches, part);
    roaring_bitmap_free(part);
}

static roaring_bitmap_t *
matcher_match_range(const struct field *field, const struct filter *filter,
                    const roaring_bitmap_t *within)
{
    int64_t low, high;
    CHECK(filter->count == 1);
    CHECK(scalar_range(field, filter->kind, filter->values, &low, &high, NULL) == 0);
    return field_match_range(field, low, high, within);
}

/* The keys that are equal to one value of a leaf: one at most, unless the leaf ignores case. */
struct key_walk {
    const struct field *field;
    bool ignores_case;
    bool found; /* `key` is one of them */
    int64_t key;
};

static void
key_walk_begin(struct key_walk *walk, const struct field *field, const struct filter *leaf,
               uint32_t at)
{
    uint32_t code = 0;
    struct scalar scalar;
    CHECK(at < leaf->count);
    *walk = (struct key_walk){.field = field, .ignores_case = leaf->ignores_case};
    if (leaf->ignores_case) {
        walk->found = case_index_find(&field->cases, leaf->values[at].string, &code);
        walk->key = code;
    } else {
        CHECK(scalar_from_value(field, &leaf->values[at], &scalar, NULL) == 0);
        walk->found = scalar_find_key(field, &scalar, &walk->key);
    }
}

static void
key_walk_next(struct key_walk *walk)
{
    uint32_t code = (uint32_t)walk->key;
    CHECK(walk->found);
    walk->found = walk->ignores_case && case_index_next(&walk->field->cases, &code);
    walk->key = code;
}

static roaring_bitmap_t *
matcher_match_value(const struct field *field, const struct filter *leaf, uint32_t at,
                    const roaring_bitmap_t *within)
{
    struct key_walk walk;
    key_walk_begin(&walk, field, leaf, at);
    if (!walk.found)
        return bitmap_create();
    roaring_bitmap_t *matches = field_match(field, walk.key, within);
    for (key_walk_next(&walk); walk.found; key_walk_next(&walk))
        matcher_join(matches, field_match(field, walk.key, within));
    return matches;
}

static void
matcher_unite_value(const struct field *field, const struct filter *leaf, uint32_t at,
                    roaring_bitmap_t *united)
{
    struct key_walk walk;
    for (key_walk_begin(&walk, field, leaf, at); walk.found; key_walk_next(&walk))
        field_unite(field, walk.key, united);
}

static int
key_compare(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left;
    int64_t b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

/* Of a field without postings, which would be searched for each value. */
static roaring_bitmap_t *
matcher_match_list(const struct field *field, const struct filter *leaf,
                   const roaring_bitmap_t *within)
{
    int64_t *keys = memory_alloc(leaf->count * sizeof *keys);
    for (uint32_t i = 0; i < leaf->count; i++) {
        struct key_walk walk;
        key_walk_begin(&walk, field, leaf, i);
        CHECK(walk.found); /* it is a field of integers */
        keys[i] = walk.key;
    }
    qsort(keys, leaf->count, sizeof *keys, key_compare);
    roaring_bitmap_t *matches = field_match_listed(field, keys, leaf->count, within);
    free(keys);
    return matches;
}

static roaring_bitmap_t *
matcher_match_values(const struct matcher *matcher, const struct field *field,
                     const struct filter *filter, const roaring_bitmap_t *within)
{
    CHECK(filter->count == 0 || filter->values != NULL);
    if (filter->count == 1)
        return matcher_match_value(field, filter, 0, within);
    if (!field->filters && filter->count >= LISTED_MIN && within != NULL)
        return matcher_match_list(field, filter, within);
    bool unites = field_unites(field, within);
    roaring_bitmap_t *matches = bitmap_create();
    for (uint32_t i = 0; i < filter->count && matcher_pause(matcher); i++) {
        if (unites)
            matcher_unite_value(field, filter, i, matches);
        else
            matcher_join(matches, matcher_match_value(field, filter, i, within));
    }
    if (unites)
        roaring_bitmap_and_inplace(matches, within);
    return matches;
}

static roaring_bitmap_t *
matcher_match_present(const struct field *field, const roaring_bitmap_t *within)
{
    if (within != NULL)
        return bitmap_and(field->present, within);
    return bitmap_copy(field->present);
}

static roaring_bitmap_t *
matcher_match_leaf(const struct matcher *matcher, const struct filter *filter,
                   const roaring_bitmap_t *within)
{
    if (filter->field_number == FILTER_NUMBER_ID)
        return id_match(matcher->engine, filter, within);
    const struct field *field = matcher_field(matcher, filter);
    switch (filter->kind) {
    case FILTER_IS_NULL:
        CHECK(within != NULL);
        return bitmap_andnot(within, field->present);
    case FILTER_IS_NOT_NULL:
        return matcher_match_present(field, within);
    case FILTER_EQ:
    case FILTER_IN:
        return matcher_match_values(matcher, field, filter, within);
    case FILTER_NOT_EQ:
    case FILTER_NOT_IN: {
        roaring_bitmap_t *matches = matcher_match_present(field, within);
        roaring_bitmap_t *equal = matcher_match_values(matcher, field, filter, matches);
        roaring_bitmap_andnot_inplace(matches, equal);
        roaring_bitmap_free(equal);
        return matches;
    }
    default:
        CHECK(filter->kind >= FILTER_GT && filter->kind <= FILTER_LTE);
        return matcher_match_range(field, filter, within);
    }
}

/* A cheap upper bound of the number of slots that a filter matches; UINT64_MAX for what needs a
 * scan, which is therefore matched last. */
static uint64_t matcher_estimate(const struct matcher *matcher, const struct filter *filter);

static uint64_t
matcher_estimate_leaf(const struct matcher *matcher, const struct filter *filter)
{
    bool equality = filter->kind == FILTER_EQ || filter->kind == FILTER_IN;
    if (filter->field_number == FILTER_NUMBER_ID)
        return equality ? filter->count : UINT64_MAX;
    const struct field *field = matcher_field(matcher, filter);
    if (filter->kind == FILTER_IS_NOT_NULL)
        return roaring_bitmap_get_cardinality(field->present);
    if (!equality || !field->filters)
        return UINT64_MAX;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < filter->count; i++) {
        struct key_walk walk;
        for (key_walk_begin(&walk, field, filter, i); walk.found; key_walk_next(&walk)) {
            const struct slot_set *slots = postings_find(&field->postings, walk.key);
            sum += slots != NULL ? slot_set_count(slots) : 0;
        }
    }
    return sum;
}

static uint64_t
matcher_estimate(const struct matcher *matcher, const struct filter *filter)
{
    bool all = filter->kind == FILTER_AND;
    CHECK(filter->kind <= FILTER_NOT);
    if (filter->kind == FILTER_NOT)
        return UINT64_MAX;
    if (!filter_has_children(filter))
        return matcher_estimate_leaf(matcher, filter);
    uint64_t estimate = all ? UINT64_MAX : 0;
    for (uint32_t i = 0; i < filter->count; i++) {
        uint64_t child = matcher_estimate(matcher, &filter->children[i]);
        if (all)
            estimate = child < estimate ? child : estimate;
        else
            estimate = child > UINT64_MAX - estimate ? UINT64_MAX : estimate + child;
    }
    return estimate;
}

/* A child of an AND. */
struct clause {
    const struct filter *filter;
    uint64_t estimate;
    uint32_t position;
};

static int
clause_compare(const void *left, const void *right)
{
    const struct clause *a = left;
    const struct clause *b = right;
    if (a->estimate != b->estimate)
        return a->estimate < b->estimate ? -1 : 1;
    return a->position < b->position ? -1 : 1;
}

static roaring_bitmap_t *
matcher_match_all(const struct matcher *matcher, const struct filter *filter,
                  const roaring_bitmap_t *within)
{
    if (filter->count == 0) {
        CHECK(within != NULL);
        return bitmap_copy(within);
    }
    struct clause *clauses = memory_alloc(filter->count * sizeof *clauses);
    for (uint32_t i = 0; i < filter->count; i++) {
        const struct filter *child = &filter->children[i];
        clauses[i] = (struct clause){child, matcher_estimate(matcher, child), i};
    }
    qsort(clauses, filter->count, sizeof *clauses, clause_compare);
    CHECK(clauses[0].estimate <= clauses[filter->count - 1].estimate);
    roaring_bitmap_t *matches = matcher_match(matcher, clauses[0].filter, within);
    for (uint32_t i = 1; i < filter->count && !roaring_bitmap_is_empty(matches); i++) {
        roaring_bitmap_t *fewer = matcher_match(matcher, clauses[i].filter, matches);
        roaring_bitmap_free(matches);
        matches = fewer;
    }
    free(clauses);
    return matches;
}

/* Once a clause has matched most slots, the next clauses are matched only within the others. */
static roaring_bitmap_t *
matcher_match_any(const struct matcher *matcher, const struct filter *filter,
                  const roaring_bitmap_t *within)
{
    roaring_bitmap_t *matches = bitmap_create();
    roaring_bitmap_t *rest = NULL;
    CHECK(filter->count == 0 || filter->children != NULL);
    for (uint32_t i = 0; i < filter->count; i++) {
        const roaring_bitmap_t *asked = rest != NULL ? rest : within;
        if (rest != NULL && roaring_bitmap_is_empty(rest))
            break;
        roaring_bitmap_t *part = matcher_match(matcher, &filter->children[i], asked);
        if (asked != NULL && bitmap_is_most(part, asked)) {
            roaring_bitmap_t *fewer = bitmap_andnot(asked, part);
            if (rest != NULL)
                roaring_bitmap_free(rest);
            rest = fewer;
        }
        matcher_join(matches, part);
    }
    if (rest != NULL)
        roaring_bitmap_free(rest);
    return matches;
}

static roaring_bitmap_t *
matcher_match_node(const struct matcher *matcher, const struct filter *filter,
                   const roaring_bitmap_t *within)
{
    switch (filter->kind) {
    case FILTER_AND:
        return matcher_match_all(matcher, filter, within);
    case FILTER_OR:
        return matcher_match_any(matcher, filter, within);
    case FILTER_NOT: {
        CHECK(within != NULL);
        CHECK(filter->count == 1);
        roaring_bitmap_t *matches = matcher_match(matcher, filter->children, within);
        roaring_bitmap_t *others = bitmap_andnot(within, matches);
        roaring_bitmap_free(matches);
        return others;
    }
    default:
        return matcher_match_leaf(matcher, filter, within);
    }
}

roaring_bitmap_t *
matcher_match(const struct matcher *matcher, const struct filter *filter,
              const roaring_bitmap_t *within)
{
    if (!matcher_pause(matcher))
        return bitmap_create();
    roaring_bitmap_t *matches = matcher_match_node(matcher, filter, within);
    /* With pauses, slots that were visible before may have left `within` meanwhile. */
    CHECK(within == NULL || matcher->pauses != NULL ||
          roaring_bitmap_get_cardinality(matches) <= roaring_bitmap_get_cardinality(within));
    return matches;
}
