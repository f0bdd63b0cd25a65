/* The engine against a naive store of rows: random ops and fan-outs, now and then a restart from
 * its bytes; then every field of every entity, and random queries with their order, offset, limit
 * and cursor.
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

enum { ROWS = 3000, TAGS = 8, STRINGS = 6, OPS = 12000, QUERIES = 100, FILTER_DEPTH = 3 };
enum { TIMES = 40, PAGES_MAX = 30 };

/* In the fixture's order; the last two are computed. */
enum { LEVEL, POST, TAG_IDS, META, TYPE, SCORE, RANK, EXISTED, PUBLISHED, SORT_AT, FIRST_AT };
enum { FIELDS = FIRST_AT + 1, FIELDS_WRITTEN = PUBLISHED + 1 };
static const char *const field_names[FIELDS] = {"nsfwLevel",   "postId", "tagIds", "hasMeta",
                                                "type",        "score",  "rank",   "existedAt",
                                                "publishedAt", "sortAt", "firstAt"};
static const int64_t tag_values[TAGS] = {INT64_MIN,        -1,       0, 5, 300, 70000,
                                         INT64_C(1) << 40, INT64_MAX};
static const char *const strings[STRINGS] = {"", "SD 1.5", "SDXL", "123", "true", "é"};

/* Scalars are integers here: booleans 0 and 1, strings their place in `strings`. */
struct row {
    bool alive;
    bool has[FIELDS];
    int64_t values[FIELDS];
    bool tags[TAGS];
};

static struct row rows[ROWS];
static int64_t now_s;
static uint64_t random_state;

/* xorshift64* */
static uint64_t
random_below(uint64_t bound)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (random_state * UINT64_C(0x2545f4914f6cdd1d) >> 16) % bound;
}

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

static bool
row_has(const struct row *row, int field)
{
    bool any = row->has[field];
    for (int tag = 0; field == TAG_IDS && tag < TAGS; tag++)
        any |= row->tags[tag];
    return any;
}

/* Alive, and not hidden until a later time. */
static bool
row_is_visible(const struct row *row)
{
    return row->alive && (!row->has[PUBLISHED] || row->values[PUBLISHED] <= now_s);
}

static void
row_compute(struct row *row, int field, const int sources[2], bool greatest)
{
    row->has[field] = false;
    for (int i = 0; i < 2; i++) {
        int64_t value = row->values[sources[i]];
        if (!row->has[sources[i]] || (row->has[field] && (value > row->values[field]) != greatest))
            continue;
        row->has[field] = true;
        row->values[field] = value;
    }
}

static bool
row_holds(const struct row *row, int field, int64_t number)
{
    for (int tag = 0; field == TAG_IDS && tag < TAGS; tag++) {
        if (row->tags[tag] && tag_values[tag] == number)
            return true;
    }
    return row->has[field] && row->values[field] == number;
}

/* --- values ---------------------------------------------------------------------------------- */

static int64_t
random_number(int field)
{
    switch (field) {
    case LEVEL:
        return (int64_t)random_below(6) - 2;
    case POST:
        return random_below(8) > 0 ? (int64_t)random_below(20) : INT64_MAX;
    case TAG_IDS:
        return tag_values[random_below(TAGS)];
    case META:
        return (int64_t)random_below(2);
    case TYPE:
        return (int64_t)random_below(STRINGS);
    case RANK:
        return random_below(2) == 0 ? (int64_t)random_below(9) * 250 - FIXTURE_RANK_MAX + 23 : 7;
    default:
        if (random_below(10) == 0)
            return random_below(2) == 0 ? UINT32_MAX : -(int64_t)UINT32_MAX;
        return (int64_t)random_below(TIMES) - TIMES / 2;
    }
}

static struct value
value_of(int field, int64_t number)
{
    if (field == META)
        return (struct value){.kind = VALUE_BOOLEAN, .boolean = number != 0};
    if (field == TYPE)
        return (struct value){.kind = VALUE_STRING, .string = text_of(strings[number])};
    if (number > -1000000 && number < 1000000 && random_below(4) == 0)
        return (struct value){.kind = VALUE_FLOAT, .real = (double)number};
    return (struct value){.kind = VALUE_INTEGER, .integer = number};
}

/* --- ops ------------------------------------------------------------------------------------- */

/* One op and what it means to a row. */
struct random_op {
    struct op op;
    int field;
    int64_t numbers[TAGS];
    uint32_t count; /* of numbers; 0 with a null or an empty array */
};

