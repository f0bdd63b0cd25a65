#include "producer/load/row_parser.h"

#include "common/base/check.h"
#include "common/config/config.h"
#include "producer/load/load_phase.h"
#include "producer/load/phase_row.h"
#include "producer/load/wire_value.h"
#include "producer/source/copy_binary.h"

static int
refuse_row(const struct row_parser *parser, struct error *err)
{
    return error_set(err, ERR_FATAL, "postgres: a row of table %s in a binary copy is invalid",
                     parser->source->entry->trigger->table);
}

/* A trigger function writes such a value as a list of one item. */
static bool
is_item(const struct entry *entry, const struct entry_value *value)
{
    return entry->trigger->kind != TRIGGER_JOIN && value->is_multi_value &&
           !entry_form_is_array(value->form) && value->form != FORM_JSON;
}

/* ERR_DATA: no event carries the value. */
static int
add_value(struct row_parser *parser, uint32_t index, int64_t id, struct text bytes,
          struct error *err)
{
    const struct load_source *source = parser->source;
    const struct entry_value *value = &source->entry->values[source->values[index]];
    struct value read;
    int rc = wire_value_read(value, bytes, parser->scratch, &read, err);
    if (rc == 0 && is_item(source->entry, value))
        rc = wire_value_check_item(&read, err);
    if (rc != 0)
        return rc;
    return chunk_builder_add_value(parser->builder, parser->fields[index], id, &read, err);
}

/* The values of most rows are integers. */
static int
parse_value(struct row_parser *parser, uint32_t index, int64_t id, struct text bytes,
            struct error *err)
{
    int64_t integer;
    const struct load_source *source = parser->source;
    const struct entry_value *value = &source->entry->values[source->values[index]];
    bool is_integer = value->wire == WIRE_INTEGER && value->json_guard == NULL;
    if (is_integer && copy_integer(bytes, &integer) && !wire_value_is_infinite(value, integer)) {
        chunk_builder_add_integer(parser->builder, parser->fields[index], id, integer);
        return 0;
    }
    struct error reason;
    int rc = add_value(parser, index, id, bytes, &reason);
    if (rc == ERR_DATA) {
        problem_list_add_value(parser->problems, id, source->entry->trigger->table, value->target,
                               reason.message);
        rc = 0;
    } else if (rc != 0) {
        error_set(err, rc, "%s", reason.message);
    }
    return rc;
}

/* Of consecutive rows of an entity without a slot, the first is reported. */
static void
refuse_id(struct row_parser *parser, int64_t id)
{
    if (parser->has_refused && parser->refused_id == id)
        return;
    parser->has_refused = true;
    parser->refused_id = id;
    problem_list_add_id(parser->problems, id, parser->source->entry->trigger->table);
}

static int
parse_values(struct row_parser *parser, struct copy_bytes *bytes, int64_t id, bool has_slot,
             struct error *err)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < parser->source->value_count; i++) {
        bool null;
        struct text field;
        if (!copy_take_field(bytes, &null, &field))
            return refuse_row(parser, err);
        if (has_slot && !null)
            rc = parse_value(parser, i, id, field, err);
    }
    return rc;
}

/* --- rows of a dump phase --- */

/* The row that is parsed, by column of the phase. */
struct phase_columns {
    struct value *values;
    struct expression_value *operands;
};

static int
parse_column(struct row_parser *parser, uint32_t column, int64_t id, struct text bytes,
             const struct phase_columns *columns, struct error *err)
{
    const struct entry_value *value = &parser->source->phase->select.columns[column];
    struct error reason;
    int rc = wire_value_read(value, bytes, parser->scratch, &columns->values[column], &reason);
    if (rc == 0)
        columns->operands[column] = load_phase_operand(&columns->values[column]);
    else if (rc != ERR_DATA)
        return error_set(err, rc, "%s", reason.message);
    else
        problem_list_add_value(parser->problems, id, parser->source->table, value->target,
                               reason.message);
    return 0;
}

static int
parse_columns(struct row_parser *parser, struct copy_bytes *bytes, int64_t id,
              const struct phase_columns *columns, struct error *err)
{
    const struct load_phase *phase = parser->source->phase;
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < phase->column_count; i++) {
        bool null;
        struct text field;
        if (!copy_take_field(bytes, &null, &field))
            return refuse_row(parser, err);
        if (!null)
            rc = parse_column(parser, phase->columns[i], id, field, columns, err);
    }
    return rc;
}

static struct value
as_value(const struct expression_value *found)
{
    switch (found->kind) {
    case EXPRESSION_BOOLEAN:
        return (struct value){.kind = VALUE_BOOLEAN, .boolean = found->boolean};
    case EXPRESSION_INTEGER:
        return (struct value){.kind = VALUE_INTEGER, .integer = found->integer};
    case EXPRESSION_FLOAT:
        return (struct value){.kind = VALUE_FLOAT, .real = found->real};
    case EXPRESSION_STRING:
        return (struct value){.kind = VALUE_STRING, .string = found->string};
    default:
        return (struct value){.kind = VALUE_NULL};
    }
}

