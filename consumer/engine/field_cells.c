#include "consumer/engine/field_cells.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/memory.h"
#include "consumer/engine/field_bulk.h"
#include "consumer/engine/field_pairs.h"

enum { CHANGES_MIN = 64 };

/* --- slots that lose their value ------------------------------------------------------------- */

static roaring_bitmap_t *
cells_slots(const struct field_cells *cells)
{
    roaring_bitmap_t *slots = bitmap_create();
    roaring_bitmap_add_many(slots, cells->count, cells->slots);
    return slots;
}

/* Removes the values of the slots that no cell mentions. */
static bool
field_clear_others(struct field *field, const roaring_bitmap_t *scope,
                   const roaring_bitmap_t *wanted)
{
    roaring_bitmap_t *gone = bitmap_and(field->present, scope);
    roaring_bitmap_andnot_inplace(gone, wanted);
    bool changed = !roaring_bitmap_is_empty(gone);
    if (changed)
        field_clear_all(field, gone);
    roaring_bitmap_free(gone);
    return changed;
}

/* --- scalars with a column ------------------------------------------------------------------- */

/* The cells that differ from what the field holds. */
struct scalar_changes {
    struct slices_change *items; /* `old_number` is 0 for a slot without a value */
    uint32_t count;
    struct kv_list left;   /* (old key, slot): filter fields only */
    struct kv_list joined; /* (new key, slot): filter fields only */
};

static void
scalar_compare(const struct field *field, const struct field_cells *cells,
               struct scalar_changes *changes)
{
    changes->items = memory_alloc(cells->count * sizeof *changes->items);
    for (uint32_t i = 0; i < cells->count; i++) {
        uint32_t slot = cells->slots[i];
        int64_t key = cells->keys[i], old = 0;
        CHECK(i == 0 || cells->slots[i - 1] < slot);
        bool had = field_get(field, slot, &old);
        if (had && old == key)
            continue;
        changes->items[changes->count++] =
            (struct slices_change){.slot = slot, .old_number = old, .new_number = key};
        if (!field->filters)
            continue;
        if (had)
            kv_append(&changes->left, (uint64_t)old, slot);
        kv_append(&changes->joined, (uint64_t)key, slot);
    }
}

static void
scalar_write(struct field *field, struct scalar_changes *changes)
{
    CHECK(field->has_column);
    field_unpost_pairs(field, &changes->left);
    field_post_pairs(field, &changes->joined);
    if (field->sort_bits > 0)
        slices_change_many(&field->slices, changes->items, changes->count);
    for (uint32_t i = 0; i < changes->count; i++)
        column_write(&field->column, changes->items[i].slot, changes->items[i].new_number);
}

static bool
field_replace_column(struct field *field, const struct field_cells *cells,
                     const roaring_bitmap_t *wanted)
{
    struct scalar_changes changes = {0};
    if (cells->count == 0)
        return false;
    scalar_compare(field, cells, &changes);
    bool changed = changes.count > 0;
    if (changed) {
        scalar_write(field, &changes);
        roaring_bitmap_or_inplace(field->present, wanted);
    }
    free(changes.items);
    kv_free(&changes.left);
    kv_free(&changes.joined);
    return changed;
}

/* --- scalars without a column: few values, and the postings are all there is ------------------ */

/* The new slots of one value. */
struct value_slots {
    int64_t key;
    roaring_bitmap_t *slots;
};

struct value_slots_list {
    struct value_slots items[FIELD_VALUES_WITHOUT_COLUMN];
    uint32_t count;
};

static struct value_slots *
values_find(struct value_slots_list *values, int64_t key)
{
    uint32_t i = 0;
    while (i < values->count && values->items[i].key != key)
        i++;
    return i < values->count ? &values->items[i] : NULL;
}

static void
values_free(struct value_slots_list *values)
{
    for (uint32_t i = 0; i < values->count; i++)
        roaring_bitmap_free(values->items[i].slots);
}

