/* Ops into state. They passed engine_check_op(), so nothing here fails. */
#include "consumer/engine/engine.h"

#include "common/base/check.h"
#include "consumer/engine/engine_internal.h"
#include "consumer/engine/matcher.h"

static void
apply_scalar(struct field *field, uint32_t slot, const struct op *op)
{
    bool removes = op->kind == OP_REMOVE;
    if (op->value.kind == VALUE_NULL) {
        if (!removes)
            field_clear(field, slot);
        return;
    }
    struct scalar scalar;
    CHECK(scalar_from_value(field, &op->value, &scalar, NULL) == 0);
    if (!removes) {
        field_set(field, slot, field_make_key(field, &scalar));
        return;
    }
    int64_t key, old;
    if (field_find_key(field, &scalar, &key) && field_get(field, slot, &old) && old == key)
        field_clear(field, slot);
}

static void
apply_multi(struct field *field, uint32_t slot, const struct op *op)
{
    const struct value *value = &op->value;
    bool array = value->kind == VALUE_INTEGERS;
    if (op->kind == OP_SET && (array || value->kind == VALUE_NULL))
        field_clear(field, slot);
    if (value->kind == VALUE_NULL)
        return;
    struct scalar one = {0};
    if (!array)
        CHECK(scalar_from_value(field, value, &one, NULL) == 0);
    uint32_t count = array ? value->integers.count : 1;
    const int64_t *items = array ? value->integers.items : &one.number;
    for (uint32_t i = 0; i < count; i++) {
        if (op->kind == OP_REMOVE)
            field_remove(field, slot, items[i]);
        else
            field_add(field, slot, items[i]);
    }
}

static void
apply_value(struct field *field, uint32_t slot, const struct op *op)
{
    if (field->type == FIELD_MULTI_VALUE)
        apply_multi(field, slot, op);
    else
        apply_scalar(field, slot, op);
}

static void
apply_delete(struct engine *engine, uint32_t slot)
{
    for (uint32_t i = 0; i < engine->field_count; i++)
        field_clear(&engine->fields[i], slot);
    roaring_bitmap_remove(engine->alive, slot);
}

/* The field of a set, remove or add; NULL, counted, when the index does not have it. */
static struct field *
apply_find_field(struct engine *engine, const struct op *op)
{
    struct field *field = engine_find_field(engine, op->field);
    if (field == NULL)
        engine->unknown_field_ops++;
    return field;
}

static void
apply_slot_op(struct engine *engine, uint32_t slot, const struct op *op)
{
    CHECK(op->kind != OP_FAN_OUT);
    if (op->kind == OP_ALIVE) {
        roaring_bitmap_add(engine->alive, slot);
    } else if (op->kind == OP_DELETE) {
        apply_delete(engine, slot);
    } else {
        struct field *field = apply_find_field(engine, op);
        if (field != NULL)
            apply_value(field, slot, op);
    }
}

void
engine_apply_row(struct engine *engine, int64_t entity_id, const struct ops *ops)
{
    uint32_t slot;
    CHECK(engine_slot_of(engine, entity_id, &slot));
    for (uint32_t i = 0; i < ops->count; i++)
        apply_slot_op(engine, slot, &ops->items[i]);
}

static void
apply_nested(struct engine *engine, const roaring_bitmap_t *slots, const struct op *op)
{
    struct field *field = op->kind == OP_DELETE ? NULL : apply_find_field(engine, op);
    if (field == NULL && op->kind != OP_DELETE)
        return;
    roaring_uint32_iterator_t at;
    roaring_init_iterator(slots, &at);
    for (; at.has_value; roaring_advance_uint32_iterator(&at)) {
        if (field != NULL)
            apply_value(field, at.current_value, op);
        else
            apply_delete(engine, at.current_value);
    }
}

static void
apply_one_fan_out(struct engine *engine, const struct op *op)
{
    struct matcher matcher = {.engine = engine, .untyped = true};
    const struct filter *filter;
    CHECK(op->kind == OP_FAN_OUT);
    CHECK(filter_parse_query(op->query, &engine->scratch, &filter, NULL) == 0);
    roaring_bitmap_t *slots = matcher_match(&matcher, filter, NULL);
    for (uint32_t i = 0; i < op->nested_count; i++)
        apply_nested(engine, slots, &op->nested[i]);
    roaring_bitmap_free(slots);
    arena_reset(&engine->scratch);
}

void
engine_apply_fan_out(struct engine *engine, const struct ops *ops)
{
    for (uint32_t i = 0; i < ops->count; i++)
        apply_one_fan_out(engine, &ops->items[i]);
}
