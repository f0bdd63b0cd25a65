/* The engine against a naive store of rows: random ops and fan-outs, then every field of every
 * entity, and random queries with their order, offset, limit and cursor.
 *
 * BITDEX_SEED repeats a run, BITDEX_TEST_SECONDS lengthens it. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "tests/unit/engine_fixture.h"
#include "tests/unit/naive_rows.h"

enum { ROWS = 300, OPS = 3000, QUERIES = 300, FILTER_DEPTH = 3 };

static struct naive_row rows[ROWS];

/* Most rows share a container and a page; the others have each their own, or the last ones. */
static int64_t
row_entity(int row)
{
    if (row < ROWS - 20)
        return fixture_entity(row);
    if (row < ROWS - 2)
        return fixture_entity((row - ROWS + 21) * INT64_C(65536) + row);
    return fixture_entity(UINT32_MAX - (ROWS - 1 - row));
}

static void
check_ops(const struct engine *engine, const struct ops *ops)
{
    struct error err;
    for (uint32_t i = 0; i < ops->count; i++) {
        if (engine_check_op(engine, &ops->items[i], &err) != 0)
            fail_msg("%s", err.message);
    }
}

static void
apply_random_event(struct engine *engine)
{
    struct naive_event event;
    struct naive_ops ops;
    if (naive_random_below(10) == 0)
        naive_random_fan_out(&event);
    else
        naive_random_row(&event, ROWS);
    naive_apply(rows, ROWS, &event);
    naive_event_ops(&event, &ops);
    check_ops(engine, &ops.ops);
    if (event.row < 0)
        engine_apply_fan_out(engine, &ops.ops);
    else
        engine_apply_row(engine, row_entity(event.row), &ops.ops);
}

/* --- entities -------------------------------------------------------------------------------- */

static void
check_entities(const struct engine *engine)
{
    struct buffer wanted, found;
    buffer_init(&wanted);
    buffer_init(&found);
    for (int row = 0; row < ROWS; row++)
        assert_string_equal(fixture_entity_text(engine, row_entity(row), &found),
                            naive_text(&rows[row], &wanted));
    buffer_free(&wanted);
    buffer_free(&found);
}

/* --- queries --------------------------------------------------------------------------------- */

static const struct filter *random_filter(struct arena *arena, int depth);

static int
filter_field(const struct filter *filter)
{
    int field = 0;
    while (!text_is(filter->field, naive_field_names[field]))
        field++;
    return field;
}

static void
random_leaf(struct arena *arena, struct filter *filter)
{
    filter->kind = (enum filter_kind)naive_random_below(FILTER_IS_NOT_NULL + 1);
    int field = (int)naive_random_below(NAIVE_FIELDS);
    bool compares = filter->kind >= FILTER_GT && filter->kind <= FILTER_LTE;
    while (compares && (field == NAIVE_META || field == NAIVE_TYPE))
        field = (int)naive_random_below(NAIVE_FIELDS);
    filter->field = text_of(naive_field_names[field]);
    if (filter->kind == FILTER_IS_NULL || filter->kind == FILTER_IS_NOT_NULL)
        return;
    bool list = filter->kind == FILTER_IN || filter->kind == FILTER_NOT_IN;
    filter->count = list ? (uint32_t)naive_random_below(4) : 1;
    struct value *values = arena_alloc(arena, filter->count * sizeof *values);
    for (uint32_t i = 0; i < filter->count; i++)
        values[i] = naive_value(field, naive_random_number(field));
    if (compares && field != NAIVE_POST && naive_random_below(2) == 0)
        values[0] =
            (struct value){.kind = VALUE_FLOAT, .real = (double)naive_random_number(field) + 0.5};
    filter->values = values;
}

static void
random_branch(struct arena *arena, int depth, struct filter *filter)
{
    filter->kind = (enum filter_kind)(FILTER_AND + naive_random_below(3));
    filter->count = filter->kind == FILTER_NOT ? 1 : (uint32_t)naive_random_below(4);
    struct filter *children = arena_alloc(arena, filter->count * sizeof *children);
    for (uint32_t i = 0; i < filter->count; i++)
        children[i] = *random_filter(arena, depth - 1);
    filter->children = children;
}

static const struct filter *
random_filter(struct arena *arena, int depth)
{
    struct filter *filter = arena_alloc(arena, sizeof *filter);
    *filter = (struct filter){0};
    if (depth > 0 && naive_random_below(3) > 0)
        random_branch(arena, depth, filter);
    else
        random_leaf(arena, filter);
    return filter;
}

