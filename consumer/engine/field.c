#include "consumer/engine/field.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/memory.h"

enum { DEFERRED_MAX = 1 << 16, UNHELD_TEXTS_MIN = 64 };

/* The invariants that are cheap to verify, once in a batch. */
static void
field_check(const struct field *field)
{
    CHECK(field->filters || field->postings.count == 0);
    CHECK(field->slices.count == (field->sort_bits > 0 ? field->sort_bits + 1 : 0));
    CHECK(field->has_column || field->sort_bits == 0);
    CHECK(!field->has_column || field->type != FIELD_MULTI_VALUE);
    CHECK(field->type == FIELD_STRING || field->dictionary.count == 0);
    CHECK(field->cases.count == (field->ignores_case ? field->dictionary.count : 0));
    CHECK((field->computed_op != COMPUTED_NONE) == (field->sources != NULL));
    CHECK(!field->feeds || field->computed_op == COMPUTED_NONE);
}

void
field_init(struct field *field)
{
    CHECK(field->name.bytes > 0);
    CHECK(field->filters || field->sort_bits > 0);
    CHECK(field->min <= field->max);
    field->has_column = field->sort_bits > 0;
    field->present = bitmap_create();
    if (field->sort_bits > 0)
        slices_init(&field->slices, field->sort_bits);
    field_check(field);
}

void
field_free(struct field *field)
{
    CHECK(field->present != NULL);
    free(field->sources);
    column_free(&field->column);
    set_column_free(&field->sets);
    value_list_free(&field->set);
    postings_free(&field->postings);
    slices_free(&field->slices);
    kv_free(&field->deferred);
    dictionary_free(&field->dictionary);
    case_index_free(&field->cases);
    roaring_bitmap_free(field->present);
}

void
field_index_cases(struct field *field)
{
    CHECK(!field->ignores_case || field->type == FIELD_STRING);
    if (field->ignores_case)
        case_index_follow(&field->cases, &field->dictionary);
}

bool
field_holds_text(const void *context, uint32_t code)
{
    const struct field *field = context;
    CHECK(field->type == FIELD_STRING);
    CHECK(field->filters);
    return postings_find(&field->postings, code) != NULL;
}

/* The cost of a pass, which visits all texts, is spread over as many that were written. */
void
field_drop_texts(struct field *field)
{
    uint64_t held = field->postings.count;
    if (field->type != FIELD_STRING)
        return;
    CHECK(held <= field->dictionary.live);
    if (field->dictionary.live - held <= held / 2 + UNHELD_TEXTS_MIN)
        return;
    dictionary_drop(&field->dictionary, field_holds_text, field);
    CHECK(field->dictionary.live == held);
    case_index_free(&field->cases);
    field_index_cases(field);
}

void
field_optimize(struct field *field)
{
    CHECK(field->deferred.count == 0);
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
           slices_bytes(&field->slices) + dictionary_bytes(&field->dictionary) +
           case_index_bytes(&field->cases);
}

/* --- scalars --------------------------------------------------------------------------------- */

bool
field_get(const struct field *field, uint32_t slot, int64_t *key)
{
    CHECK(field->type != FIELD_MULTI_VALUE);
    if (!roaring_bitmap_contains(field->present, slot))
        return false;
    *key = field->has_column ? column_read(&field->column, slot)
                             : postings_value(&field->postings, slot);
    return true;
}

void
field_build_column(struct field *field)
{
    uint64_t written = 0;
    CHECK(!field->has_column);
    for (uint64_t i = 0; i < field->postings.capacity; i++) {
        const struct posting *posting = &field->postings.table[i];
        roaring_bitmap_t *slots = slot_set_within(&posting->slots, NULL);
        roaring_uint32_iterator_t at;
        roaring_init_iterator(slots, &at);
        for (; at.has_value; roaring_advance_uint32_iterator(&at))
            column_write(&field->column, at.current_value, posting->value);
        written += roaring_bitmap_get_cardinality(slots);
        roaring_bitmap_free(slots);
    }
    CHECK(written >= roaring_bitmap_get_cardinality(field->present));
    field->has_column = true;
}

void
field_check_column(struct field *field)
{
    CHECK(field->filters);
    CHECK(field->type != FIELD_MULTI_VALUE);
    if (!field->has_column && field->postings.count > FIELD_VALUES_WITHOUT_COLUMN)
        field_build_column(field);
}

void
field_defer(struct field *field)
{
    CHECK(!field->defers);
    CHECK(field->deferred.count == 0);
    CHECK(!field->set_is_open);
    field->defers = field->sort_bits > 0 || field->type == FIELD_MULTI_VALUE;
}