/* Finds the values of the cells, without their slots. False: there are too many. */
static bool
values_collect(const struct field_cells *cells, struct value_slots_list *values)
{
    values->count = 0;
    for (uint32_t i = 0; i < cells->count; i++) {
        CHECK(i == 0 || cells->slots[i - 1] < cells->slots[i]);
        if (values_find(values, cells->keys[i]) != NULL)
            continue;
        if (values->count == FIELD_VALUES_WITHOUT_COLUMN)
            return false;
        values->items[values->count++].key = cells->keys[i];
    }
    return true;
}

/* Sorts the slots of the cells by their values. False: there are too many values. */
static bool
values_of_cells(const struct field_cells *cells, struct value_slots_list *values)
{
    if (!values_collect(cells, values))
        return false;
    uint32_t *slots = memory_alloc(cells->count * sizeof *slots);
    for (uint32_t value = 0; value < values->count; value++) {
        uint32_t count = 0;
        for (uint32_t i = 0; i < cells->count; i++) {
            slots[count] = cells->slots[i];
            count += cells->keys[i] == values->items[value].key;
        }
        values->items[value].slots = bitmap_create();
        roaring_bitmap_add_many(values->items[value].slots, count, slots);
    }
    free(slots);
    return true;
}

/* Removes the slots of `scope` from the value `key` that have another one now, or none. */
static bool
field_leave_value(struct field *field, int64_t key, const roaring_bitmap_t *scope,
                  const roaring_bitmap_t *kept)
{
    const struct slot_set *set = postings_find(&field->postings, key);
    CHECK(set != NULL);
    roaring_bitmap_t *wrong = slot_set_within(set, scope);
    if (kept != NULL)
        roaring_bitmap_andnot_inplace(wrong, kept);
    bool changed = !roaring_bitmap_is_empty(wrong);
    if (changed)
        postings_remove_all(&field->postings, key, wrong);
    roaring_bitmap_free(wrong);
    return changed;
}

static bool
field_leave_values(struct field *field, const roaring_bitmap_t *scope,
                   struct value_slots_list *values)
{
    int64_t keys[FIELD_VALUES_WITHOUT_COLUMN];
    uint32_t count = 0;
    bool changed = false;
    CHECK(field->postings.count <= FIELD_VALUES_WITHOUT_COLUMN);
    for (uint64_t i = 0; i < field->postings.capacity; i++) {
        if (!slot_set_is_empty(&field->postings.table[i].slots))
            keys[count++] = field->postings.table[i].value;
    }
    CHECK(count == field->postings.count);
    for (uint32_t i = 0; i < count; i++) {
        const struct value_slots *value = values_find(values, keys[i]);
        changed |= field_leave_value(field, keys[i], scope, value != NULL ? value->slots : NULL);
    }
    return changed;
}

static bool
field_join_value(struct field *field, const struct value_slots *value)
{
    const struct slot_set *set = postings_find(&field->postings, value->key);
    roaring_bitmap_t *missing = bitmap_copy(value->slots);
    if (set != NULL) {
        roaring_bitmap_t *held = slot_set_within(set, value->slots);
        roaring_bitmap_andnot_inplace(missing, held);
        roaring_bitmap_free(held);
    }
    uint64_t count = roaring_bitmap_get_cardinality(missing);
    if (count > 0) {
        uint32_t *slots = memory_alloc(count * sizeof *slots);
        roaring_bitmap_to_uint32_array(missing, slots);
        postings_add_many(&field->postings, value->key, slots, (uint32_t)count);
        free(slots);
    }
    roaring_bitmap_free(missing);
    return count > 0;
}

static bool
field_replace_values(struct field *field, const roaring_bitmap_t *scope,
                     struct value_slots_list *values, const roaring_bitmap_t *wanted)
{
    CHECK(field->sort_bits == 0);
    bool changed = field_leave_values(field, scope, values);
    for (uint32_t i = 0; i < values->count; i++)
        changed |= field_join_value(field, &values->items[i]);
    if (!changed)
        return false;
    roaring_bitmap_andnot_inplace(field->present, scope);
    roaring_bitmap_or_inplace(field->present, wanted);
    field_check_column(field);
    return true;
}

/* --- multi-values ---------------------------------------------------------------------------- */

