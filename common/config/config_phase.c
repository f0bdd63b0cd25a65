#include "common/config/config_phase.h"

#include <string.h>

#include "common/base/check.h"
#include "common/expression/expression_parse.h"
#include "common/expression/expression_types.h"

struct compiler {
    const struct config_index *index;
    struct arena *arena;
    struct phase_program *program;
    const expression_types *known; /* NULL: inferred */
    const void **refused;
    struct error *err;
};

static int
compile(const struct compiler *compiler, const char *const *text,
        const struct expression **expression)
{
    const struct config_dump_phase *phase = compiler->program->phase;
    *expression = NULL;
    if (*text == NULL)
        return 0;
    int rc = expression_parse(text_of(*text), phase->columns, phase->column_count, compiler->arena,
                              expression, compiler->err);
    if (rc == 0)
        return 0;
    *compiler->refused = text;
    compiler->err->code = ERR_USAGE;
    return ERR_USAGE;
}

/* What the index holds in a field. Without index_config the fields are unknown. */
static expression_types
field_types(const struct config_index *index, const char *name, bool *is_multi_value)
{
    static const expression_types types[] = {
        [FIELD_SINGLE_VALUE] = EXPRESSION_TYPE_INTEGER,
        [FIELD_MULTI_VALUE] = EXPRESSION_TYPE_INTEGER,
        [FIELD_BOOLEAN] = EXPRESSION_TYPE_BOOLEAN,
        [FIELD_STRING] = EXPRESSION_TYPE_STRING,
    };
    CHECK(name != NULL);
    *is_multi_value = false;
    for (uint32_t i = 0; i < index->filter_field_count; i++) {
        const struct config_filter_field *field = &index->filter_fields[i];
        if (strcmp(field->name, name) != 0)
            continue;
        *is_multi_value = field->type == FIELD_MULTI_VALUE;
        return types[field->type];
    }
    bool is_known = index->filter_field_count + index->sort_field_count > 0;
    return is_known ? EXPRESSION_TYPE_INTEGER : EXPRESSION_TYPE_ANY;
}

/* The place of a column; config_check() refuses names that are not in the list. */
static uint32_t
find_column(const struct config_dump_phase *phase, const char *name)
{
    uint32_t at = 0;
    while (at < phase->column_count && strcmp(phase->columns[at], name) != 0)
        at++;
    CHECK(at < phase->column_count);
    return at;
}

static struct phase_value *
add_value(const struct compiler *compiler, const char *target)
{
    struct phase_value *value = &compiler->program->values[compiler->program->value_count++];
    *value = (struct phase_value){.target = target};
    value->types = field_types(compiler->index, target, &value->is_multi_value);
    return value;
}

static int
add_computed(const struct compiler *compiler, const struct config_computed_field *field)
{
    struct phase_value *value = add_value(compiler, field->target);
    const struct expression *expression;
    int rc = compile(compiler, &field->expression, &expression);
    if (rc == 0)
        rc = compile(compiler, &field->filter, &value->filter);
    if (rc == 0)
        rc = compile(compiler, &field->value, &value->value);
    if (rc != 0)
        return rc;
    if (value->value != NULL)
        value->asserts = expression;
    else
        value->value = expression;
    CHECK(value->value != NULL); /* config_items.c */
    value->is_column = expression_is_column(value->value, &value->column);
    return 0;
}

static int
add_values(const struct compiler *compiler)
{
    const struct config_dump_phase *phase = compiler->program->phase;
    uint32_t count = phase->field_count + phase->computed_field_count;
    compiler->program->values =
        arena_alloc(compiler->arena, (count + 1) * sizeof *compiler->program->values);
    for (uint32_t i = 0; i < phase->field_count; i++) {
        struct phase_value *value = add_value(compiler, phase->fields[i].target);
        value->is_column = true;
        value->column = find_column(phase, phase->fields[i].column);
    }
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < phase->computed_field_count; i++)
        rc = add_computed(compiler, &phase->computed_fields[i]);
    CHECK(rc != 0 || compiler->program->value_count == count);
    return rc;
}

