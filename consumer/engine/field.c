#include "consumer/engine/field.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/memory.h"

enum { SWEPT_PER_FIND = 8, PAIRS_MAX = 1 << 20, BEHIND_MAX = 1 << 16 };
enum { AHEAD = 8 };       /* pairs from here, whose memory is fetched meanwhile */
enum { BULK_SLOTS = 64 }; /* from here on, whole bitmaps cost less than slot after slot */

void
field_init(struct field *field)
{
    field->has_column = field->sort_bits > 0;
    field->present = roaring_bitmap_create();
    CHECK(field->present != NULL);
    if (field->sort_bits > 0)
        slices_init(&field->slices, field->sort_bits);
}

void
field_free(struct field *field)
{
    free(field->sources);
    column_free(&field->column);
    set_column_free(&field->sets);
    value_list_free(&field->set);
    postings_free(&field->postings);
    slices_free(&field->slices);
    kv_free(&field->behind);
    dictionary_free(&field->dictionary);
    roaring_bitmap_free(field->present);
}

void
field_optimize(struct field *field)
{
    postings_optimize(&field->postings);
    slices_optimize(&field->slices);
    roaring_bitmap_run_optimize(field->present);
    roaring_bitmap_shrink_to_fit(field->present);
}

uint64_t
field_bytes(const struct field *field)
{
    return sizeof *field + bitmap_bytes(field->present) + column_bytes(&field->column) +
           set_column_bytes(&field->sets) + postings_bytes(&field->postings) +
           slices_bytes(&field->slices) + dictionary_bytes(&field->dictionary);
}

bool
field_find_key(const struct field *field, const struct scalar *scalar, int64_t *key)
{
    *key = scalar->number;
    if (field->type != FIELD_STRING)
        return true;
    uint32_t code;
    if (!dictionary_find(&field->dictionary, scalar->string, &code))
        return false;
    *key = code;
    return true;
}

int64_t
field_make_key(struct field *field, const struct scalar *scalar)
{
    if (field->type == FIELD_STRING)
        return dictionary_add(&field->dictionary, scalar->string);
    return scalar->number;
}

bool
field_get(const struct field *field, uint32_t slot, int64_t *key)
{
    if (!roaring_bitmap_contains(field->present, slot))
        return false;
    *key = field->has_column ? column_read(&field->column, slot)
                             : postings_value(&field->postings, slot);
    return true;
}

/* The field has more values than a look at each one is worth: from here on it has a column. */
static void
field_build_column(struct field *field)
{
    for (uint64_t i = 0; i < field->postings.capacity; i++) {
        const struct posting *posting = &field->postings.table[i];
        roaring_bitmap_t *slots = slot_set_within(&posting->slots, NULL);
        roaring_uint32_iterator_t at;
        roaring_init_iterator(slots, &at);
        for (; at.has_value; roaring_advance_uint32_iterator(&at))
            column_write(&field->column, at.current_value, posting->value);
        roaring_bitmap_free(slots);
    }
    field->has_column = true;
}

void
field_defer(struct field *field)
{
    field->defers = field->sort_bits > 0;
}

/* Gives the slices what they lack. A slot that changed several times comes several times, from each
 * number that it had to the one that it has. */
static void
field_catch_up(struct field *field)
{
    struct kv_list *behind = &field->behind;
    if (behind->count == 0)
        return;
    kv_sort(behind);
    struct slices_change *changes = memory_alloc(behind->count * sizeof *changes);
    for (uint32_t i = 0; i < behind->count; i++) {
        uint32_t slot = (uint32_t)behind->items[i].key;
        changes[i] = (struct slices_change){.slot = slot, .old_number = behind->items[i].value};
        field_get(field, slot, &changes[i].new_number);
    }
    slices_change_many(&field->slices, changes, behind->count);
    free(changes);
    behind->count = 0;
}

void
field_settle(struct field *field)
{
    field_catch_up(field);
    field->defers = false;
}

