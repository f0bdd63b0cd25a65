/* The engine against a naive store of rows: random ops and fan-outs, sometimes a restart from the
 * engine's image; then every field of every entity is compared, and random queries with their
 * order, offset, limit and cursor. The test runs in rounds (random_input.h). */
#include "tests/unit/unit_test.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "consumer/engine/engine_chunk.h"
#include "tests/unit/engine_fixture.h"
#include "tests/unit/naive_chunk.h"
#include "tests/unit/naive_rows.h"
#include "tests/unit/random_input.h"

enum { ROWS = 6000, OPS = 40000, QUERIES = 100, FILTER_DEPTH = 3, PAGES_MAX = 30 };
enum { PAGE_SLOTS = 65536 }; /* of bitmaps as of columns */

static struct naive_row rows[ROWS];
static uint64_t unknown_ops; /* ops on fields that the index does not have */
static int64_t now_s;

/* Most rows are on both sides of a border between two pages, so many that queries read whole pages;
 * the others are at both ends of other pages, or the last slots. */
static int64_t
row_entity(int row)
{
    int64_t nth = row - (ROWS - 6);
    if (nth < 0)
        return fixture_entity(PAGE_SLOTS - ROWS / 2 + row);
    if (nth < 4)
        return fixture_entity((2 + nth / 2) * PAGE_SLOTS + nth % 2 * (PAGE_SLOTS - 1));
    return fixture_entity(UINT32_MAX - 5 + nth);
}

/* --- ops ------------------------------------------------------------------------------------- */

static void
apply_event(struct engine *engine, const struct naive_event *event)
{
    struct naive_ops naive;
    struct arena arena;
    arena_init(&arena);
    naive_event_ops(event, &naive);
    struct ops ops = fixture_prepare(engine, &arena, &naive.ops);
    for (uint32_t i = 0; i < event->op_count; i++)
        unknown_ops += event->ops[i].field == NAIVE_UNKNOWN;
    if (event->row < 0)
        engine_apply_fan_out(engine, &ops);
    else
        engine_apply_row(engine, row_entity(event->row), &ops);
    naive_apply(rows, ROWS, event);
    arena_free(&arena);
}

/* --- time ------------------------------------------------------------------------------------ */

static void
advance_randomly(struct engine *engine)
{
    int64_t wanted_s = INT64_MAX, found_s;
    now_s = random_below(2) == 0 ? naive_random_number(NAIVE_PUBLISHED) : INT64_MAX;
    engine_advance(engine, now_s);
    for (int row = 0; row < ROWS; row++) {
        if (rows[row].alive && !naive_is_visible(&rows[row], now_s) &&
            rows[row].values[NAIVE_PUBLISHED] < wanted_s)
            wanted_s = rows[row].values[NAIVE_PUBLISHED];
    }
    assert_int_equal(engine_next_activation(engine, &found_s), wanted_s < INT64_MAX);
    if (wanted_s < INT64_MAX)
        assert_int_equal(found_s, wanted_s);
}

/* --- entities -------------------------------------------------------------------------------- */

static void
check_entities(const struct engine *engine)
{
    struct buffer wanted, found;
    struct engine_stats stats;
    buffer_init(&wanted);
    buffer_init(&found);
    for (int row = 0; row < ROWS; row++) {
        fixture_entity_text(engine, row_entity(row), &found);
        assert_string_equal(buffer_string(&found), naive_text(&rows[row], &wanted));
        assert_int_equal(engine_is_visible(engine, row_entity(row)),
                         naive_is_visible(&rows[row], now_s));
    }
    engine_read_stats(engine, &stats);
    assert_int_equal(stats.unknown_field_ops, unknown_ops);
    buffer_free(&wanted);
    buffer_free(&found);
}

/* Compares the rows with a scan, which has the order of their ids as well. */
struct scan_check {
    int next;
    uint32_t left; /* visits until the scan is ended */
};

static bool
row_is_there(const struct naive_row *row)
{
    bool any = row->alive;
    for (int field = 0; field < NAIVE_FIELDS; field++)
        any |= naive_has(row, field);
    return any;
}

static int
check_visit(void *context, const struct engine_entity *entity)
{
    struct scan_check *check = context;
    while (!row_is_there(&rows[check->next]))
        check->next++;
    assert_int_equal(entity->entity_id, row_entity(check->next));
    assert_int_equal(entity->alive, rows[check->next].alive);
    assert_int_equal(entity->visible, naive_is_visible(&rows[check->next], now_s));
    check->next++;
    return --check->left == 0 ? 7 : 0;
}