/* The sets that differ from what the field holds. */
struct set_changes {
    struct set_change *items;
    uint32_t count;
    uint32_t capacity;
    struct kv_list left;   /* (old key, slot) */
    struct kv_list joined; /* (new key, slot) */
};

static void
set_changes_append(struct set_changes *changes, const struct set_change *change)
{
    if (changes->count == changes->capacity) {
        changes->capacity = changes->capacity > 0 ? 2 * changes->capacity : CHANGES_MIN;
        changes->items = memory_realloc(changes->items, changes->capacity * sizeof *changes->items);
    }
    changes->items[changes->count++] = *change;
}

/* Notes what leaves and what joins the set of one slot. */
static void
set_compare(const struct field *field, const struct set_change *wanted, struct set_changes *changes)
{
    struct set_reader reader;
    int64_t old;
    uint32_t i = 0, pairs = changes->left.count + changes->joined.count;
    set_column_read(&field->sets, wanted->slot, &reader);
    bool more = set_reader_next(&reader, &old);
    while (more || i < wanted->count) {
        if (more && (i == wanted->count || old < wanted->values[i])) {
            kv_append(&changes->left, (uint64_t)old, wanted->slot);
            more = set_reader_next(&reader, &old);
        } else if (more && old == wanted->values[i]) {
            i++;
            more = set_reader_next(&reader, &old);
        } else {
            kv_append(&changes->joined, (uint64_t)wanted->values[i++], wanted->slot);
        }
    }
    if (changes->left.count + changes->joined.count > pairs)
        set_changes_append(changes, wanted);
}

static void
sets_compare(const struct field *field, const struct field_cells *cells,
             struct set_changes *changes)
{
    for (uint32_t first = 0, next; first < cells->count; first = next) {
        uint32_t slot = cells->slots[first];
        next = first + 1;
        while (next < cells->count && cells->slots[next] == slot) {
            CHECK(cells->keys[next - 1] < cells->keys[next]);
            next++;
        }
        CHECK(next == cells->count || cells->slots[next] > slot);
        const struct set_change wanted = {slot, next - first, &cells->keys[first]};
        set_compare(field, &wanted, changes);
    }
}

static bool
field_replace_sets(struct field *field, const struct field_cells *cells,
                   const roaring_bitmap_t *wanted)
{
    struct set_changes changes = {0};
    kv_reserve(&changes.joined, cells->count);
    sets_compare(field, cells, &changes);
    bool changed = changes.count > 0;
    if (changed) {
        field_unpost_pairs(field, &changes.left);
        field_post_pairs(field, &changes.joined);
        set_column_write_many(&field->sets, changes.items, changes.count);
        roaring_bitmap_or_inplace(field->present, wanted);
    }
    free(changes.items);
    kv_free(&changes.left);
    kv_free(&changes.joined);
    return changed;
}

/* --- all kinds ------------------------------------------------------------------------------- */

static bool
field_replace_scalars(struct field *field, const roaring_bitmap_t *scope,
                      const struct field_cells *cells, const roaring_bitmap_t *wanted)
{
    struct value_slots_list values;
    if (!field->has_column && values_of_cells(cells, &values)) {
        bool changed = field_replace_values(field, scope, &values, wanted);
        values_free(&values);
        return changed;
    }
    if (!field->has_column)
        field_build_column(field);
    bool cleared = field_clear_others(field, scope, wanted);
    return field_replace_column(field, cells, wanted) || cleared;
}

bool
field_replace(struct field *field, const roaring_bitmap_t *scope, const struct field_cells *cells)
{
    bool changed;
    CHECK(!field->defers && field->deferred.count == 0);
    roaring_bitmap_t *wanted = cells_slots(cells);
    CHECK(roaring_bitmap_is_subset(wanted, scope));
    if (field->type == FIELD_MULTI_VALUE) {
        bool cleared = field_clear_others(field, scope, wanted);
        changed = field_replace_sets(field, cells, wanted) || cleared;
    } else {
        changed = field_replace_scalars(field, scope, cells, wanted);
    }
    CHECK(roaring_bitmap_and_cardinality(field->present, scope) ==
          roaring_bitmap_get_cardinality(wanted));
    roaring_bitmap_free(wanted);
    return changed;
}
