/* Ops into state. They passed engine_check_op(), so nothing here fails. */
#include "consumer/engine/engine.h"

#include "common/base/check.h"
#include "consumer/engine/engine_internal.h"
#include "consumer/engine/matcher.h"

enum { SWEEP_SLOTS = 16384 }; /* deleted ones that are swept together */

/* False: none of the sources has a value. */
static bool
computed_value(const struct field *field, uint32_t slot, int64_t *value)
{
    bool greatest = field->computed_op == COMPUTED_GREATEST;
    bool found = false;
    *value = 0;
    for (uint32_t i = 0; i < field->source_count; i++) {
        int64_t source;
        if (!field_get(field->sources[i], slot, &source))
            continue;
        if (!found || (greatest ? source > *value : source < *value))
            *value = source;
        found = true;
    }
    return found;
}

static void
compute_slot(struct engine *engine, const struct field *source, uint32_t slot)
{
    for (uint32_t i = 0; source->feeds && i < engine->field_count; i++) {
        struct field *field = &engine->fields[i];
        int64_t value;
        if (field->computed_op == COMPUTED_NONE)
            continue;
        if (computed_value(field, slot, &value))
            field_set(field, slot, value);
        else
            field_clear(field, slot);
    }
}

static void
change_scalar(struct field *field, uint32_t slot, const struct op *op)
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
    if (op->kind == OP_REMOVE)
        field_remove(field, slot, items, count);
    else
        field_add(field, slot, items, count);
}

static void
apply_value(struct engine *engine, struct field *field, uint32_t slot, const struct op *op)
{
    if (field->type == FIELD_MULTI_VALUE) {
        apply_multi(field, slot, op);
        return;
    }
    change_scalar(field, slot, op);
    compute_slot(engine, field, slot);
    if (field == engine->visible_from)
        engine_show_slot(engine, slot);
}

/* A deleted slot is gone for every reader at once. Its values go with those of others, for it costs
 * one pass over a large vocabulary whether one or a thousand slots leave it (F72); but always
 * before a row writes to the slot. What a fan-out, which matches by values, finds and writes there
 * until then goes with them. */
static void
apply_delete(struct engine *engine, uint32_t slot)
{
    roaring_bitmap_remove(engine->alive, slot);
    engine_show_slot(engine, slot);
    roaring_bitmap_add(engine->swept_later, slot);
    if (++engine->swept_later_count >= SWEEP_SLOTS)
        engine_sweep(engine);
}

void
engine_sweep(struct engine *engine)
{
    if (engine->swept_later_count == 0)
        return;
    for (uint32_t i = 0; i < engine->field_count; i++)
        field_clear_all(&engine->fields[i], engine->swept_later);
    roaring_bitmap_clear(engine->swept_later);
    engine->swept_later_count = 0;
}

static void
apply_sweep_slot(struct engine *engine, uint32_t slot)
{
    if (engine->swept_later_count == 0 || !roaring_bitmap_remove_checked(engine->swept_later, slot))
        return;
    for (uint32_t i = 0; i < engine->field_count; i++)
        field_clear(&engine->fields[i], slot);
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
    if (op->kind != OP_DELETE)
        apply_sweep_slot(engine, slot);
    if (op->kind == OP_ALIVE) {
        roaring_bitmap_add(engine->alive, slot);
        engine_show_slot(engine, slot);
    } else if (op->kind == OP_DELETE) {
        apply_delete(engine, slot);
    } else {
        struct field *field = apply_find_field(engine, op);
        if (field != NULL)
            apply_value(engine, field, slot, op);
    }
}

void
engine_apply_row(struct engine *engine, int64_t entity_id, const struct ops *ops)
{
    uint32_t slot;
    CHECK(engine_slot_of(engine, entity_id, &slot));
    engine_note_slot(engine, slot);
    for (uint32_t i = 0; i < ops->count; i++)
        apply_slot_op(engine, slot, &ops->items[i]);
}

void
engine_begin_rows(struct engine *engine)
{
    for (uint32_t i = 0; i < engine->field_count; i++)
        field_defer(&engine->fields[i]);
}

void
engine_end_rows(struct engine *engine)
{
    for (uint32_t i = 0; i < engine->field_count; i++)
        field_settle(&engine->fields[i]);
}

static void
apply_multi_all(struct field *field, const roaring_bitmap_t *slots, const struct op *op)
{
    roaring_uint32_iterator_t at;
    roaring_init_iterator(slots, &at);
    for (; at.has_value; roaring_advance_uint32_iterator(&at))
        apply_multi(field, at.current_value, op);
}

static void
change_scalar_all(struct field *field, const roaring_bitmap_t *slots, const struct op *op)
{
    bool removes = op->kind == OP_REMOVE;
    if (op->value.kind == VALUE_NULL) {
        if (!removes)
            field_clear_all(field, slots);
        return;
    }
    struct scalar scalar;
    int64_t key;
    CHECK(scalar_from_value(field, &op->value, &scalar, NULL) == 0);
    if (!removes) {
        field_set_all(field, slots, field_make_key(field, &scalar));
    } else if (field_find_key(field, &scalar, &key)) {
        roaring_bitmap_t *holders = field_match(field, key, slots);
        field_clear_all(field, holders);
        roaring_bitmap_free(holders);
    }
}

static void
apply_scalar_all(struct engine *engine, struct field *field, const roaring_bitmap_t *slots,
                 const struct op *op)
{
    roaring_uint32_iterator_t at;
    change_scalar_all(field, slots, op);
    roaring_init_iterator(slots, &at);
    for (; field->feeds && at.has_value; roaring_advance_uint32_iterator(&at))
        compute_slot(engine, field, at.current_value);
    if (field == engine->visible_from)
        engine_show_slots(engine, slots);
}

/* Later nested ops write to these slots again: nothing is left for later. */
static void
apply_delete_all(struct engine *engine, const roaring_bitmap_t *slots)
{
    for (uint32_t i = 0; i < engine->field_count; i++)
        field_clear_all(&engine->fields[i], slots);
    roaring_bitmap_andnot_inplace(engine->alive, slots);
    engine_show_slots(engine, slots);
}

static void
apply_nested(struct engine *engine, const roaring_bitmap_t *slots, const struct op *op)
{
    if (op->kind == OP_DELETE) {
        apply_delete_all(engine, slots);
        return;
    }
    struct field *field = apply_find_field(engine, op);
    if (field == NULL)
        return;
    if (field->type == FIELD_MULTI_VALUE)
        apply_multi_all(field, slots, op);
    else
        apply_scalar_all(engine, field, slots, op);
}

static void
apply_one_fan_out(struct engine *engine, const struct op *op)
{
    struct matcher matcher = {.engine = engine, .untyped = true};
    const struct filter *filter;
    CHECK(op->kind == OP_FAN_OUT);
    CHECK(filter_parse_query(op->query, &engine->scratch, &filter, NULL) == 0);
    roaring_bitmap_t *slots = matcher_match(&matcher, filter, NULL);
    engine_note_slots(engine, slots);
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