static void
random_value_op(struct random_op *random)
{
    static const enum op_kind kinds[] = {OP_SET, OP_SET, OP_ADD, OP_REMOVE};
    random->field = (int)random_below(FIELDS_WRITTEN);
    random->op.kind = kinds[random_below(4)];
    random->op.field = text_of(field_names[random->field]);
    random->count = 1;
    for (int i = 0; i < TAGS; i++)
        random->numbers[i] = random_number(random->field);
    if (random_below(10) == 0) {
        random->op.value = (struct value){.kind = VALUE_NULL};
        random->count = 0;
    } else if (random->field == TAG_IDS && random_below(2) == 0) {
        random->count = (uint32_t)random_below(TAGS);
        random->op.value = (struct value){.kind = VALUE_INTEGERS};
        random->op.value.integers.items = random->numbers;
        random->op.value.integers.count = random->count;
    } else {
        random->op.value = value_of(random->field, random->numbers[0]);
    }
}

static void
random_op(struct random_op *random, bool nested)
{
    uint64_t choice = random_below(20);
    random->op = (struct op){.kind = OP_ALIVE};
    if (choice == 0)
        random->op.kind = OP_DELETE;
    else if (choice > 3 || nested)
        random_value_op(random);
}

static void
row_apply_tags(struct row *row, const struct random_op *random)
{
    const struct op *op = &random->op;
    if (op->kind == OP_SET && (op->value.kind == VALUE_NULL || op->value.kind == VALUE_INTEGERS))
        memset(row->tags, 0, sizeof row->tags);
    for (uint32_t i = 0; i < random->count; i++) {
        for (int tag = 0; tag < TAGS; tag++) {
            if (tag_values[tag] == random->numbers[i])
                row->tags[tag] = op->kind != OP_REMOVE;
        }
    }
}

