#include "consumer/engine/engine_compute.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/memory.h"
#include "consumer/engine/field_bulk.h"
#include "consumer/engine/field_cells.h"
#include "consumer/engine/field_match.h"

/* --- one slot -------------------------------------------------------------------------------- */

/* False: no source has a value. */
static bool
computed_value(const struct field *field, uint32_t slot, int64_t *value)
{
    bool greatest = field->computed_op == COMPUTED_GREATEST;
    bool found = false;
    CHECK(field->computed_op != COMPUTED_NONE);
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

void
engine_compute_slot(struct engine *engine, const struct field *source, uint32_t slot)
{
    CHECK(source->computed_op == COMPUTED_NONE);
    CHECK(source->feeds);
    for (uint32_t i = 0; i < engine->field_count; i++) {
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

/* --- many slots ------------------------------------------------------------------------------ */

static bool
field_has_source(const struct field *field, const struct field *source)
{
    uint32_t i = 0;
    while (i < field->source_count && field->sources[i] != source)
        i++;
    return i < field->source_count;
}

/* The slots of `slots` in which a source other than `source` has a value from `low` to `high`. */
static roaring_bitmap_t *
match_other_sources(const struct field *field, const struct field *source,
                    const roaring_bitmap_t *slots, int64_t low, int64_t high)
{
    roaring_bitmap_t *found = bitmap_create();
    CHECK(low <= high);
    for (uint32_t i = 0; i < field->source_count; i++) {
        if (field->sources[i] == source)
            continue;
        roaring_bitmap_t *part = field_match_range(field->sources[i], low, high, slots);
        roaring_bitmap_or_inplace(found, part);
        roaring_bitmap_free(part);
    }
    return found;
}

/* The only other source of the field, if it has slices to copy; else NULL. */
static const struct field *
find_other_source(const struct field *field, const struct field *source)
{
    CHECK(field_has_source(field, source));
    if (field->source_count != 2)
        return NULL;
    const struct field *other = field->sources[field->sources[0] == source];
    return other->sort_bits > 0 ? other : NULL;
}

/* Updates the field in `slots`, where a source other than `source` has a value that is at least as
 * good. With two sources, that other value is the result. */
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
        if (computed_value(field, at.current_value, &value))
            field_set(field, at.current_value, value);
    }
    field_settle(field);
}

static void
compute_field(struct field *field, const struct field *source, const roaring_bitmap_t *slots,
              const int64_t *key)
{
    bool greatest = field->computed_op == COMPUTED_GREATEST;
    int64_t low = key != NULL && greatest ? *key : INT64_MIN;
    int64_t high = key != NULL && !greatest ? *key : INT64_MAX;
    CHECK(field->computed_op != COMPUTED_NONE);
    roaring_bitmap_t *others = match_other_sources(field, source, slots, low, high);
    roaring_bitmap_t *alone = bitmap_andnot(slots, others);
    if (key != NULL)
        field_set_all(field, alone, *key);
    else
        field_clear_all(field, alone);
    compute_from_others(field, source, others);
    roaring_bitmap_free(others);
    roaring_bitmap_free(alone);
}

void
engine_compute_slots(struct engine *engine, const struct field *source,
                     const roaring_bitmap_t *slots, const int64_t *key)
{
    CHECK(source->computed_op == COMPUTED_NONE);
    CHECK(key == NULL || (*key >= source->min && *key <= source->max));
    for (uint32_t i = 0; source->feeds && i < engine->field_count; i++) {
        if (field_has_source(&engine->fields[i], source))
            compute_field(&engine->fields[i], source, slots, key);
    }
}

/* The slots of `scope` in which a source of the field has a value. */
static roaring_bitmap_t *
slots_with_source(const struct field *field, const roaring_bitmap_t *scope)
{
    roaring_bitmap_t *slots = bitmap_create();
    CHECK(field->source_count > 0);
    for (uint32_t i = 0; i < field->source_count; i++) {
        roaring_bitmap_t *part = bitmap_and(field->sources[i]->present, scope);
        roaring_bitmap_or_inplace(slots, part);
        roaring_bitmap_free(part);
    }
    return slots;
}

void
engine_compute_scope(struct field *field, const roaring_bitmap_t *scope)
{
    if (field->computed_op == COMPUTED_NONE)
        return;
    roaring_bitmap_t *with_source = slots_with_source(field, scope);
    uint64_t count = roaring_bitmap_get_cardinality(with_source);
    uint32_t *slots = memory_alloc(count * sizeof *slots);
    int64_t *keys = memory_alloc(count * sizeof *keys);
    roaring_bitmap_to_uint32_array(with_source, slots);
    for (uint64_t i = 0; i < count; i++)
        CHECK(computed_value(field, slots[i], &keys[i]));
    field_replace(field, scope, &(struct field_cells){slots, keys, (uint32_t)count});
    free(slots);
    free(keys);
    roaring_bitmap_free(with_source);
}