static void
check_scan(const struct engine *engine)
{
    int first = (int)random_below(ROWS);
    int last = first + (int)random_below((uint64_t)(ROWS - first));
    uint32_t count = 0;
    for (int row = first; row <= last; row++)
        count += row_is_there(&rows[row]);
    struct scan_check check = {first, UINT32_MAX};
    assert_int_equal(engine_scan(engine, row_entity(first) - (int64_t)random_below(3),
                                 row_entity(last) + (int64_t)random_below(3), check_visit, &check),
                     0);
    assert_int_equal(UINT32_MAX - check.left, count);
    check = (struct scan_check){0, 1};
    assert_int_equal(engine_scan(engine, INT64_MIN, INT64_MAX, check_visit, &check), 7);
    check = (struct scan_check){0, UINT32_MAX};
    assert_int_equal(engine_scan(engine, INT64_MIN, INT64_MAX, check_visit, &check), 0);
    while (check.next < ROWS && !row_is_there(&rows[check.next]))
        check.next++;
    assert_int_equal(check.next, ROWS);
}

/* --- queries --------------------------------------------------------------------------------- */

static const struct filter *random_filter(struct arena *arena, int depth);

enum { FIELD_ID = NAIVE_FIELDS, FILTER_FIELDS };

static struct text
field_text(int field)
{
    return text_of(field == FIELD_ID ? "id" : naive_field_names[field]);
}

static int
filter_field(const struct filter *filter)
{
    int field = 0;
    while (!text_equal(filter->field, field_text(field)))
        field++;
    return field;
}

/* The configuration of the fixture. */
static bool
field_is_nullable(int field)
{
    return field == NAIVE_LEVEL || field == NAIVE_SCORE;
}

/* Of rows as well as between and around them. */
static struct value
random_id(void)
{
    int64_t near = row_entity((int)random_below(ROWS)) + (int64_t)random_below(7) - 3;
    return (struct value){.kind = VALUE_INTEGER, .integer = random_below(8) > 0 ? near : -near};
}

static struct value
random_value(int field, bool compares)
{
    if (field == FIELD_ID)
        return random_id();
    if (field == NAIVE_META || field == NAIVE_TYPE || random_below(compares ? 2 : 8) > 0)
        return naive_value(field, naive_random_number(field));
    /* An order with large integers would not be exact. */
    double number =
        field == NAIVE_POST || field == NAIVE_TAG_IDS ? 0 : (double)naive_random_number(field);
    return (struct value){.kind = VALUE_FLOAT, .real = number + 0.5};
}

static void
random_leaf(struct arena *arena, struct filter *filter)
{
    filter->kind = (enum filter_kind)random_below(FILTER_IS_NOT_NULL + 1);
    int field = (int)random_below(FILTER_FIELDS);
    bool compares = filter->kind >= FILTER_GT && filter->kind <= FILTER_LTE;
    while (compares && (field == NAIVE_META || field == NAIVE_TYPE))
        field = (int)random_below(FILTER_FIELDS);
    filter->field = field_text(field);
    if (filter->kind == FILTER_IS_NULL || filter->kind == FILTER_IS_NOT_NULL)
        return;
    bool list = filter->kind == FILTER_IN || filter->kind == FILTER_NOT_IN;
    filter->count = list ? (uint32_t)random_below(random_below(8) > 0 ? 4 : 40) : 1;
    struct value *values = arena_alloc(arena, filter->count * sizeof *values);
    for (uint32_t i = 0; i < filter->count; i++)
        values[i] = random_value(field, compares);
    filter->values = values;
}

static void
random_branch(struct arena *arena, int depth, struct filter *filter)
{
    filter->kind = (enum filter_kind)(FILTER_AND + random_below(3));
    filter->count = filter->kind == FILTER_NOT ? 1 : (uint32_t)random_below(4);
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
    if (depth > 0 && random_below(3) > 0)
        random_branch(arena, depth, filter);
    else
        random_leaf(arena, filter);
    return filter;
}

