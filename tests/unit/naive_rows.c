#include "tests/unit/naive_rows.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/engine_fixture.h"

const char *const naive_field_names[] = {"nsfwLevel", "postId", "tagIds", "hasMeta",
                                         "type",      "rank",   "unknown"};
const char *const naive_strings[] = {"", "SD 1.5", "SDXL", "123", "true", "é"};
int64_t naive_values_limit = INT64_MAX;

static uint64_t random_state;

void
naive_random_seed(uint64_t seed)
{
    random_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

/* xorshift64* */
uint64_t
naive_random_below(uint64_t bound)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (random_state * UINT64_C(0x2545f4914f6cdd1d) >> 16) % bound;
}

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
    if (field == NAIVE_TAG_IDS)
        return number >= 0 && number < NAIVE_TAGS && row->tags[number];
    return row->has[field] && row->values[field] == number;
}

/* --- values ---------------------------------------------------------------------------------- */

/* How many values the field takes. */
static uint64_t
field_values(int field)
{
    static const int64_t all[] = {6, 21, NAIVE_TAGS, 2, NAIVE_STRINGS, 9, 5};
    return (uint64_t)(all[field] < naive_values_limit ? all[field] : naive_values_limit);
}

int64_t
naive_random_number(int field)
{
    int64_t nth = (int64_t)naive_random_below(field_values(field));
    switch (field) {
    case NAIVE_LEVEL:
        return nth - 2;
    case NAIVE_POST:
        return nth < 20 ? nth : INT64_MAX;
    case NAIVE_RANK:
        return nth * 250 - FIXTURE_RANK_MAX + 23;
    default:
        return nth;
    }
}

struct value
naive_value(int field, int64_t number)
{
    if (field == NAIVE_META)
        return (struct value){.kind = VALUE_BOOLEAN, .boolean = number != 0};
    if (field == NAIVE_TYPE)
        return (struct value){.kind = VALUE_STRING, .string = text_of(naive_strings[number])};
    if (field != NAIVE_POST && naive_random_below(4) == 0)
        return (struct value){.kind = VALUE_FLOAT, .real = (double)number};
    return (struct value){.kind = VALUE_INTEGER, .integer = number};
}

/* --- what ops mean -------------------------------------------------------------------------- */

static void
row_apply_tags(struct naive_row *row, const struct naive_op *random)
{
    const struct op *op = &random->op;
    if (op->kind == OP_SET && (op->value.kind == VALUE_NULL || op->value.kind == VALUE_INTEGERS))
        memset(row->tags, 0, sizeof row->tags);
    for (uint32_t i = 0; i < random->count; i++)
        row->tags[random->numbers[i]] = op->kind != OP_REMOVE;
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

void
naive_apply(struct naive_row *rows, int row_count, const struct naive_event *event)
{
    for (int row = 0; row < row_count; row++) {
        bool matches = event->row < 0 || event->row == row;
        for (uint32_t i = 0; event->row < 0 && i < event->clause_count; i++)
            matches &= row_matches_clause(&rows[row], &event->clauses[i]);
        for (uint32_t i = 0; matches && i < event->op_count; i++)
            row_apply(&rows[row], &event->ops[i]);
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
                buffer_append_format(out, "%s%d", before, tag);
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
    random->field =
        naive_random_below(20) == 0 ? NAIVE_UNKNOWN : (int)naive_random_below(NAIVE_FIELDS);
    random->op.kind = kinds[naive_random_below(4)];
    random->op.field = text_of(naive_field_names[random->field]);
    random->count = 1;
    for (int i = 0; i < NAIVE_TAGS; i++)
        random->numbers[i] = naive_random_number(random->field);
    if (naive_random_below(10) == 0) {
        random->op.value = (struct value){.kind = VALUE_NULL};
        random->count = 0;
    } else if (random->field == NAIVE_TAG_IDS && naive_random_below(2) == 0) {
        random->count = (uint32_t)naive_random_below(NAIVE_TAGS);
        random->op.value = (struct value){.kind = VALUE_INTEGERS};
    } else {
        random->op.value = naive_value(random->field, random->numbers[0]);
    }
}

static void
random_op(struct naive_op *random, bool nested)
{
    uint64_t choice = naive_random_below(20);
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
    event->row = (int)naive_random_below((uint64_t)row_count);
    event->op_count = 1 + (uint32_t)naive_random_below(NAIVE_OPS_MAX);
    for (uint32_t i = 0; i < event->op_count; i++)
        random_op(&event->ops[i], false);
}

static void
clause_write_value(struct buffer *query, int field, int64_t number)
{
    if (field == NAIVE_META)
        buffer_append_text(query, number != 0 ? "true" : "false");
    else if (field == NAIVE_TYPE && (number == 0 || naive_random_below(2) == 0))
        buffer_append_format(query, "\"%s\"", naive_strings[number]);
    else if (field == NAIVE_TYPE)
        buffer_append_text(query, naive_strings[number]);
    else
        buffer_append_format(query, naive_random_below(4) == 0 ? "\"%lld\"" : "%lld",
                             (long long)number);
}

static void
random_clause(struct naive_clause *clause, struct buffer *query)
{
    clause->field = (int)naive_random_below(NAIVE_FIELDS);
    bool in = naive_random_below(2) == 0;
    clause->count = in ? (uint32_t)naive_random_below(4) : 1;
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
    event->clause_count = 1 + (uint32_t)naive_random_below(NAIVE_CLAUSES_MAX);
    event->op_count = 1 + (uint32_t)naive_random_below(NAIVE_OPS_MAX);
    for (uint32_t i = 0; i < event->clause_count; i++) {
        buffer_append_text(&query, i > 0 ? " AND " : "");
        random_clause(&event->clauses[i], &query);
    }
    for (uint32_t i = 0; i < event->op_count; i++)
        random_op(&event->ops[i], true);
    snprintf(event->query, sizeof event->query, "%s", buffer_string(&query));
    buffer_free(&query);
}
