#include "consumer/engine/field_bulk.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/memory.h"
#include "consumer/engine/field_match.h"
#include "consumer/engine/field_pairs.h"

enum { SWEPT_PER_FIND = 8, PAIRS_MAX = 1 << 20 };
enum { BULK_SLOTS = 64 }; /* from this number on, whole bitmaps cost less than slot after slot */

static bool
slots_are_few(const roaring_bitmap_t *slots)
{
    return roaring_bitmap_get_cardinality(slots) < BULK_SLOTS;
}

/* --- postings -------------------------------------------------------------------------------- */

static void
field_append_pairs(const struct field *field, uint32_t slot, struct kv_list *pairs)
{
    int64_t key;
    struct set_reader reader;
    CHECK(field->filters);
    if (field->type != FIELD_MULTI_VALUE) {
        if (field_get(field, slot, &key))
            kv_append(pairs, (uint64_t)key, slot);
        return;
    }
    set_column_read(&field->sets, slot, &reader);
    while (set_reader_next(&reader, &key))
        kv_append(pairs, (uint64_t)key, slot);
}

/* Is a sweep over the postings of all values the better way? It is when many slots lose their
 * value, and the only way when no column holds the value of a slot. */
static bool
field_sweeps(const struct field *field, const roaring_bitmap_t *slots)
{
    if (!field->has_column && field->type != FIELD_MULTI_VALUE)
        return true;
    return roaring_bitmap_and_cardinality(field->present, slots) >
           roaring_bitmap_get_cardinality(field->present) / SWEPT_PER_FIND;
}

/* Removes the slots from the postings of their values. */
static void
field_unpost_all(struct field *field, const roaring_bitmap_t *slots)
{
    struct kv_list pairs = {0};
    roaring_uint32_iterator_t at;
    CHECK(field->filters);
    CHECK(field->deferred.count == 0);
    if (field_sweeps(field, slots)) {
        postings_sweep(&field->postings, slots);
        return;
    }
    roaring_init_iterator(slots, &at);
    for (; at.has_value; roaring_advance_uint32_iterator(&at)) {
        field_append_pairs(field, at.current_value, &pairs);
        if (pairs.count >= PAIRS_MAX)
            field_unpost_pairs(field, &pairs);
    }
    field_unpost_pairs(field, &pairs);
    kv_free(&pairs);
}

/* --- columns --------------------------------------------------------------------------------- */

/* Does the bitmap hold no slot of the page of `slot`? */
static bool
page_is_free_of(const roaring_bitmap_t *slots, uint32_t slot)
{
    roaring_uint32_iterator_t at;
    uint32_t first = slot & ~(uint32_t)(PAGE_SLOTS - 1);
    roaring_init_iterator(slots, &at);
    return !roaring_move_uint32_iterator_equalorlarger(&at, first) ||
           at.current_value - first >= PAGE_SLOTS;
}

/* Writes the column page by page. A page in which no other slot has a value becomes one number. */
static void
field_write_column(struct field *field, const roaring_bitmap_t *slots, int64_t key)
{
    roaring_bitmap_t *others = bitmap_andnot(field->present, slots);
    roaring_uint32_iterator_t at;
    CHECK(field->has_column);
    roaring_init_iterator(slots, &at);
    while (at.has_value) {
        uint32_t page = at.current_value >> PAGE_BITS;
        if (page_is_free_of(others, at.current_value)) {
            column_write_page(&field->column, at.current_value, key);
            if (page == UINT32_MAX >> PAGE_BITS)
                break;
            roaring_move_uint32_iterator_equalorlarger(&at, (page + 1) << PAGE_BITS);
            continue;
        }
        for (; at.has_value && at.current_value >> PAGE_BITS == page;
             roaring_advance_uint32_iterator(&at))
            column_write(&field->column, at.current_value, key);
    }
    roaring_bitmap_free(others);
}

/* --- scalars --------------------------------------------------------------------------------- */

static void
field_set_each(struct field *field, const roaring_bitmap_t *slots, int64_t key)
{
    roaring_uint32_iterator_t at;
    roaring_init_iterator(slots, &at);
    for (; at.has_value; roaring_advance_uint32_iterator(&at))
        field_set(field, at.current_value, key);
}

void
field_set_all(struct field *field, const roaring_bitmap_t *slots, int64_t key)
{
    CHECK(field->type != FIELD_MULTI_VALUE);
    if (slots_are_few(slots)) {
        field_set_each(field, slots, key);
        return;
    }
    field_apply_deferred(field);
    if (field->filters) {
        field_unpost_all(field, slots);
        postings_add_all(&field->postings, key, slots);
    }
    if (field->sort_bits > 0)
        slices_fill(&field->slices, slots, key);
    if (field->has_column)
        field_write_column(field, slots, key);
    else
        field_check_column(field);
    roaring_bitmap_or_inplace(field->present, slots);
    CHECK(roaring_bitmap_get_cardinality(field->present) >= roaring_bitmap_get_cardinality(slots));
}

void
field_copy_all(struct field *field, const struct field *from, const roaring_bitmap_t *slots)
{
    roaring_uint32_iterator_t at;
    bool few = slots_are_few(slots);
    CHECK(!field->filters);
    CHECK(field->sort_bits > 0 && from->sort_bits > 0);
    CHECK(from->deferred.count == 0);
    if (!few) {
        field_apply_deferred(field);
        slices_copy(&field->slices, &from->slices, slots);
        roaring_bitmap_or_inplace(field->present, slots);
    }
    roaring_init_iterator(slots, &at);
    for (; at.has_value; roaring_advance_uint32_iterator(&at)) {
        int64_t number = column_read(&from->column, at.current_value);
        if (few)
            field_set(field, at.current_value, number);
        else
            column_write(&field->column, at.current_value, number);
    }
}