/* A column with a list goes into the field as it is: expressions have no lists. */
static struct value
choose_value(const struct phase_value *value, uint32_t index, const struct phase_columns *columns,
             struct phase_row *row)
{
    const struct value *column = value->is_column ? &columns->values[value->column] : NULL;
    bool is_list =
        column != NULL && (column->kind == VALUE_INTEGERS || column->kind == VALUE_STRINGS);
    if (is_list && phase_value_applies(value, columns->operands, row))
        return *column;
    return as_value(&row->values[index]);
}

static void
add_phase_values(struct row_parser *parser, int64_t id, const struct phase_columns *columns,
                 struct phase_row *row)
{
    const struct load_source *source = parser->source;
    for (uint32_t i = 0; i < source->value_count; i++) {
        const struct phase_value *target = &source->phase->program.values[source->values[i]];
        struct value value = choose_value(target, source->values[i], columns, row);
        struct error reason;
        if (chunk_builder_add_value(parser->builder, parser->fields[i], id, &value, &reason) != 0)
            problem_list_add_value(parser->problems, id, source->table, target->target,
                                   reason.message);
    }
}

static void
add_phase_problems(struct row_parser *parser, int64_t id, const struct phase_row *row)
{
    CHECK(row->problem_count <= PHASE_PROBLEMS_MAX);
    for (uint32_t i = 0; i < row->problem_count; i++)
        problem_list_add_value(parser->problems, id, parser->source->table,
                               row->problems[i].target != NULL ? row->problems[i].target : "",
                               row->problems[i].reason);
}

/* `*is_row`: the filter of the phase keeps the row. */
static int
parse_phase_row(struct row_parser *parser, struct copy_bytes *bytes, int64_t id, bool has_slot,
                bool *is_row, struct error *err)
{
    const struct phase_program *program = &parser->source->phase->program;
    uint32_t count = program->phase->column_count;
    struct arena *arena = parser->scratch;
    struct phase_columns columns = {
        .values = arena_alloc(arena, count * sizeof *columns.values),
        .operands = arena_alloc(arena, count * sizeof *columns.operands),
    };
    struct phase_row row = {
        .values = arena_alloc(arena, (program->value_count + 1) * sizeof *row.values)};
    for (uint32_t i = 0; i < count; i++) {
        columns.values[i] = (struct value){.kind = VALUE_NULL};
        columns.operands[i] = (struct expression_value){.kind = EXPRESSION_NULL};
    }
    int rc = parse_columns(parser, bytes, id, &columns, err);
    if (rc != 0)
        return rc;
    phase_evaluate(program, columns.operands, &row);
    *is_row = row.is_kept;
    if (has_slot && row.is_kept)
        add_phase_values(parser, id, &columns, &row);
    if (has_slot)
        add_phase_problems(parser, id, &row);
    return 0;
}

static int
parse_row(struct row_parser *parser, struct copy_bytes *bytes, struct error *err)
{
    bool null;
    int64_t id;
    struct text field;
    if (!copy_take_field(bytes, &null, &field) || null || !copy_integer(field, &id))
        return refuse_row(parser, err);
    bool has_slot = chunk_builder_has_slot(parser->builder, id);
    bool is_row = true;
    int rc = parser->source->phase != NULL
                 ? parse_phase_row(parser, bytes, id, has_slot, &is_row, err)
                 : parse_values(parser, bytes, id, has_slot, err);
    if (!has_slot) {
        refuse_id(parser, id);
    } else if (is_row && parser->states_alive) {
        chunk_builder_add_alive(parser->builder, id);
        parser->counts->values++;
    }
    parser->counts->rows++;
    parser->last_id = id > parser->last_id ? id : parser->last_id;
    if (parser->scratch->used_bytes > 0)
        arena_reset(parser->scratch);
    return rc;
}

/* A row, or the end of the copy. */
static int
parse_next(struct row_parser *parser, struct copy_bytes *bytes, struct error *err)
{
    int16_t columns;
    if (parser->is_complete || !copy_take_int16(bytes, &columns))
        return refuse_row(parser, err);
    parser->is_complete = columns == COPY_TRAILER;
    if (parser->is_complete)
        return 0;
    const struct load_phase *phase = parser->source->phase;
    uint32_t values = phase != NULL ? phase->column_count : parser->source->value_count;
    if (columns != (int16_t)(values + 1))
        return refuse_row(parser, err);
    return parse_row(parser, bytes, err);
}

int
row_parser_feed(struct row_parser *parser, struct text bytes, struct error *err)
{
    const uint8_t *begin = (const uint8_t *)bytes.data;
    struct copy_bytes rest = {begin, begin + bytes.bytes};
    uint64_t before = chunk_builder_values(parser->builder);
    int rc = 0;
    if (!parser->has_header && bytes.bytes > 0) {
        rc = copy_take_header(&rest, err);
        parser->has_header = rc == 0;
    }
    while (rc == 0 && rest.at < rest.end)
        rc = parse_next(parser, &rest, err);
    parser->counts->values += chunk_builder_values(parser->builder) - before;
    return rc;
}
