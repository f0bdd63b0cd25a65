#include "tests/unit/naive_rows.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/engine_fixture.h"
#include "tests/unit/random_input.h"

const char *const naive_field_names[] = {"nsfwLevel",   "postId", "tagIds",  "hasMeta",
                                         "type",        "score",  "rank",    "existedAt",
                                         "publishedAt", "sortAt", "firstAt", "unknown"};
const int64_t naive_tags[] = {INT64_MIN, -1, 0, 5, 300, 70000, INT64_C(1) << 40, INT64_MAX};
const char *const naive_strings[] = {"",     "SD 1.5", "SDXL", "123", "true", "é",
                                     "sdxl", "É",      "sdXl", "ß",   "ẞ",    "ss"};
const int naive_folded[] = {0, 1, 2, 3, 4, 5, 2, 5, 2, 9, 9, 11};
uint64_t naive_values_limit = UINT64_MAX;

bool
naive_has(const struct naive_row *row, int field)
{
    bool any = row->has[field];
    for (int tag = 0; field == NAIVE_TAG_IDS && tag < NAIVE_TAGS; tag++)
        any |= row->tags[tag];
    return any;
}

bool
naive_holds(const struct naive_row *row, int field, int64_t number)
{
    for (int tag = 0; field == NAIVE_TAG_IDS && tag < NAIVE_TAGS; tag++) {
        if (row->tags[tag] && naive_tags[tag] == number)
            return true;
    }
    return row->has[field] && row->values[field] == number;
}

bool
naive_is_visible(const struct naive_row *row, int64_t now_s)
{
    return row->alive && (!row->has[NAIVE_PUBLISHED] || row->values[NAIVE_PUBLISHED] <= now_s);
}

/* --- values ---------------------------------------------------------------------------------- */

/* The n-th value of a field; some values are more frequent than others. */
static int64_t
field_number(int field, int64_t nth)
{
    switch (field) {
    case NAIVE_LEVEL:
        return nth - 2;
    case NAIVE_POST:
        return nth < 20 ? nth : INT64_MAX;
    case NAIVE_TAG_IDS:
        return naive_tags[nth];
    case NAIVE_RANK:
        return nth < 9 ? nth * 250 - FIXTURE_RANK_MAX + 23 : 7;
    case NAIVE_META:
    case NAIVE_TYPE:
        return nth;
    default:
        return nth < 40 ? nth - 20 : nth < 42 ? UINT32_MAX : -(int64_t)UINT32_MAX;
    }
}

int64_t
naive_random_number(int field)
{
    static const uint64_t numbers[NAIVE_FIELDS + 1] = {
        6, 23, NAIVE_TAGS, 2, NAIVE_STRINGS, 44, 18, 44, 44, 44, 44, 44};
    uint64_t limit = numbers[field] < naive_values_limit ? numbers[field] : naive_values_limit;
    return field_number(field, (int64_t)random_below(limit));
}

struct value
naive_value(int field, int64_t number)
{
    if (field == NAIVE_META)
        return (struct value){.kind = VALUE_BOOLEAN, .boolean = number != 0};
    if (field == NAIVE_TYPE)
        return (struct value){.kind = VALUE_STRING, .string = text_of(naive_strings[number])};
    if (number > -1000000 && number < 1000000 && random_below(4) == 0)
        return (struct value){.kind = VALUE_FLOAT, .real = (double)number};
    return (struct value){.kind = VALUE_INTEGER, .integer = number};
}

/* --- the effect of ops ---------------------------------------------------------------------- */

static void
row_apply_tags(struct naive_row *row, const struct naive_op *random)
{
    const struct op *op = &random->op;
    if (op->kind == OP_SET && (op->value.kind == VALUE_NULL || op->value.kind == VALUE_INTEGERS))
        memset(row->tags, 0, sizeof row->tags);
    for (uint32_t i = 0; i < random->count; i++) {
        for (int tag = 0; tag < NAIVE_TAGS; tag++) {
            if (naive_tags[tag] == random->numbers[i])
                row->tags[tag] = op->kind != OP_REMOVE;
        }
    }
}

