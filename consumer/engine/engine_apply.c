/* Ops into state. They passed engine_check_op(), so nothing here fails. */
#include "consumer/engine/engine.h"

#include "common/base/check.h"
#include "consumer/engine/engine_internal.h"
#include "consumer/engine/matcher.h"

/* Deleted ones that are swept together, while queries wait: 22 to 31 ms, 11 to 15 us a slot, with 2
 * million entities of the bench. With 16,384 it is 108 to 173 ms, 7 to 11 us a slot. */
enum { SWEEP_SLOTS = 2048 };

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

/* What an op on a multi-value brings: nothing, an array, or one integer, which `one` then holds. */
static uint32_t
multi_items(const struct field *field, const struct value *value, struct scalar *one,
            const int64_t **items)
{
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

/* An array, or null, takes the place of the whole set; one integer joins it. */
static bool
multi_is_replaced(const struct op *op)
{
    return op->kind == OP_SET && (op->value.kind == VALUE_INTEGERS || op->value.kind == VALUE_NULL);
}

static void
apply_multi(struct field *field, uint32_t slot, const struct op *op)
{
    struct scalar one = {0};
    const int64_t *items;
    uint32_t count = multi_items(field, &op->value, &one, &items);
    if (multi_is_replaced(op))
        field_clear(field, slot);
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
    struct scalar one = {0};
    const int64_t *items;
    uint32_t count = multi_items(field, &op->value, &one, &items);
    if (multi_is_replaced(op))
        field_clear_all(field, slots);
    if (op->kind == OP_REMOVE)
        field_remove_all(field, slots, items, count);
    else
        field_add_all(field, slots, items, count);
}

static bool
field_has_source(const struct field *field, const struct field *source)
{
    uint32_t i = 0;
    while (i < field->source_count && field->sources[i] != source)
        i++;
    return i < field->source_count;
}

/* Those of `slots` in which a source other than this one has a value between the two. */
static roaring_bitmap_t *
match_other_sources(const struct field *field, const struct field *source,
                    const roaring_bitmap_t *slots, int64_t low, int64_t high)
{
    roaring_bitmap_t *found = roaring_bitmap_create();
    CHECK(found != NULL);
    for (uint32_t i = 0; i < field->source_count; i++) {
        if (field->sources[i] == source)
            continue;
        roaring_bitmap_t *part = field_match_range(field->sources[i], low, high, slots);
        roaring_bitmap_or_inplace(found, part);
        roaring_bitmap_free(part);
    }
    return found;
}

/* The only source of the field beside this one, if it has slices to copy; else NULL. */
static const struct field *
find_other_source(const struct field *field, const struct field *source)
{
    if (field->source_count != 2)
        return NULL;
    const struct field *other = field->sources[field->sources[0] == source];
    return other->sort_bits > 0 ? other : NULL;
}

/* The field follows its sources in `slots`, where another source than this one has a value that is
 * at least as good: of two sources, its value is the other one's. */
static void
compute_from_others(struct field *field, const struct field *source, const roaring_bitmap_t *slots)
{
    const struct field *other = find_other_source(field, source);
    if (other != NULL) {
        field_copy_all(field, other, slots);
        return;
    }
    roaring_uint32_iterator_t at;
    field_defer(field);
    roaring_init_iterator(slots, &at);
    for (; at.has_value; roaring_advance_uint32_iterator(&at)) {
        int64_t value;
        CHECK(computed_value(field, at.current_value, &value));
        field_set(field, at.current_value, value);
    }
    field_settle(field);
}

/* The source has `key` now in all of `slots`; NULL: no value. */
static void
compute_field_all(struct field *field, const struct field *source, const roaring_bitmap_t *slots,
                  const int64_t *key)
{
    bool greatest = field->computed_op == COMPUTED_GREATEST;
    int64_t low = key != NULL && greatest ? *key : INT64_MIN;
    int64_t high = key != NULL && !greatest ? *key : INT64_MAX;
    roaring_bitmap_t *others = match_other_sources(field, source, slots, low, high);
    roaring_bitmap_t *alone = roaring_bitmap_andnot(slots, others);
    CHECK(alone != NULL);
    if (key != NULL)
        field_set_all(field, alone, *key);
    else
        field_clear_all(field, alone);
    compute_from_others(field, source, others);
    roaring_bitmap_free(others);
    roaring_bitmap_free(alone);
}

/* All of `slots` get the key; NULL: they lose their value. */
static void
write_scalar_all(struct engine *engine, struct field *field, const roaring_bitmap_t *slots,
                 const int64_t *key)
{
    if (key != NULL)
        field_set_all(field, slots, *key);
    else
        field_clear_all(field, slots);
    for (uint32_t i = 0; field->feeds && i < engine->field_count; i++) {
        if (field_has_source(&engine->fields[i], field))
            compute_field_all(&engine->fields[i], field, slots, key);
    }
    if (field == engine->visible_from)
        engine_show_slots(engine, slots);
}

static void
apply_scalar_all(struct engine *engine, struct field *field, const roaring_bitmap_t *slots,
                 const struct op *op)
{
    bool removes = op->kind == OP_REMOVE;
    if (op->value.kind == VALUE_NULL) {
        if (!removes)
            write_scalar_all(engine, field, slots, NULL);
        return;
    }
    struct scalar scalar;
    int64_t key;
    CHECK(scalar_from_value(field, &op->value, &scalar, NULL) == 0);
    if (!removes) {
        key = field_make_key(field, &scalar);
        write_scalar_all(engine, field, slots, &key);
    } else if (field_find_key(field, &scalar, &key)) {
        roaring_bitmap_t *holders = field_match(field, key, slots);
        write_scalar_all(engine, field, holders, NULL);
        roaring_bitmap_free(holders);
    }
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