/* --- multi-values ---------------------------------------------------------------------------- */

/* Makes the change slot by slot if that costs less; false: the slots are too many. */
static bool
field_change_few(struct field *field, const roaring_bitmap_t *slots,
                 void change(struct field *, uint32_t, const int64_t *, uint32_t),
                 const int64_t *items, uint32_t count)
{
    if (!slots_are_few(slots))
        return false;
    roaring_uint32_iterator_t at;
    roaring_init_iterator(slots, &at);
    for (; at.has_value; roaring_advance_uint32_iterator(&at))
        change(field, at.current_value, items, count);
    return true;
}

/* The distinct items in ascending order. */
static const struct value_list *
field_sort_items(struct field *field, const int64_t *items, uint32_t count)
{
    CHECK(!field->set_is_open);
    field->set.count = 0;
    for (uint32_t i = 0; i < count; i++)
        value_list_add(&field->set, items[i]);
    CHECK(field->set.count > 0 && field->set.count <= count);
    return &field->set;
}

void
field_add_all(struct field *field, const roaring_bitmap_t *slots, const int64_t *items,
              uint32_t count)
{
    CHECK(field->type == FIELD_MULTI_VALUE);
    if (count == 0 || field_change_few(field, slots, field_add, items, count))
        return;
    const struct value_list *values = field_sort_items(field, items, count);
    roaring_bitmap_t *changed = bitmap_create();
    for (uint32_t i = 0; i < values->count; i++) {
        roaring_bitmap_t *holders = field_match(field, values->items[i], slots);
        roaring_bitmap_t *others = bitmap_andnot(slots, holders);
        postings_add_all(&field->postings, values->items[i], others);
        roaring_bitmap_or_inplace(changed, others);
        roaring_bitmap_free(holders);
        roaring_bitmap_free(others);
    }
    set_column_add_all(&field->sets, changed, values);
    roaring_bitmap_or_inplace(field->present, changed);
    CHECK(roaring_bitmap_get_cardinality(changed) <= roaring_bitmap_get_cardinality(slots));
    roaring_bitmap_free(changed);
}

void
field_remove_all(struct field *field, const roaring_bitmap_t *slots, const int64_t *items,
                 uint32_t count)
{
    CHECK(field->type == FIELD_MULTI_VALUE);
    if (count == 0 || field_change_few(field, slots, field_remove, items, count))
        return;
    const struct value_list *values = field_sort_items(field, items, count);
    roaring_bitmap_t *changed = bitmap_create();
    roaring_bitmap_t *emptied = bitmap_create();
    for (uint32_t i = 0; i < values->count; i++) {
        roaring_bitmap_t *holders = field_match(field, values->items[i], slots);
        postings_remove_all(&field->postings, values->items[i], holders);
        roaring_bitmap_or_inplace(changed, holders);
        roaring_bitmap_free(holders);
    }
    set_column_remove_all(&field->sets, changed, values, emptied);
    CHECK(roaring_bitmap_get_cardinality(emptied) <= roaring_bitmap_get_cardinality(changed));
    roaring_bitmap_andnot_inplace(field->present, emptied);
    roaring_bitmap_free(changed);
    roaring_bitmap_free(emptied);
}

/* --- both ------------------------------------------------------------------------------------ */

static void
field_drop_sets(struct field *field, const roaring_bitmap_t *slots)
{
    CHECK(field->type == FIELD_MULTI_VALUE);
    roaring_bitmap_t *had = bitmap_and(field->present, slots);
    set_column_clear_all(&field->sets, had);
    roaring_bitmap_free(had);
}

static void
field_clear_each(struct field *field, const roaring_bitmap_t *slots)
{
    roaring_uint32_iterator_t at;
    roaring_init_iterator(slots, &at);
    for (; at.has_value; roaring_advance_uint32_iterator(&at))
        field_clear(field, at.current_value);
}

void
field_clear_all(struct field *field, const roaring_bitmap_t *slots)
{
    if (slots_are_few(slots)) {
        field_clear_each(field, slots);
        return;
    }
    field_apply_deferred(field);
    if (field->filters)
        field_unpost_all(field, slots);
    if (field->sort_bits > 0)
        slices_fill(&field->slices, slots, 0);
    if (field->type == FIELD_MULTI_VALUE)
        field_drop_sets(field, slots);
    roaring_bitmap_andnot_inplace(field->present, slots);
    CHECK(field->has_column || field->postings.count <= FIELD_VALUES_WITHOUT_COLUMN ||
          field->type == FIELD_MULTI_VALUE);
}

void
field_scrub(struct field *field, const roaring_bitmap_t *slots)
{
    CHECK(field->deferred.count == 0);
    if (field->filters)
        postings_sweep(&field->postings, slots);
    if (field->sort_bits > 0)
        slices_fill(&field->slices, slots, 0);
    if (field->type == FIELD_MULTI_VALUE)
        set_column_clear_all(&field->sets, slots);
    roaring_bitmap_andnot_inplace(field->present, slots);
}