static void
row_apply(struct row *row, const struct random_op *random)
{
    static const int sort_at_sources[] = {EXISTED, PUBLISHED};
    static const int first_at_sources[] = {EXISTED, SCORE};
    int field = random->field;
    if (random->op.kind == OP_ALIVE) {
        row->alive = true;
    } else if (random->op.kind == OP_DELETE) {
        *row = (struct row){0};
    } else if (field == TAG_IDS) {
        row_apply_tags(row, random);
    } else if (random->op.kind != OP_REMOVE) {
        row->has[field] = random->count > 0;
        row->values[field] = random->numbers[0];
    } else if (random->count > 0 && row->values[field] == random->numbers[0]) {
        row->has[field] = false;
    }
    row_compute(row, SORT_AT, sort_at_sources, true);
    row_compute(row, FIRST_AT, first_at_sources, false);
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
apply_random_row(struct engine *engine)
{
    struct random_op random[4];
    struct op items[4];
    struct ops ops = {items, 1 + (uint32_t)random_below(4)};
    int row = (int)random_below(ROWS);
    for (uint32_t i = 0; i < ops.count; i++) {
        random_op(&random[i], false);
        items[i] = random[i].op;
        row_apply(&rows[row], &random[i]);
    }
    check_ops(engine, &ops);
    engine_apply_row(engine, row_entity(row), &ops);
}

/* --- fan-outs -------------------------------------------------------------------------------- */

struct random_clause {
    int field;
    int64_t numbers[3];
    uint32_t count;
};

static void
clause_write_value(struct buffer *query, int field, int64_t number)
{
    if (field == META)
        buffer_append_text(query, number != 0 ? "true" : "false");
    else if (field == TYPE && (number == 0 || random_below(2) == 0))
        buffer_append_format(query, "\"%s\"", strings[number]);
    else if (field == TYPE)
        buffer_append_text(query, strings[number]);
    else
        buffer_append_format(query, random_below(4) == 0 ? "\"%lld\"" : "%lld", (long long)number);
}

static void
random_clause(struct random_clause *clause, struct buffer *query)
{
    clause->field = (int)random_below(FIELDS);
    bool in = random_below(2) == 0;
    clause->count = in ? (uint32_t)random_below(4) : 1;
    buffer_append_format(query, "%s %s ", field_names[clause->field], in ? "IN [" : "eq");
    for (uint32_t i = 0; i < clause->count; i++) {
        clause->numbers[i] = random_number(clause->field);
        buffer_append_text(query, i > 0 ? ", " : "");
        clause_write_value(query, clause->field, clause->numbers[i]);
    }
    buffer_append_text(query, in ? "]" : "");
}

static bool
row_matches_clause(const struct row *row, const struct random_clause *clause)
{
    for (uint32_t i = 0; i < clause->count; i++) {
        if (row_holds(row, clause->field, clause->numbers[i]))
            return true;
    }
    return false;
}

static void
apply_random_fan_out(struct engine *engine)
{
    struct random_clause clauses[3];
    struct random_op random[3];
    struct op nested[3];
    struct buffer query;
    uint32_t clause_count = 1 + (uint32_t)random_below(3);
    uint32_t nested_count = 1 + (uint32_t)random_below(3);
    buffer_init(&query);
    for (uint32_t i = 0; i < clause_count; i++) {
        buffer_append_text(&query, i > 0 ? " AND " : "");
        random_clause(&clauses[i], &query);
    }
    for (uint32_t i = 0; i < nested_count; i++) {
        random_op(&random[i], true);
        nested[i] = random[i].op;
    }
    for (int row = 0; row < ROWS; row++) {
        bool matches = true;
        for (uint32_t i = 0; i < clause_count; i++)
            matches &= row_matches_clause(&rows[row], &clauses[i]);
        for (uint32_t i = 0; matches && i < nested_count; i++)
            row_apply(&rows[row], &random[i]);
    }
    struct op fan_out = {.kind = OP_FAN_OUT,
                         .query = {(const char *)query.data, query.bytes},
                         .nested = nested,
                         .nested_count = nested_count};
    struct ops ops = {&fan_out, 1};
    check_ops(engine, &ops);
    engine_apply_fan_out(engine, &ops);
    buffer_free(&query);
}

/* --- time ------------------------------------------------------------------------------------ */

static void
advance_randomly(struct engine *engine)
{
    int64_t wanted_s = INT64_MAX, found_s;
    now_s = random_below(10) > 0 ? random_number(PUBLISHED) : INT64_MAX;
    engine_advance(engine, now_s);
    for (int row = 0; row < ROWS; row++) {
        if (rows[row].alive && !row_is_visible(&rows[row]) &&
            rows[row].values[PUBLISHED] < wanted_s)
            wanted_s = rows[row].values[PUBLISHED];
    }
    assert_int_equal(engine_next_activation(engine, &found_s), wanted_s < INT64_MAX);
    if (wanted_s < INT64_MAX)
        assert_int_equal(found_s, wanted_s);
}

/* --- entities -------------------------------------------------------------------------------- */

static void
row_write_field(const struct row *row, int field, struct buffer *out)
{
    int64_t number = row->values[field];
    if (field == TAG_IDS) {
        const char *before = "[";
        for (int tag = 0; tag < TAGS; tag++) {
            if (row->tags[tag])
                buffer_append_format(out, "%s%lld", before, (long long)tag_values[tag]);
            before = row->tags[tag] ? "," : before;
        }
        buffer_append_text(out, "]");
    } else if (field == META) {
        buffer_append_text(out, number != 0 ? "true" : "false");
    } else if (field == TYPE) {
        buffer_append_format(out, "\"%s\"", strings[number]);
    } else {
        buffer_append_format(out, "%lld", (long long)number);
    }
}

static void
check_entities(const struct engine *engine)
{
    struct buffer wanted, found;
    buffer_init(&wanted);
    buffer_init(&found);
    for (int row = 0; row < ROWS; row++) {
        buffer_clear(&wanted);
        buffer_append_text(&wanted, rows[row].alive ? "" : "!alive ");
        const char *before = "";
        for (int field = 0; field < FIELDS; field++) {
            if (!row_has(&rows[row], field))
                continue;
            buffer_append_format(&wanted, "%s\"%s\":", before, field_names[field]);
            row_write_field(&rows[row], field, &wanted);
            before = ",";
        }
        fixture_entity_text(engine, row_entity(row), &found);
        assert_string_equal(buffer_string(&found), buffer_string(&wanted));
        assert_int_equal(engine_is_visible(engine, row_entity(row)), row_is_visible(&rows[row]));
    }
    buffer_free(&wanted);
    buffer_free(&found);
}

/* Goes through the rows in step with a scan: they are in the order of their ids. */
struct scan_check {
    int next;
    uint32_t left; /* visits until it is enough */
};

static bool
row_is_there(const struct row *row)
{
    bool any = row->alive;
    for (int field = 0; field < FIELDS; field++)
        any |= row_has(row, field);
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
    assert_int_equal(entity->visible, row_is_visible(&rows[check->next]));
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
    assert_int_equal(
        engine_scan(engine, row_entity(first) - 2, row_entity(last) + 2, check_visit, &check), 0);
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

static int
filter_field(const struct filter *filter)
{
    int field = 0;
    while (!text_is(filter->field, field_names[field]))
        field++;
    return field;
}

static void
random_leaf(struct arena *arena, struct filter *filter)
{
    filter->kind = (enum filter_kind)random_below(FILTER_IS_NOT_NULL + 1);
    int field = (int)random_below(FIELDS);
    bool compares = filter->kind >= FILTER_GT && filter->kind <= FILTER_LTE;
    while (compares && (field == META || field == TYPE))
        field = (int)random_below(FIELDS);
    filter->field = text_of(field_names[field]);
    if (filter->kind == FILTER_IS_NULL || filter->kind == FILTER_IS_NOT_NULL)
        return;
    bool list = filter->kind == FILTER_IN || filter->kind == FILTER_NOT_IN;
    filter->count = list ? (uint32_t)random_below(4) : 1;
    struct value *values = arena_alloc(arena, filter->count * sizeof *values);
    for (uint32_t i = 0; i < filter->count; i++)
        values[i] = value_of(field, random_number(field));
    if (compares && field != POST && field != TAG_IDS && random_below(2) == 0)
        values[0] = (struct value){.kind = VALUE_FLOAT, .real = (double)random_number(field) + 0.5};
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
row_compares(const struct row *row, int field, const struct filter *filter)
{
    if (field != TAG_IDS)
        return row->has[field] && number_compares(row->values[field], filter->kind, filter->values);
    for (int tag = 0; tag < TAGS; tag++) {
        if (row->tags[tag] && number_compares(tag_values[tag], filter->kind, filter->values))
            return true;
    }
    return false;
}

static bool
row_equals(const struct row *row, int field, const struct filter *filter)
{
    for (uint32_t i = 0; i < filter->count; i++) {
        const struct value *value = &filter->values[i];
        int64_t number = value->kind == VALUE_FLOAT     ? (int64_t)value->real
                         : value->kind == VALUE_BOOLEAN ? value->boolean
                                                        : value->integer;
        for (int text = 0; value->kind == VALUE_STRING && text < STRINGS; text++)
            number = text_is(value->string, strings[text]) ? text : number;
        if (row_holds(row, field, number))
            return true;
    }
    return false;
}

static bool
row_matches_leaf(const struct row *row, const struct filter *filter)
{
    int field = filter_field(filter);
    switch (filter->kind) {
    case FILTER_EQ:
    case FILTER_IN:
        return row_equals(row, field, filter);
    case FILTER_NOT_EQ:
    case FILTER_NOT_IN:
        return row_has(row, field) && !row_equals(row, field, filter);
    case FILTER_IS_NULL:
        return !row_has(row, field);
    case FILTER_IS_NOT_NULL:
        return row_has(row, field);
    default:
        return row_compares(row, field, filter);
    }
}

static bool
row_matches(const struct row *row, const struct filter *filter)
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
    int sort = 0;
    while (query->sort_field.bytes > 0 && !text_is(query->sort_field, field_names[sort]))
        sort++;
    for (int i = 0; i < ROWS; i++) {
        if (!row_is_visible(&rows[i]) || !row_matches(&rows[i], query->filter))
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

/* A cursor that points between entities, or at one that is gone or does not match. */
static void
check_foreign_key(const struct engine *engine, struct engine_query query,
                  const struct engine_hit *wanted, uint64_t total)
{
    struct engine_result result;
    struct error err;
    struct engine_hit key = {.entity_id = row_entity((int)random_below(ROWS)) +
                                          (int64_t)random_below(5) - 2};
    if (query.sort_field.bytes > 0 && random_below(3) > 0) {
        key.has_value = true;
        key.value = random_number(random_below(2) == 0 ? RANK : PUBLISHED);
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

static void
check_random_query(const struct engine *engine, struct arena *arena)
{
    static const char *const sorts[] = {"", "rank", "postId", "publishedAt", "sortAt", "firstAt"};
    struct engine_hit wanted[ROWS];
    struct engine_result result;
    struct error err;
    struct engine_query query = {
        .filter = random_filter(arena, FILTER_DEPTH),
        .sort_field = text_of(sorts[random_below(6)]),
        .direction = random_below(2) == 0 ? ENGINE_ASCENDING : ENGINE_DESCENDING,
        .limit = random_below(2) == 0 ? random_below(20) : random_below(2 * ROWS),
        .offset = random_below(30),
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

/* --- as bytes -------------------------------------------------------------------------------- */

/* The rest of the round is for an engine that was made of the bytes of this one. */
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

static void
apply_randomly(struct engine *engine)
{
    uint64_t choice = random_below(50);
    if (choice == 0)
        apply_random_fan_out(engine);
    else if (choice == 1)
        advance_randomly(engine);
    else
        apply_random_row(engine);
}

static void
run_round(void)
{
    struct engine *engine = fixture_engine();
    struct arena arena;
    arena_init(&arena);
    memset(rows, 0, sizeof rows);
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
    for (int i = 0; i < QUERIES; i++) {
        if (i % 10 == 0)
            advance_randomly(engine);
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
        random_state = round * UINT64_C(0x9e3779b97f4a7c15) + 1;
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