static void
field_change_slices(struct field *field, uint32_t slot, int64_t old, int64_t key)
{
    if (!field->defers) {
        slices_change(&field->slices, slot, old, key);
        return;
    }
    if (field->behind.count == BEHIND_MAX)
        field_catch_up(field);
    kv_append(&field->behind, slot, old);
}

void
field_set(struct field *field, uint32_t slot, int64_t key)
{
    int64_t old = 0;
    bool had = field_get(field, slot, &old);
    if (had && old == key)
        return;
    if (had && field->filters)
        postings_remove(&field->postings, old, &slot, 1);
    if (field->filters)
        postings_add(&field->postings, key, slot);
    if (field->sort_bits > 0)
        field_change_slices(field, slot, old, key);
    if (field->has_column)
        column_write(&field->column, slot, key);
    else if (field->postings.count > FIELD_VALUES_WITHOUT_COLUMN)
        field_build_column(field);
    if (!had)
        roaring_bitmap_add(field->present, slot);
}

static void
field_open_set(struct field *field, uint32_t slot)
{
    struct set_reader reader;
    int64_t value;
    field->set.count = 0;
    set_column_read(&field->sets, slot, &reader);
    while (set_reader_next(&reader, &value))
        value_list_append(&field->set, value);
}

static void
field_store_set(struct field *field, uint32_t slot)
{
    set_column_write(&field->sets, slot, &field->set);
    if (field->set.count > 0)
        roaring_bitmap_add(field->present, slot);
    else
        roaring_bitmap_remove(field->present, slot);
}

void
field_add(struct field *field, uint32_t slot, const int64_t *items, uint32_t count)
{
    field_open_set(field, slot);
    uint32_t count_before = field->set.count;
    for (uint32_t i = 0; i < count; i++) {
        if (value_list_add(&field->set, items[i]))
            postings_add(&field->postings, items[i], slot);
    }
    if (field->set.count != count_before)
        field_store_set(field, slot);
}

void
field_remove(struct field *field, uint32_t slot, const int64_t *items, uint32_t count)
{
    field_open_set(field, slot);
    uint32_t count_before = field->set.count;
    for (uint32_t i = 0; i < count; i++) {
        if (value_list_remove(&field->set, items[i]))
            postings_remove(&field->postings, items[i], &slot, 1);
    }
    if (field->set.count != count_before)
        field_store_set(field, slot);
}

/* Takes what the slot has out of the postings. */
static void
field_unpost(struct field *field, uint32_t slot)
{
    int64_t key;
    struct set_reader reader;
    if (field->type != FIELD_MULTI_VALUE && field_get(field, slot, &key)) {
        postings_remove(&field->postings, key, &slot, 1);
    } else if (field->type == FIELD_MULTI_VALUE) {
        set_column_read(&field->sets, slot, &reader);
        while (set_reader_next(&reader, &key))
            postings_remove(&field->postings, key, &slot, 1);
    }
}

static void
field_drop_set(struct field *field, uint32_t slot)
{
    field->set.count = 0;
    set_column_write(&field->sets, slot, &field->set);
}

void
field_clear(struct field *field, uint32_t slot)
{
    if (!roaring_bitmap_contains(field->present, slot))
        return;
    if (field->filters)
        field_unpost(field, slot);
    if (field->sort_bits > 0)
        field_change_slices(field, slot, column_read(&field->column, slot), 0);
    if (field->type == FIELD_MULTI_VALUE)
        field_drop_set(field, slot);
    roaring_bitmap_remove(field->present, slot);
}

/* --- many slots at once: by whole bitmaps where that costs less ------------------------------ */

/* Takes (value, slot) pairs, which came slot by slot, out of the postings value by value. */
static void
field_unpost_pairs(struct field *field, struct kv_list *pairs)
{
    uint32_t *slots = memory_alloc(pairs->count * sizeof *slots);
    kv_sort(pairs);
    for (uint32_t i = 0; i < pairs->count;) {
        uint64_t key = pairs->items[i].key;
        uint32_t count = 0;
        for (; i < pairs->count && pairs->items[i].key == key; i++) {
            slots[count++] = (uint32_t)pairs->items[i].value;
            if (i + 2 * AHEAD < pairs->count) {
                postings_prefetch(&field->postings, (int64_t)pairs->items[i + 2 * AHEAD].key);
                postings_prefetch_slots(&field->postings, (int64_t)pairs->items[i + AHEAD].key);
            }
        }
        postings_remove(&field->postings, (int64_t)key, slots, count);
    }
    free(slots);
    pairs->count = 0;
}