/* A double is exact here, because large integers are never compared with fractions. */
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
    if (field == FIELD_ID)
        return number_compares(row_entity((int)(row - rows)), filter->kind, filter->values);
    if (field != NAIVE_TAG_IDS)
        return row->has[field] && number_compares(row->values[field], filter->kind, filter->values);
    for (int tag = 0; tag < NAIVE_TAGS; tag++) {
        if (row->tags[tag] && number_compares(naive_tags[tag], filter->kind, filter->values))
            return true;
    }
    return false;
}

/* A string by its number, without regard to case. */
static bool
row_is_text(const struct naive_row *row, struct text text)
{
    int number = 0;
    while (!text_is(text, naive_strings[number]))
        number++;
    return row->has[NAIVE_TYPE] && naive_folded[row->values[NAIVE_TYPE]] == naive_folded[number];
}

static bool
row_is_value(const struct naive_row *row, int field, const struct value *value)
{
    if (value->kind == VALUE_STRING)
        return row_is_text(row, value->string);
    if (value->kind == VALUE_FLOAT)
        return value->real == (double)(int64_t)value->real &&
               naive_holds(row, field, (int64_t)value->real);
    int64_t number = value->kind == VALUE_BOOLEAN ? value->boolean : value->integer;
    return field == FIELD_ID ? row_entity((int)(row - rows)) == number
                             : naive_holds(row, field, number);
}

static bool
row_equals(const struct naive_row *row, int field, const struct filter *filter)
{
    for (uint32_t i = 0; i < filter->count; i++)
        if (row_is_value(row, field, &filter->values[i]))
            return true;
    return false;
}

