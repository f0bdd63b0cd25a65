#include "producer/load/load_phase.h"

#include <string.h>

#include "common/base/check.h"
#include "producer/load/phase_row.h"

/* What a column can be, as the catalogue says it. JSON of a plain type is a number, or the text of
 * a uuid. */
static expression_types
column_types(const struct entry_value *column)
{
    switch (column->wire) {
    case WIRE_INTEGER:
        return EXPRESSION_TYPE_INTEGER;
    case WIRE_BOOLEAN:
        return EXPRESSION_TYPE_BOOLEAN;
    case WIRE_TEXT:
        return EXPRESSION_TYPE_STRING;
    case WIRE_JSON:
        break;
    }
    return column->form == FORM_PLAIN ? EXPRESSION_TYPE_NUMBER | EXPRESSION_TYPE_STRING : 0;
}

static const char *
setting_name(const struct config_dump_phase *phase, const void *refused)
{
    if (refused == &phase->filter)
        return "filter";
    if (refused == &phase->slot_field)
        return "slot_field";
    for (uint32_t i = 0; i < phase->field_count; i++)
        if (refused == &phase->fields[i].column)
            return "fields";
    return "computed_fields";
}

static int
compile(struct arena *arena, const struct config *config, struct load_phase *phase,
        struct error *err)
{
    const struct config_dump_phase *source = phase->select.phase;
    const void *refused = NULL;
    struct error reason;
    expression_types *types = arena_alloc(arena, source->column_count * sizeof *types);
    for (uint32_t i = 0; i < source->column_count; i++)
        types[i] = column_types(&phase->select.columns[i]);
    int rc = config_phase_compile(config, source, types, arena, &phase->program, &refused, &reason);
    if (rc == 0)
        return 0;
    return phase_select_refuse(&phase->select, setting_name(source, refused), err, "%s",
                               reason.message);
}

static void
choose_columns(struct arena *arena, struct load_phase *phase)
{
    uint32_t count = phase->select.phase->column_count;
    bool *is_read = arena_alloc(arena, count * sizeof *is_read);
    uint32_t *columns = arena_alloc(arena, count * sizeof *columns);
    memset(is_read, 0, count * sizeof *is_read);
    phase_mark_columns(&phase->program, is_read);
    for (uint32_t i = 0; i < count; i++)
        if (is_read[i])
            columns[phase->column_count++] = i;
    phase->columns = columns;
    CHECK(phase->column_count > 0); /* the slot */
}

int
load_phase_read(struct pg *pg, struct arena *arena, const struct config *config, uint32_t index,
                struct load_phase *phase, struct error *err)
{
    *phase = (struct load_phase){0};
    int rc = phase_select_read(pg, arena, config, index, &phase->select, err);
    if (rc == 0)
        rc = compile(arena, config, phase, err);
    if (rc == 0)
        choose_columns(arena, phase);
    return rc;
}

struct expression_value
load_phase_operand(const struct value *value)
{
    switch (value->kind) {
    case VALUE_INTEGER:
        return (struct expression_value){EXPRESSION_INTEGER, .integer = value->integer};
    case VALUE_FLOAT:
        return (struct expression_value){EXPRESSION_FLOAT, .real = value->real};
    case VALUE_BOOLEAN:
        return (struct expression_value){EXPRESSION_BOOLEAN, .boolean = value->boolean};
    case VALUE_STRING:
        return (struct expression_value){EXPRESSION_STRING, .string = value->string};
    default:
        return (struct expression_value){.kind = EXPRESSION_NULL};
    }
}