static void
row_compute(struct naive_row *row, int field, const int sources[2], bool greatest)
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

void
naive_compute(struct naive_row *row)
{
    static const int sort_at_sources[] = {NAIVE_EXISTED, NAIVE_PUBLISHED};
    static const int first_at_sources[] = {NAIVE_EXISTED, NAIVE_SCORE};
    row_compute(row, NAIVE_SORT_AT, sort_at_sources, true);
    row_compute(row, NAIVE_FIRST_AT, first_at_sources, false);
}

static void
row_apply(struct naive_row *row, const struct naive_op *random)
{
    int field = random->field;
    if (random->op.kind == OP_ALIVE) {
        row->alive = true;
    } else if (random->op.kind == OP_DELETE) {
        *row = (struct naive_row){0};
    } else if (field == NAIVE_UNKNOWN) {
        return;
    } else if (field == NAIVE_TAG_IDS) {
        row_apply_tags(row, random);
    } else if (random->op.kind != OP_REMOVE) {
        row->has[field] = random->count > 0;
        row->values[field] = random->numbers[0];
    } else if (random->count > 0 && row->values[field] == random->numbers[0]) {
        row->has[field] = false;
    }
    naive_compute(row);
}

static bool
row_matches_clause(const struct naive_row *row, const struct naive_clause *clause)
{
    for (uint32_t i = 0; i < clause->count; i++) {
        if (naive_holds(row, clause->field, clause->numbers[i]))
            return true;
    }
    return false;
}

static void
row_apply_all(struct naive_row *row, const struct naive_event *event)
{
    for (uint32_t i = 0; i < event->op_count; i++)
        row_apply(row, &event->ops[i]);
}

void
naive_apply(struct naive_row *rows, int row_count, const struct naive_event *event)
{
    if (event->row >= 0)
        row_apply_all(&rows[event->row], event);
    for (int row = 0; event->row < 0 && row < row_count; row++) {
        bool matches = true;
        for (uint32_t i = 0; i < event->clause_count; i++)
            matches &= row_matches_clause(&rows[row], &event->clauses[i]);
        if (matches)
            row_apply_all(&rows[row], event);
    }
}

static void
row_clear_field(struct naive_row *row, int field)
{
    row->has[field] = false;
    if (field == NAIVE_TAG_IDS)
        memset(row->tags, 0, sizeof row->tags);
}

void
naive_clear_field(struct naive_row *rows, int row_count, int field)
{
    for (int row = 0; row < row_count; row++) {
        row_clear_field(&rows[row], field);
        naive_compute(&rows[row]);
    }
}

void
naive_event_ops(const struct naive_event *event, struct naive_ops *ops)
{
    for (uint32_t i = 0; i < event->op_count; i++) {
        struct op *op = &ops->items[i];
        *op = event->ops[i].op;
        if (op->value.kind == VALUE_INTEGERS) {
            op->value.integers.items = event->ops[i].numbers;
            op->value.integers.count = event->ops[i].count;
        }
    }
    ops->fan_out = (struct op){.kind = OP_FAN_OUT,
                               .query = text_of(event->query),
                               .nested = ops->items,
                               .nested_count = event->op_count};
    ops->ops =
        event->row < 0 ? (struct ops){&ops->fan_out, 1} : (struct ops){ops->items, event->op_count};
}

static void
row_write_field(const struct naive_row *row, int field, struct buffer *out)
{
    int64_t number = row->values[field];
    if (field == NAIVE_TAG_IDS) {
        const char *before = "[";
        for (int tag = 0; tag < NAIVE_TAGS; tag++) {
            if (row->tags[tag])
                buffer_append_format(out, "%s%lld", before, (long long)naive_tags[tag]);
            before = row->tags[tag] ? "," : before;
        }
        buffer_append_text(out, "]");
    } else if (field == NAIVE_META) {
        buffer_append_text(out, number != 0 ? "true" : "false");
    } else if (field == NAIVE_TYPE) {
        buffer_append_format(out, "\"%s\"", naive_strings[number]);
    } else {
        buffer_append_format(out, "%lld", (long long)number);
    }
}