static int
infer(const struct compiler *compiler, const struct expression *expression, expression_types wanted,
      const void *setting, bool *changed)
{
    const struct config_dump_phase *phase = compiler->program->phase;
    struct expression_columns columns = {phase->columns, compiler->program->types,
                                         phase->column_count};
    if (expression == NULL)
        return 0;
    int rc = expression_infer(expression, wanted, &columns, changed, compiler->err);
    if (rc == 0)
        return 0;
    *compiler->refused = setting;
    compiler->err->code = ERR_USAGE;
    return ERR_USAGE;
}

/* A column that is loaded as it is has to be what the field holds. */
static int
narrow_column(const struct compiler *compiler, uint32_t column, expression_types wanted,
              const void *setting, bool *changed)
{
    expression_types is = compiler->program->types[column];
    expression_types narrowed = is & wanted;
    CHECK(column < compiler->program->phase->column_count);
    if (is == 0) /* from the catalogue: an array, say, which is converted when it is read */
        return 0;
    *changed = *changed || narrowed != is;
    compiler->program->types[column] = narrowed;
    if (narrowed != 0)
        return 0;
    *compiler->refused = setting;
    return error_set(compiler->err, ERR_USAGE, "column %s must be %s for this field, but it is %s",
                     compiler->program->phase->columns[column], expression_types_name(wanted),
                     expression_types_name(is));
}

/* A field of integers takes any number that turns out to be whole. */
static expression_types
result_types(const struct phase_value *value)
{
    bool may_be_float = value->types == EXPRESSION_TYPE_INTEGER && !value->is_column;
    return may_be_float ? EXPRESSION_TYPE_NUMBER : value->types;
}

static int
infer_value(const struct compiler *compiler, uint32_t at, bool *changed)
{
    const struct config_dump_phase *phase = compiler->program->phase;
    const struct phase_value *value = &compiler->program->values[at];
    if (at < phase->field_count)
        return narrow_column(compiler, value->column, value->types, &phase->fields[at].column,
                             changed);
    const struct config_computed_field *field = &phase->computed_fields[at - phase->field_count];
    const void *result = field->value != NULL ? &field->value : &field->expression;
    int rc = infer(compiler, value->filter, EXPRESSION_TYPE_BOOLEAN, &field->filter, changed);
    if (rc == 0)
        rc = infer(compiler, value->asserts, EXPRESSION_TYPE_BOOLEAN, &field->expression, changed);
    return rc == 0 ? infer(compiler, value->value, result_types(value), result, changed) : rc;
}

/* Until nothing changes: each round removes a kind from the types of a column, or is the last. */
static int
infer_types(const struct compiler *compiler)
{
    const struct phase_program *program = compiler->program;
    const struct config_dump_phase *phase = program->phase;
    bool changed = true;
    int rc = 0;
    while (rc == 0 && changed) {
        changed = false;
        rc = narrow_column(compiler, program->slot_column, EXPRESSION_TYPE_INTEGER,
                           &phase->slot_field, &changed);
        if (rc == 0)
            rc =
                infer(compiler, program->filter, EXPRESSION_TYPE_BOOLEAN, &phase->filter, &changed);
        for (uint32_t i = 0; rc == 0 && i < program->value_count; i++)
            rc = infer_value(compiler, i, &changed);
    }
    for (uint32_t i = 0; compiler->known == NULL && i < phase->column_count; i++)
        if (program->types[i] == EXPRESSION_TYPE_ANY)
            program->types[i] = EXPRESSION_TYPE_STRING;
    return rc;
}

int
config_phase_compile(const struct config *config, const struct config_dump_phase *phase,
                     const expression_types *known, struct arena *arena,
                     struct phase_program *program, const void **refused, struct error *err)
{
    const struct compiler compiler = {&config->index_config, arena, program, known, refused, err};
    CHECK(phase->column_count > 0); /* required */
    *program = (struct phase_program){.phase = phase};
    program->types = arena_alloc(arena, phase->column_count * sizeof *program->types);
    for (uint32_t i = 0; i < phase->column_count; i++)
        program->types[i] = known != NULL ? known[i] : EXPRESSION_TYPE_ANY;
    program->slot_column = find_column(phase, phase->slot_field);
    int rc = compile(&compiler, &phase->filter, &program->filter);
    if (rc == 0)
        rc = add_values(&compiler);
    return rc == 0 ? infer_types(&compiler) : rc;
}