/* Writes the open set, if it has changed, to the column. */
static void
field_close_set(struct field *field)
{
    CHECK(field->set_is_open || !field->set_is_changed);
    if (field->set_is_changed)
        set_column_write(&field->sets, field->set_slot, &field->set);
    field->set_is_open = field->set_is_changed = false;
}

/* A slot that changed several times is in the list several times. Its changes go from each number
 * that it had to the one that it has now. */
void
field_apply_deferred(struct field *field)
{
    struct kv_list *deferred = &field->deferred;
    field_close_set(field);
    if (deferred->count == 0)
        return;
    CHECK(field->defers);
    kv_sort(deferred);
    struct slices_change *changes = memory_alloc(deferred->count * sizeof *changes);
    for (uint32_t i = 0; i < deferred->count; i++) {
        uint32_t slot = (uint32_t)deferred->items[i].key;
        changes[i] = (struct slices_change){.slot = slot, .old_number = deferred->items[i].value};
        field_get(field, slot, &changes[i].new_number);
    }
    slices_change_many(&field->slices, changes, deferred->count);
    free(changes);
    deferred->count = 0;
}

void
field_settle(struct field *field)
{
    field_apply_deferred(field);
    field->defers = false;
    CHECK(field->deferred.count == 0);
    field_check(field);
}

static void
field_change_slices(struct field *field, uint32_t slot, int64_t old, int64_t key)
{
    CHECK(field->sort_bits > 0);
    if (!field->defers) {
        slices_change(&field->slices, slot, old, key);
        return;
    }
    if (field->deferred.count == DEFERRED_MAX)
        field_apply_deferred(field);
    kv_append(&field->deferred, slot, old);
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

/* --- multi-values ---------------------------------------------------------------------------- */

/* Reads the set of the slot into `field->set`, unless it is there. */
static void
field_open_set(struct field *field, uint32_t slot)
{
    struct set_reader reader;
    int64_t value;
    CHECK(field->type == FIELD_MULTI_VALUE);
    CHECK(field->filters);
    if (field->set_is_open && field->set_slot == slot)
        return;
    field_close_set(field);
    field->set.count = 0;
    set_column_read(&field->sets, slot, &reader);
    while (set_reader_next(&reader, &value))
        value_list_append(&field->set, value);
    field->set_slot = slot;
    field->set_is_open = true;
    field->set_is_changed = false;
    CHECK(field->set.count < 2 || field->set.items[0] < field->set.items[field->set.count - 1]);
}

/* Values have joined or left the open set. */
static void
field_note_set(struct field *field, uint32_t count_before)
{
    uint32_t count = field->set.count;
    CHECK(field->set_is_open);
    field->set_is_changed |= count != count_before;
    if (count > 0 && count_before == 0)
        roaring_bitmap_add(field->present, field->set_slot);
    else if (count == 0 && count_before > 0)
        roaring_bitmap_remove(field->present, field->set_slot);
    if (!field->defers)
        field_close_set(field);
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
    CHECK(field->set.count >= count_before);
    field_note_set(field, count_before);
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
    CHECK(field->set.count <= count_before);
    field_note_set(field, count_before);
}

/* --- both ------------------------------------------------------------------------------------ */

/* Removes the slot from the postings of its values. */
static void
field_unpost(struct field *field, uint32_t slot)
{
    int64_t key;
    struct set_reader reader;
    CHECK(field->filters);
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
    CHECK(field->type == FIELD_MULTI_VALUE);
    field->set.count = 0;
    set_column_write(&field->sets, slot, &field->set);
}

void
field_clear(struct field *field, uint32_t slot)
{
    if (!roaring_bitmap_contains(field->present, slot))
        return;
    field_close_set(field);
    if (field->filters)
        field_unpost(field, slot);
    if (field->sort_bits > 0)
        field_change_slices(field, slot, column_read(&field->column, slot), 0);
    if (field->type == FIELD_MULTI_VALUE)
        field_drop_set(field, slot);
    roaring_bitmap_remove(field->present, slot);
}

void
field_reset(struct field *field)
{
    uint32_t width = field->sort_bits;
    column_free(&field->column);
    set_column_free(&field->sets);
    field->sets = (struct set_column){0};
    postings_free(&field->postings);
    slices_free(&field->slices);
    if (width > 0)
        slices_init(&field->slices, width);
    roaring_bitmap_clear(field->present);
    field->deferred.count = 0;
    field->has_column = width > 0;
    field_check(field);
}