static void
field_append_pairs(const struct field *field, uint32_t slot, struct kv_list *pairs)
{
    int64_t key;
    struct set_reader reader;
    if (field->type != FIELD_MULTI_VALUE) {
        if (field_get(field, slot, &key))
            kv_append(pairs, (uint64_t)key, slot);
        return;
    }
    set_column_read(&field->sets, slot, &reader);
    while (set_reader_next(&reader, &key))
        kv_append(pairs, (uint64_t)key, slot);
}

/* A sweep over all values that there are pays when many slots go; and it is the only way when no
 * column says which of its few values a slot has. */
static bool
field_sweeps(const struct field *field, const roaring_bitmap_t *slots)
{
    if (!field->has_column && field->type != FIELD_MULTI_VALUE)
        return true;
    return roaring_bitmap_and_cardinality(field->present, slots) >
           roaring_bitmap_get_cardinality(field->present) / SWEPT_PER_FIND;
}

static void
field_unpost_all(struct field *field, const roaring_bitmap_t *slots)
{
    struct kv_list pairs = {0};
    roaring_uint32_iterator_t at;
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

/* Is there nothing of `slots` in the page of `slot`? */
static bool
page_is_free_of(const roaring_bitmap_t *slots, uint32_t slot)
{
    roaring_uint32_iterator_t at;
    uint32_t first = slot & ~(uint32_t)(PAGE_SLOTS - 1);
    roaring_init_iterator(slots, &at);
    return !roaring_move_uint32_iterator_equalorlarger(&at, first) ||
           at.current_value - first >= PAGE_SLOTS;
}

/* Writes the column page by page: one in which nobody else has a value becomes a single number. */
static void
field_write_column(struct field *field, const roaring_bitmap_t *slots, int64_t key)
{
    roaring_bitmap_t *others = roaring_bitmap_andnot(field->present, slots);
    CHECK(others != NULL);
    roaring_uint32_iterator_t at;
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

void
field_set_all(struct field *field, const roaring_bitmap_t *slots, int64_t key)
{
    roaring_uint32_iterator_t at;
    if (roaring_bitmap_get_cardinality(slots) < BULK_SLOTS) {
        roaring_init_iterator(slots, &at);
        for (; at.has_value; roaring_advance_uint32_iterator(&at))
            field_set(field, at.current_value, key);
        return;
    }
    field_catch_up(field);
    if (field->filters) {
        field_unpost_all(field, slots);
        postings_add_all(&field->postings, key, slots);
    }
    if (field->sort_bits > 0)
        slices_fill(&field->slices, slots, key);
    if (field->has_column)
        field_write_column(field, slots, key);
    else if (field->postings.count > FIELD_VALUES_WITHOUT_COLUMN)
        field_build_column(field);
    roaring_bitmap_or_inplace(field->present, slots);
}

void
field_copy_all(struct field *field, const struct field *from, const roaring_bitmap_t *slots)
{
    roaring_uint32_iterator_t at;
    CHECK(!field->filters && field->sort_bits > 0 && from->sort_bits > 0);
    if (roaring_bitmap_get_cardinality(slots) < BULK_SLOTS) {
        roaring_init_iterator(slots, &at);
        for (; at.has_value; roaring_advance_uint32_iterator(&at))
            field_set(field, at.current_value, column_read(&from->column, at.current_value));
        return;
    }
    field_catch_up(field);
    slices_copy(&field->slices, &from->slices, slots);
    roaring_init_iterator(slots, &at);
    for (; at.has_value; roaring_advance_uint32_iterator(&at))
        column_write(&field->column, at.current_value,
                     column_read(&from->column, at.current_value));
    roaring_bitmap_or_inplace(field->present, slots);
}

/* One by one, where that costs less; false: the slots are too many. */
static bool
field_change_few(struct field *field, const roaring_bitmap_t *slots,
                 void change(struct field *, uint32_t, const int64_t *, uint32_t),
                 const int64_t *items, uint32_t count)
{
    if (roaring_bitmap_get_cardinality(slots) >= BULK_SLOTS)
        return false;
    roaring_uint32_iterator_t at;
    roaring_init_iterator(slots, &at);
    for (; at.has_value; roaring_advance_uint32_iterator(&at))
        change(field, at.current_value, items, count);
    return true;
}

/* The items, ascending and each once. */
static const struct value_list *
field_sort_items(struct field *field, const int64_t *items, uint32_t count)
{
    field->set.count = 0;
    for (uint32_t i = 0; i < count; i++)
        value_list_add(&field->set, items[i]);
    return &field->set;
}

void
field_add_all(struct field *field, const roaring_bitmap_t *slots, const int64_t *items,
              uint32_t count)
{
    if (count == 0 || field_change_few(field, slots, field_add, items, count))
        return;
    const struct value_list *values = field_sort_items(field, items, count);
    roaring_bitmap_t *changed = roaring_bitmap_create();
    CHECK(changed != NULL);
    for (uint32_t i = 0; i < values->count; i++) {
        roaring_bitmap_t *holders = field_match(field, values->items[i], slots);
        roaring_bitmap_t *others = roaring_bitmap_andnot(slots, holders);
        CHECK(others != NULL);
        postings_add_all(&field->postings, values->items[i], others);
        roaring_bitmap_or_inplace(changed, others);
        roaring_bitmap_free(holders);
        roaring_bitmap_free(others);
    }
    set_column_add_all(&field->sets, changed, values);
    roaring_bitmap_or_inplace(field->present, changed);
    roaring_bitmap_free(changed);
}

void
field_remove_all(struct field *field, const roaring_bitmap_t *slots, const int64_t *items,
                 uint32_t count)
{
    if (count == 0 || field_change_few(field, slots, field_remove, items, count))
        return;
    const struct value_list *values = field_sort_items(field, items, count);
    roaring_bitmap_t *changed = roaring_bitmap_create();
    roaring_bitmap_t *emptied = roaring_bitmap_create();
    CHECK(changed != NULL && emptied != NULL);
    for (uint32_t i = 0; i < values->count; i++) {
        roaring_bitmap_t *holders = field_match(field, values->items[i], slots);
        postings_remove_all(&field->postings, values->items[i], holders);
        roaring_bitmap_or_inplace(changed, holders);
        roaring_bitmap_free(holders);
    }
    set_column_remove_all(&field->sets, changed, values, emptied);
    roaring_bitmap_andnot_inplace(field->present, emptied);
    roaring_bitmap_free(changed);
    roaring_bitmap_free(emptied);
}

static void
field_drop_sets(struct field *field, const roaring_bitmap_t *slots)
{
    roaring_bitmap_t *had = roaring_bitmap_and(field->present, slots);
    CHECK(had != NULL);
    set_column_clear_all(&field->sets, had);
    roaring_bitmap_free(had);
}

void
field_clear_all(struct field *field, const roaring_bitmap_t *slots)
{
    roaring_uint32_iterator_t at;
    if (roaring_bitmap_get_cardinality(slots) < BULK_SLOTS) {
        roaring_init_iterator(slots, &at);
        for (; at.has_value; roaring_advance_uint32_iterator(&at))
            field_clear(field, at.current_value);
        return;
    }
    field_catch_up(field);
    if (field->filters)
        field_unpost_all(field, slots);
    if (field->sort_bits > 0)
        slices_fill(&field->slices, slots, 0);
    if (field->type == FIELD_MULTI_VALUE)
        field_drop_sets(field, slots);
    roaring_bitmap_andnot_inplace(field->present, slots);
}