/* Exact here: the large integers are never compared with fractions. */
static bool
number_compares(int64_t number, enum filter_kind kind, const struct value *value)
{
    bool is_integer = value->kind == VALUE_INTEGER;
    int order = is_integer ? (number > value->integer) - (number < value->integer)
                           : ((double)number > value->real) - ((double)number < value->real);
    switch (kind) {
    case FILTER_GT:
        return order > 0;
    case FILTER_GTE:
        return order >= 0;
    case FILTER_LT:
        return order < 0;
    default:
        return order <= 0;
    }
}

static bool
row_compares(const struct naive_row *row, int field, const struct filter *filter)
{
    if (field != NAIVE_TAG_IDS)
        return row->has[field] && number_compares(row->values[field], filter->kind, filter->values);
    for (int tag = 0; tag < NAIVE_TAGS; tag++) {
        if (row->tags[tag] && number_compares(tag, filter->kind, filter->values))
            return true;
    }
    return false;
}

static bool
row_equals(const struct naive_row *row, int field, const struct filter *filter)
{
    for (uint32_t i = 0; i < filter->count; i++) {
        const struct value *value = &filter->values[i];
        int64_t number = value->kind == VALUE_FLOAT     ? (int64_t)value->real
                         : value->kind == VALUE_BOOLEAN ? value->boolean
                                                        : value->integer;
        for (int text = 0; value->kind == VALUE_STRING && text < NAIVE_STRINGS; text++)
            number = text_is(value->string, naive_strings[text]) ? text : number;
        if (naive_holds(row, field, number))
            return true;
    }
    return false;
}

static bool
row_matches_leaf(const struct naive_row *row, const struct filter *filter)
{
    int field = filter_field(filter);
    switch (filter->kind) {
    case FILTER_EQ:
    case FILTER_IN:
        return row_equals(row, field, filter);
    case FILTER_NOT_EQ:
    case FILTER_NOT_IN:
        return naive_has(row, field) && !row_equals(row, field, filter);
    case FILTER_IS_NULL:
        return !naive_has(row, field);
    case FILTER_IS_NOT_NULL:
        return naive_has(row, field);
    default:
        return row_compares(row, field, filter);
    }
}

static bool
row_matches(const struct naive_row *row, const struct filter *filter)
{
    if (filter->kind < FILTER_AND)
        return row_matches_leaf(row, filter);
    uint32_t matched = 0;
    for (uint32_t i = 0; i < filter->count; i++)
        matched += row_matches(row, &filter->children[i]);
    if (filter->kind == FILTER_NOT)
        return matched == 0;
    return filter->kind == FILTER_AND ? matched == filter->count : matched > 0;
}

/* The order, spelled out once more. */
static enum engine_direction order_direction;

static int
hit_order(const void *left, const void *right)
{
    const struct engine_hit *a = left;
    const struct engine_hit *b = right;
    int sign = order_direction == ENGINE_ASCENDING ? 1 : -1;
    if (a->has_value != b->has_value)
        return a->has_value ? -1 : 1;
    if (a->value != b->value)
        return a->value < b->value ? -sign : sign;
    return a->entity_id < b->entity_id ? -sign : sign;
}

static uint64_t
naive_query(const struct engine_query *query, struct engine_hit *hits)
{
    uint64_t count = 0;
    int sort = text_is(query->sort_field, "rank") ? NAIVE_RANK : NAIVE_POST;
    for (int i = 0; i < ROWS; i++) {
        if (!rows[i].alive || !row_matches(&rows[i], query->filter))
            continue;
        struct engine_hit hit = {.entity_id = row_entity(i)};
        if (query->sort_field.bytes > 0 && rows[i].has[sort]) {
            hit.has_value = true;
            hit.value = rows[i].values[sort];
        }
        hits[count++] = hit;
    }
    order_direction = query->direction;
    qsort(hits, count, sizeof *hits, hit_order);
    return count;
}

static void
assert_hits(const struct engine_hit *found, const struct engine_hit *wanted, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        assert_int_equal(found[i].entity_id, wanted[i].entity_id);
        assert_int_equal(found[i].has_value, wanted[i].has_value);
        assert_int_equal(found[i].value, wanted[i].value);
    }
}