const char *
naive_text(const struct naive_row *row, struct buffer *out)
{
    const char *before = "";
    buffer_clear(out);
    buffer_append_text(out, row->alive ? "" : "!alive ");
    for (int field = 0; field < NAIVE_FIELDS; field++) {
        if (!naive_has(row, field))
            continue;
        buffer_append_format(out, "%s\"%s\":", before, naive_field_names[field]);
        row_write_field(row, field, out);
        before = ",";
    }
    return buffer_string(out);
}

/* --- random events --------------------------------------------------------------------------- */

static void
random_value_op(struct naive_op *random)
{
    static const enum op_kind kinds[] = {OP_SET, OP_SET, OP_ADD, OP_REMOVE};
    random->field = random_below(20) == 0 ? NAIVE_UNKNOWN : (int)random_below(NAIVE_FIELDS_WRITTEN);
    random->op.kind = kinds[random_below(4)];
    random->op.field = text_of(naive_field_names[random->field]);
    random->count = 1;
    for (int i = 0; i < NAIVE_TAGS; i++)
        random->numbers[i] = naive_random_number(random->field);
    if (random_below(10) == 0) {
        random->op.value = (struct value){.kind = VALUE_NULL};
        random->count = 0;
    } else if (random->field == NAIVE_TAG_IDS && random_below(2) == 0) {
        random->count = (uint32_t)random_below(NAIVE_TAGS);
        random->op.value = (struct value){.kind = VALUE_INTEGERS};
    } else {
        random->op.value = naive_value(random->field, random->numbers[0]);
    }
}

static void
random_op(struct naive_op *random, bool nested)
{
    uint64_t choice = random_below(20);
    random->op = (struct op){.kind = OP_ALIVE};
    random->field = -1;
    if (choice == 0)
        random->op.kind = OP_DELETE;
    else if (choice > 3 || nested)
        random_value_op(random);
}

void
naive_random_row(struct naive_event *event, int row_count)
{
    event->row = (int)random_below((uint64_t)row_count);
    event->op_count = 1 + (uint32_t)random_below(NAIVE_OPS_MAX);
    for (uint32_t i = 0; i < event->op_count; i++)
        random_op(&event->ops[i], false);
}

static void
clause_write_value(struct buffer *query, int field, int64_t number)
{
    if (field == NAIVE_META)
        buffer_append_text(query, number != 0 ? "true" : "false");
    else if (field == NAIVE_TYPE && (number == 0 || random_below(2) == 0))
        buffer_append_format(query, "\"%s\"", naive_strings[number]);
    else if (field == NAIVE_TYPE)
        buffer_append_text(query, naive_strings[number]);
    else
        buffer_append_format(query, random_below(4) == 0 ? "\"%lld\"" : "%lld", (long long)number);
}

static void
random_clause(struct naive_clause *clause, struct buffer *query)
{
    clause->field = (int)random_below(NAIVE_FIELDS);
    bool in = random_below(2) == 0;
    clause->count = in ? (uint32_t)random_below(4) : 1;
    buffer_append_format(query, "%s %s ", naive_field_names[clause->field], in ? "IN [" : "eq");
    for (uint32_t i = 0; i < clause->count; i++) {
        clause->numbers[i] = naive_random_number(clause->field);
        buffer_append_text(query, i > 0 ? ", " : "");
        clause_write_value(query, clause->field, clause->numbers[i]);
    }
    buffer_append_text(query, in ? "]" : "");
}

void
naive_random_fan_out(struct naive_event *event)
{
    struct buffer query;
    buffer_init(&query);
    event->row = -1;
    event->clause_count = 1 + (uint32_t)random_below(NAIVE_CLAUSES_MAX);
    event->op_count = 1 + (uint32_t)random_below(NAIVE_OPS_MAX);
    for (uint32_t i = 0; i < event->clause_count; i++) {
        buffer_append_text(&query, i > 0 ? " AND " : "");
        random_clause(&event->clauses[i], &query);
    }
    for (uint32_t i = 0; i < event->op_count; i++)
        random_op(&event->ops[i], true);
    snprintf(event->query, sizeof event->query, "%s", buffer_string(&query));
    buffer_free(&query);
}