static bool
row_has(const struct naive_row *row, int field)
{
    return field == FIELD_ID || naive_has(row, field);
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
        if (field_is_nullable(field) && filter->count > 0 && !row_has(row, field))
            return false;
        return !row_equals(row, field, filter);
    case FILTER_IS_NULL:
        return !row_has(row, field);
    case FILTER_IS_NOT_NULL:
        return row_has(row, field);
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

/* The order of a query's result, written independently of the engine. */
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
    int sort = 0;
    while (query->sort_field.bytes > 0 && !text_equal(query->sort_field, field_text(sort)))
        sort++;
    for (int i = 0; i < ROWS; i++) {
        if (!naive_is_visible(&rows[i], now_s) || !row_matches(&rows[i], query->filter))
            continue;
        struct engine_hit hit = {.entity_id = row_entity(i)};
        if (query->sort_field.bytes > 0 && (sort == FIELD_ID || rows[i].has[sort])) {
            hit.has_value = true;
            hit.value = sort == FIELD_ID ? hit.entity_id : rows[i].values[sort];
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

/* Reads all pages by cursor: every entity comes exactly once and in order. */
static void
check_pages(const struct engine *engine, struct engine_query query, const struct engine_hit *wanted,
            uint64_t total)
{
    struct engine_page_key key;
    struct engine_result result;
    struct error err;
    uint64_t seen = 0;
    query.offset = 0;
    query.limit = 1 + random_below(50) + total / PAGES_MAX;
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

/* A cursor between two entities, or at one that was deleted or does not match. */
static void
check_foreign_key(const struct engine *engine, struct engine_query query,
                  const struct engine_hit *wanted, uint64_t total)
{
    struct engine_result result;
    struct error err;
    struct engine_hit key = {.entity_id = row_entity((int)random_below(ROWS)) +
                                          (int64_t)random_below(5) - 2};
    if (text_is(query.sort_field, "id")) {
        key.has_value = true;
        key.value = key.entity_id;
    } else if (query.sort_field.bytes > 0 && random_below(3) > 0) {
        key.has_value = true;
        key.value = naive_random_number(random_below(2) == 0 ? NAIVE_RANK : NAIVE_PUBLISHED);
        key.value = random_below(4) > 0 ? key.value : INT64_MAX - 1;
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

static struct engine_query
random_query(struct arena *arena)
{
    static const char *const sorts[] = {"",       "rank",    "postId", "publishedAt",
                                        "sortAt", "firstAt", "id"};
    return (struct engine_query){
        .filter = random_filter(arena, FILTER_DEPTH),
        .sort_field = text_of(sorts[random_below(7)]),
        .direction = random_below(2) == 0 ? ENGINE_ASCENDING : ENGINE_DESCENDING,
        .limit = random_below(2) == 0 ? random_below(20) : random_below(2 * ROWS),
        .offset = random_below(30),
    };
}

/* Fills `wanted` and returns how many rows match. Called after the query, during which the rows may
 * change. */
static uint64_t
check_query(const struct engine *engine, const struct engine_query *query,
            struct engine_hit *wanted)
{
    struct engine_result result;
    struct error err;
    if (engine_query(engine, query, &result, &err) != 0)
        fail_msg("%s", err.message);
    uint64_t total = naive_query(query, wanted);
    uint64_t count = query->offset + query->limit < total ? query->offset + query->limit : total;
    assert_int_equal(result.total_matched, total);
    assert_int_equal(result.count, count);
    assert_hits(result.hits, wanted, count);
    engine_result_free(&result);
    return total;
}

static void
check_random_query(struct engine *engine, struct arena *arena)
{
    struct engine_hit wanted[ROWS];
    struct engine_query query = random_query(arena);
    uint64_t total = check_query(engine, &query, wanted);
    check_pages(engine, query, wanted, total);
    check_foreign_key(engine, query, wanted, total);
}

/* --- image ----------------------------------------------------------------------------------- */

/* Replaces the engine by one that is loaded from its image. */
static struct engine *
save_and_load(struct engine *engine)
{
    struct engine *loaded = fixture_engine();
    struct buffer bytes;
    struct error err;
    buffer_init(&bytes);
    fixture_save(engine, &bytes);
    if (fixture_load(loaded, (struct text){(const char *)bytes.data, bytes.bytes}, &err) != 0)
        fail_msg("%s", err.message);
    buffer_free(&bytes);
    engine_destroy(engine);
    engine_advance(loaded, now_s);
    check_entities(loaded);
    check_scan(loaded);
    return loaded;
}

/* --- the test -------------------------------------------------------------------------------- */

/* Applies the ops as the rows of a batch are applied. */
static void
apply_random_rows(struct engine *engine)
{
    struct naive_event event;
    engine_begin_rows(engine);
    for (uint64_t left = random_below(300); left > 0; left--) {
        naive_random_row(&event, ROWS);
        apply_event(engine, &event);
        if (random_below(100) == 0)
            engine_sweep(engine);
    }
    engine_end_rows(engine);
}

/* Computed fields and fields that the index lacks stay as they are. */
static void
clear_randomly(struct engine *engine)
{
    int field = (int)random_below(NAIVE_FIELDS_WRITTEN);
    const struct text names[] = {TEXT("unknown"), text_of(naive_field_names[field]),
                                 TEXT("sortAt")};
    engine_clear_fields(engine, names, 3);
    naive_clear_field(rows, ROWS, field);
}

static void
count_reject(void *context, const struct engine_reject *reject)
{
    uint32_t *count = context;
    assert_true(reject->reason[0] != '\0');
    (*count)++;
}

static void
apply_random_chunk(struct engine *engine)
{
    struct arena arena;
    struct naive_chunk random;
    struct error err;
    int64_t *entities;
    uint32_t rejected = 0;
    const struct engine_rejects rejects = {count_reject, &rejected};
    arena_init(&arena);
    entities = arena_alloc(&arena, ROWS * sizeof *entities);
    for (int row = 0; row < ROWS; row++)
        entities[row] = row_entity(row);
    naive_random_chunk(rows, entities, ROWS, &arena, &random);
    if (chunk_validate(&random.chunk, &err) != 0 ||
        engine_check_chunk(engine, &random.chunk, &err) != 0)
        fail_msg("%s", err.message);
    engine_prepare_chunk(engine, &random.chunk, &arena, &rejects);
    assert_int_equal(rejected, random.rejects);
    engine_apply_chunk(engine, &random.chunk, NULL);
    naive_apply_chunk(rows, ROWS, &random);
    unknown_ops += random.unknown_values;
    arena_free(&arena);
}

static void
apply_randomly(struct engine *engine)
{
    struct naive_event event;
    uint64_t choice = random_below(50);
    if (random_below(2000) == 0)
        clear_randomly(engine);
    if (random_below(1000) == 0)
        apply_random_chunk(engine);
    if (choice == 0)
        advance_randomly(engine);
    else if (choice == 1)
        apply_random_rows(engine);
    else if (choice == 2)
        naive_random_fan_out(&event);
    else
        naive_random_row(&event, ROWS);
    if (choice > 1)
        apply_event(engine, &event);
}

static int
change_in_pause(void *context, struct engine_watch *watch, struct error *err)
{
    struct engine *engine = context;
    (void)err;
    if (watch == NULL || random_below(2) == 0)
        return 0;
    engine_watch_begin(engine, watch);
    for (uint64_t i = 1 + random_below(30); i > 0; i--)
        apply_randomly(engine);
    engine_watch_end(engine, watch);
    return 0;
}

static void
check_query_with_pauses(struct engine *engine, struct arena *arena)
{
    struct engine_hit wanted[ROWS];
    struct engine_query query = random_query(arena);
    const struct engine_pause pause = {change_in_pause, engine};
    query.pause = &pause;
    check_query(engine, &query, wanted);
}

static struct engine *
engine_with_random_rows(void)
{
    struct engine *engine = fixture_engine();
    memset(rows, 0, sizeof rows);
    unknown_ops = 0;
    now_s = INT64_MIN;
    for (int i = 1; i <= OPS; i++) {
        apply_randomly(engine);
        if (i % (OPS / 4) == 0)
            check_entities(engine);
        if (i % (OPS / 20) == 0)
            check_scan(engine);
        if (i == OPS / 2)
            engine_optimize(engine);
        if (i == OPS / 2 || random_below(OPS / 4) == 0)
            engine = save_and_load(engine);
    }
    return engine;
}

static void
run_round(void check(struct engine *engine, struct arena *arena))
{
    struct engine *engine = engine_with_random_rows();
    struct arena arena;
    arena_init(&arena);
    for (int i = 0; i < QUERIES; i++) {
        if (i % 10 == 0)
            advance_randomly(engine);
        apply_randomly(engine);
        check(engine, &arena);
        arena_reset(&arena);
    }
    arena_free(&arena);
    engine_destroy(engine);
}

static void
run_rounds(void check(struct engine *engine, struct arena *arena))
{
    while (random_round(2))
        run_round(check);
}

static void
test_engine_does_what_a_naive_store_does(void **state)
{
    (void)state;
    run_rounds(check_random_query);
}

static void
test_F72_a_query_that_pauses_for_the_writer_answers_from_the_last_state(void **state)
{
    (void)state;
    run_rounds(check_query_with_pauses);
}

/* An engine with the fixture's fields and the opposite settings of queries. */
static struct engine *
engine_with_other_settings(void)
{
    static struct config_filter_field fields[16];
    static struct config_index index;
    struct engine *engine = NULL;
    struct error err;
    index = fixture_index;
    index.filter_fields = fields;
    for (uint32_t i = 0; i < index.filter_field_count; i++) {
        fields[i] = fixture_index.filter_fields[i];
        fields[i].is_nullable = !fields[i].is_nullable;
        fields[i].ignores_case = fields[i].type == FIELD_STRING && !fields[i].ignores_case;
    }
    const struct engine_options options = {&index, FIXTURE_PARTITION, FIXTURE_PARTITIONS,
                                           INT64_C(1) << 32};
    assert_int_equal(engine_create(&options, &engine, &err), 0);
    return engine;
}

/* Many of the strings are equal without case, so a fan-out that ignored case would show. */
static void
check_states_are_equal(void)
{
    struct engine *engines[2] = {fixture_engine(), engine_with_other_settings()};
    struct buffer images[2] = {{0}, {0}};
    for (int i = 0; i < OPS / 4; i++) {
        struct naive_event event;
        if (random_below(20) == 0)
            naive_random_fan_out(&event);
        else
            naive_random_row(&event, ROWS);
        for (int at = 0; at < 2; at++)
            apply_event(engines[at], &event);
    }
    for (int at = 0; at < 2; at++) {
        fixture_save(engines[at], &images[at]);
        engine_destroy(engines[at]);
    }
    assert_int_equal(images[0].bytes, images[1].bytes);
    assert_memory_equal(images[0].data, images[1].data, images[0].bytes);
    buffer_free(&images[0]);
    buffer_free(&images[1]);
}

static void
test_the_settings_of_queries_change_nothing_that_ops_and_fan_outs_do(void **state)
{
    (void)state;
    while (random_round(2))
        check_states_are_equal();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_settings_of_queries_change_nothing_that_ops_and_fan_outs_do),
        cmocka_unit_test(test_engine_does_what_a_naive_store_does),
        cmocka_unit_test(test_F72_a_query_that_pauses_for_the_writer_answers_from_the_last_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