/* Page after page by cursor: every entity exactly once, in order. */
static void
check_pages(const struct engine *engine, struct engine_query query, const struct engine_hit *wanted,
            uint64_t total)
{
    struct engine_page_key key;
    struct engine_result result;
    struct error err;
    uint64_t seen = 0;
    query.offset = 0;
    query.limit = 1 + naive_random_below(50);
    do {
        assert_int_equal(engine_query(engine, &query, &result, &err), 0);
        assert_int_equal(result.total_matched, total);
        assert_true(result.count <= total - seen);
        assert_hits(result.hits, wanted + seen, result.count);
        seen += result.count;
        if (result.count > 0) {
            const struct engine_hit *last = &result.hits[result.count - 1];
            key = (struct engine_page_key){last->has_value, last->value, last->entity_id};
            query.after = &key;
        }
        engine_result_free(&result);
    } while (seen < total && query.after != NULL);
    assert_int_equal(seen, total);
}

/* A cursor that points between entities, or at one that is gone or does not match. */
static void
check_foreign_key(const struct engine *engine, struct engine_query query,
                  const struct engine_hit *wanted, uint64_t total)
{
    struct engine_result result;
    struct error err;
    struct engine_hit key = {.entity_id = row_entity((int)naive_random_below(ROWS)) +
                                          (int64_t)naive_random_below(5) - 2};
    if (query.sort_field.bytes > 0 && naive_random_below(3) > 0) {
        key.has_value = true;
        key.value = naive_random_number(naive_random_below(2) == 0 ? NAIVE_RANK : NAIVE_POST);
    }
    struct engine_page_key after = {key.has_value, key.value, key.entity_id};
    uint64_t skipped = 0;
    while (skipped < total && engine_hit_compare(&wanted[skipped], &key, query.sort_field.bytes > 0,
                                                 query.direction) <= 0)
        skipped++;
    query.offset = 0;
    query.after = &after;
    assert_int_equal(engine_query(engine, &query, &result, &err), 0);
    assert_int_equal(result.count, query.limit < total - skipped ? query.limit : total - skipped);
    assert_hits(result.hits, wanted + skipped, result.count);
    engine_result_free(&result);
}

static void
check_random_query(const struct engine *engine, struct arena *arena)
{
    static const char *const sorts[] = {"", "rank", "postId"};
    struct engine_hit wanted[ROWS];
    struct engine_result result;
    struct error err;
    struct engine_query query = {
        .filter = random_filter(arena, FILTER_DEPTH),
        .sort_field = text_of(sorts[naive_random_below(3)]),
        .direction = naive_random_below(2) == 0 ? ENGINE_ASCENDING : ENGINE_DESCENDING,
        .limit = naive_random_below(2) == 0 ? naive_random_below(20) : naive_random_below(2 * ROWS),
        .offset = naive_random_below(30),
    };
    uint64_t total = naive_query(&query, wanted);
    if (engine_query(engine, &query, &result, &err) != 0)
        fail_msg("%s", err.message);
    uint64_t count = query.offset + query.limit < total ? query.offset + query.limit : total;
    assert_int_equal(result.total_matched, total);
    assert_int_equal(result.count, count);
    assert_hits(result.hits, wanted, count);
    engine_result_free(&result);
    check_pages(engine, query, wanted, total);
    check_foreign_key(engine, query, wanted, total);
}

/* --- the test -------------------------------------------------------------------------------- */

static void
run_round(void)
{
    struct engine *engine = fixture_engine();
    struct arena arena;
    arena_init(&arena);
    memset(rows, 0, sizeof rows);
    for (int i = 0; i < OPS; i++) {
        apply_random_event(engine);
        if (i % 500 == 499)
            check_entities(engine);
    }
    for (int i = 0; i < QUERIES; i++) {
        check_random_query(engine, &arena);
        arena_reset(&arena);
    }
    arena_free(&arena);
    engine_destroy(engine);
}

static void
test_engine_does_what_a_naive_store_does(void **state)
{
    (void)state;
    const char *seed = getenv("BITDEX_SEED");
    const char *seconds = getenv("BITDEX_TEST_SECONDS");
    uint64_t first = seed != NULL ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL) * 1000;
    int64_t end_us =
        clock_monotonic_us() + (seconds != NULL ? strtoll(seconds, NULL, 10) : 2) * 1000000;
    uint64_t round = first;
    do {
        print_message("BITDEX_SEED=%llu\n", (unsigned long long)round);
        naive_random_seed(round);
        run_round();
        round++;
    } while (seed == NULL && clock_monotonic_us() < end_us);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_engine_does_what_a_naive_store_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
