/* Ops into state. They passed engine_check_op(), so applying them cannot fail. */
#include "consumer/engine/engine.h"

#include "common/base/check.h"
#include "consumer/engine/engine_compute.h"
#include "consumer/engine/engine_internal.h"
#include "consumer/engine/engine_sweep.h"
#include "consumer/engine/engine_time.h"
#include "consumer/engine/engine_watch.h"
#include "consumer/engine/field_bulk.h"
#include "consumer/engine/field_match.h"
#include "consumer/engine/matcher.h"
#include "consumer/engine/scalar.h"

/* --- values of ops --------------------------------------------------------------------------- */

/* The items of an op on a multi-value field: none, an array, or one integer, which is put into
 * `one`. */
static uint32_t
multi_items(const struct field *field, const struct value *value, struct scalar *one,
            const int64_t **items)
{
    CHECK(field->type == FIELD_MULTI_VALUE);
    *items = NULL;
    if (value->kind == VALUE_NULL)
        return 0;
    if (value->kind == VALUE_INTEGERS) {
        *items = value->integers.items;
        return value->integers.count;
    }
    CHECK(scalar_from_value(field, value, one, NULL) == 0);
    *items = &one->number;
    return 1;
}

/* An array or null replaces the whole set; one integer joins it. */
static bool
multi_is_replaced(const struct op *op)
{
    return op->kind == OP_SET && (op->value.kind == VALUE_INTEGERS || op->value.kind == VALUE_NULL);
}

/* The field of a set, remove or add. NULL: the index does not have it, which is counted. */
static struct field *
apply_find_field(struct engine *engine, const struct op *op)
{
    struct field *field = engine_find_field(engine, op->field);
    if (field == NULL)
        engine->unknown_field_ops++;
    return field;
}

/* --- rows ------------------------------------------------------------------------------------ */

static void
apply_multi(struct field *field, uint32_t slot, const struct op *op)
{
    struct scalar one = {0};
    const int64_t *items;
    uint32_t count = multi_items(field, &op->value, &one, &items);
    CHECK(count == 0 || items != NULL);
    if (multi_is_replaced(op))
        field_clear(field, slot);
    if (op->kind == OP_REMOVE)
        field_remove(field, slot, items, count);
    else
        field_add(field, slot, items, count);
}

static void
change_scalar(struct field *field, uint32_t slot, const struct op *op)
{
    bool removes = op->kind == OP_REMOVE;
    CHECK(field->computed_op == COMPUTED_NONE);
    if (op->value.kind == VALUE_NULL) {
        if (!removes)
            field_clear(field, slot);
        return;
    }
    struct scalar scalar;
    CHECK(scalar_from_value(field, &op->value, &scalar, NULL) == 0);
    if (!removes) {
        field_set(field, slot, scalar_make_key(field, &scalar));
        return;
    }
    int64_t key, old;
    if (scalar_find_key(field, &scalar, &key) && field_get(field, slot, &old) && old == key)
        field_clear(field, slot);
}

static void
apply_value(struct engine *engine, struct field *field, uint32_t slot, const struct op *op)
{
    if (field->type == FIELD_MULTI_VALUE) {
        apply_multi(field, slot, op);
        return;
    }
    change_scalar(field, slot, op);
    if (field->feeds)
        engine_compute_slot(engine, field, slot);
    if (field == engine->visible_from)
        engine_show_slot(engine, slot);
}

