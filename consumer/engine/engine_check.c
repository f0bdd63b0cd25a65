/* Can an op be applied? The answer depends on the configuration alone, so it is known before the op
 * is durable. */
#include "consumer/engine/engine.h"

#include "common/base/check.h"
#include "consumer/engine/engine_internal.h"
#include "consumer/engine/resolve.h"
#include "consumer/engine/scalar.h"
#include "consumer/engine/unknown_field.h"

static int
check_array(const struct field *field, const struct value *value, struct error *err)
{
    CHECK(value->kind == VALUE_INTEGERS || value->kind == VALUE_STRINGS);
    if (field->type != FIELD_MULTI_VALUE)
        return error_set(err, ERR_DATA, "field \"%.*s\" takes one value, not an array",
                         TEXT_ARGS(field->name));
    if (value->kind == VALUE_STRINGS)
        return error_set(err, ERR_DATA, "field \"%.*s\" takes integers, not an array of strings",
                         TEXT_ARGS(field->name));
    return 0;
}

/* Removing a value beyond the bounds is allowed: no slot has it, so nothing changes. */
static int
check_bounds(const struct field *field, enum op_kind kind, int64_t number, struct error *err)
{
    CHECK(field->min <= field->max);
    if (kind == OP_REMOVE || (number >= field->min && number <= field->max))
        return 0;
    return error_set(err, ERR_DATA, "field \"%.*s\" holds %lld to %lld, not %lld",
                     TEXT_ARGS(field->name), (long long)field->min, (long long)field->max,
                     (long long)number);
}

static int
check_value_op(const struct engine *engine, const struct op *op, struct error *err)
{
    const struct field *field = engine_find_field(engine, op->field);
    const struct value *value = &op->value;
    CHECK(op->kind <= OP_ADD);
    if (field == NULL)
        return 0;
    if (field->computed_op != COMPUTED_NONE)
        return error_set(err, ERR_DATA, "field \"%.*s\" is computed and takes no ops",
                         TEXT_ARGS(op->field));
    if (value->kind == VALUE_NULL)
        return 0;
    if (value->kind == VALUE_INTEGERS || value->kind == VALUE_STRINGS)
        return check_array(field, value, err);
    struct scalar scalar;
    int rc = scalar_from_value(field, value, &scalar, err);
    return rc != 0 ? rc : check_bounds(field, op->kind, scalar.number, err);
}

int
engine_check_nested(const struct engine *engine, const struct op *op, struct error *err)
{
    switch (op->kind) {
    case OP_SET:
    case OP_REMOVE:
    case OP_ADD:
        return check_value_op(engine, op, err);
    case OP_DELETE:
        return 0;
    default:
        return error_set(err, ERR_DATA, "a fan-out cannot contain \"%s\"", op_kind_name(op->kind));
    }
}

int
engine_prepare_query(const struct engine *engine, struct op *op, struct arena *arena,
                     struct error *err)
{
    const struct filter *parsed;
    CHECK(op->kind == OP_FAN_OUT);
    int rc = filter_parse_query(op->query, arena, &parsed, err);
    if (rc == 0)
        rc = resolve_query(engine, parsed, arena, &op->filter, err);
    if (rc != 0)
        return error_wrap(err, rc, "fan-out query");
    CHECK(op->filter != NULL);
    return 0;
}

int
engine_prepare_fan_out(const struct engine *engine, struct op *op, struct arena *arena,
                       struct error *err)
{
    int rc = engine_prepare_query(engine, op, arena, err);
    for (uint32_t i = 0; rc == 0 && i < op->nested_count; i++)
        rc = engine_check_nested(engine, &op->nested[i], err);
    return rc;
}

static int
check_fan_out(const struct engine *engine, const struct op *op, struct error *err)
{
    struct op prepared = *op;
    CHECK(op->kind == OP_FAN_OUT);
    struct arena arena;
    arena_init(&arena);
    int rc = engine_prepare_fan_out(engine, &prepared, &arena, err);
    arena_free(&arena);
    return rc;
}

int
engine_check_op(const struct engine *engine, const struct op *op, struct error *err)
{
    CHECK(op->kind <= OP_FAN_OUT);
    if (op->kind == OP_FAN_OUT)
        return check_fan_out(engine, op, err);
    return op->kind == OP_ALIVE ? 0 : engine_check_nested(engine, op, err);
}

int
engine_check_names(const struct engine *engine, const struct op *op, struct error *err)
{
    CHECK(op->kind <= OP_FAN_OUT);
    int rc = 0;
    for (uint32_t i = 0; op->kind == OP_FAN_OUT && rc == 0 && i < op->nested_count; i++)
        rc = engine_check_names(engine, &op->nested[i], err);
    if (op->kind <= OP_ADD && engine_find_field(engine, op->field) == NULL)
        rc = unknown_field_refuse_op(engine, op->field, err);
    return rc;
}

bool
engine_replace_op(const struct engine *engine, struct op *op)
{
    if (op->kind != OP_SET && op->kind != OP_ADD)
        return false;
    const struct field *field = engine_find_field(engine, op->field);
    if (field == NULL || field->computed_op != COMPUTED_NONE ||
        (op->kind == OP_ADD && field->type == FIELD_MULTI_VALUE))
        return false;
    *op = (struct op){.kind = OP_SET, .field = op->field, .value = {.kind = VALUE_NULL}};
    CHECK(engine_check_op(engine, op, NULL) == 0);
    return true;
}