static void
apply_slot_op(struct engine *engine, uint32_t slot, const struct op *op)
{
    CHECK(op->kind <= OP_DELETE);
    if (op->kind != OP_DELETE && engine->unswept_count > 0)
        engine_sweep_slot(engine, slot);
    if (op->kind == OP_ALIVE) {
        roaring_bitmap_add(engine->alive, slot);
        engine_show_slot(engine, slot);
    } else if (op->kind == OP_DELETE) {
        engine_delete_slot(engine, slot);
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
engine_prefetch_row(const struct engine *engine, const struct ops *ops)
{
    for (uint32_t i = 0; i < ops->count; i++) {
        const struct op *op = &ops->items[i];
        uint32_t number;
        if (op->kind <= OP_ADD && op->value.kind == VALUE_INTEGER &&
            name_table_find(&engine->names, op->field, &number) &&
            engine->fields[number].type == FIELD_MULTI_VALUE)
            postings_prefetch_slots(&engine->fields[number].postings, op->value.integer);
    }
}

void
engine_begin_rows(struct engine *engine)
{
    CHECK(!engine->in_rows);
    engine->in_rows = true;
    for (uint32_t i = 0; i < engine->field_count; i++)
        field_defer(&engine->fields[i]);
}

void
engine_end_rows(struct engine *engine)
{
    CHECK(engine->in_rows);
    engine->in_rows = false;
    for (uint32_t i = 0; i < engine->field_count; i++)
        field_settle(&engine->fields[i]);
    engine_drop_texts(engine);
    engine_check_state(engine);
}

/* --- fan-outs -------------------------------------------------------------------------------- */

static void
apply_multi_all(struct field *field, const roaring_bitmap_t *slots, const struct op *op)
{
    struct scalar one = {0};
    const int64_t *items;
    uint32_t count = multi_items(field, &op->value, &one, &items);
    CHECK(count == 0 || items != NULL);
    if (multi_is_replaced(op))
        field_clear_all(field, slots);
    if (op->kind == OP_REMOVE)
        field_remove_all(field, slots, items, count);
    else
        field_add_all(field, slots, items, count);
}

/* Gives all of `slots` the key; NULL: removes their value. */
static void
write_scalar_all(struct engine *engine, struct field *field, const roaring_bitmap_t *slots,
                 const int64_t *key)
{
    CHECK(field->type != FIELD_MULTI_VALUE);
    if (key != NULL)
        field_set_all(field, slots, *key);
    else
        field_clear_all(field, slots);
    engine_compute_slots(engine, field, slots, key);
    if (field == engine->visible_from)
        engine_show_slots(engine, slots);
}

static void
apply_scalar_all(struct engine *engine, struct field *field, const roaring_bitmap_t *slots,
                 const struct op *op)
{
    bool removes = op->kind == OP_REMOVE;
    CHECK(field->computed_op == COMPUTED_NONE);
    if (op->value.kind == VALUE_NULL) {
        if (!removes)
            write_scalar_all(engine, field, slots, NULL);
        return;
    }
    struct scalar scalar;
    int64_t key;
    CHECK(scalar_from_value(field, &op->value, &scalar, NULL) == 0);
    if (!removes) {
        key = scalar_make_key(field, &scalar);
        write_scalar_all(engine, field, slots, &key);
    } else if (scalar_find_key(field, &scalar, &key)) {
        roaring_bitmap_t *holders = field_match(field, key, slots);
        write_scalar_all(engine, field, holders, NULL);
        roaring_bitmap_free(holders);
    }
}

static void
apply_nested(struct engine *engine, const roaring_bitmap_t *slots, const struct op *op)
{
    CHECK(op->kind <= OP_DELETE && op->kind != OP_ALIVE);
    if (op->kind == OP_DELETE) {
        engine_delete_slots(engine, slots);
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
    const struct matcher matcher = {.engine = engine};
    CHECK(op->kind == OP_FAN_OUT);
    CHECK(op->filter != NULL);
    roaring_bitmap_t *slots = matcher_match(&matcher, op->filter, NULL);
    engine_note_slots(engine, slots);
    for (uint32_t i = 0; i < op->nested_count; i++)
        apply_nested(engine, slots, &op->nested[i]);
    roaring_bitmap_free(slots);
}

void
engine_apply_fan_out(struct engine *engine, const struct ops *ops)
{
    CHECK(!engine->in_rows);
    for (uint32_t i = 0; i < ops->count; i++)
        apply_one_fan_out(engine, &ops->items[i]);
    engine_drop_texts(engine);
}

/* --- whole fields ---------------------------------------------------------------------------- */

static void
clear_field(struct engine *engine, struct field *field)
{
    roaring_bitmap_t *had = bitmap_copy(field->present);
    engine_note_slots(engine, had);
    field_reset(field);
    engine_compute_slots(engine, field, had, NULL);
    if (field == engine->visible_from)
        engine_show_slots(engine, had);
    roaring_bitmap_free(had);
}

void
engine_clear_fields(struct engine *engine, const struct text *names, uint32_t count)
{
    CHECK(!engine->in_rows);
    CHECK(names != NULL || count == 0);
    for (uint32_t i = 0; i < count; i++) {
        struct field *field = engine_find_field(engine, names[i]);
        if (field != NULL && field->computed_op == COMPUTED_NONE)
            clear_field(engine, field);
    }
    engine_check_state(engine);
}
