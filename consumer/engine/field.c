#include "consumer/engine/field.h"

#include <stdlib.h>

#include "common/base/check.h"

void
field_init(struct field *field)
{
    field->present = roaring_bitmap_create();
    CHECK(field->present != NULL);
}

static void
field_free_sets(struct field *field)
{
    roaring_uint32_iterator_t at;
    roaring_init_iterator(field->present, &at);
    for (; at.has_value; roaring_advance_uint32_iterator(&at))
        free(column_read(&field->column, at.current_value).set);
}

void
field_free(struct field *field)
{
    if (field->type == FIELD_MULTI_VALUE)
        field_free_sets(field);
    column_free(&field->column);
    postings_free(&field->postings);
    dictionary_free(&field->dictionary);
    roaring_bitmap_free(field->present);
}

uint64_t
field_bytes(const struct field *field)
{
    return roaring_bitmap_size_in_bytes(field->present) + column_bytes(&field->column) +
           postings_bytes(&field->postings) + dictionary_bytes(&field->dictionary) +
           field->set_bytes;
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
    if (field->type == FIELD_BOOLEAN) {
        const roaring_bitmap_t *yes = postings_find(&field->postings, 1);
        *key = yes != NULL && roaring_bitmap_contains(yes, slot);
    } else {
        *key = column_read(&field->column, slot).number;
    }
    return true;
}

void
field_set(struct field *field, uint32_t slot, int64_t key)
{
    int64_t old;
    bool had = field_get(field, slot, &old);
    if (had && old == key)
        return;
    if (had && field->filters)
        postings_remove(&field->postings, old, slot);
    if (field->filters)
        postings_add(&field->postings, key, slot);
    if (field->type != FIELD_BOOLEAN)
        column_write(&field->column, slot)->number = key;
    if (!had)
        roaring_bitmap_add(field->present, slot);
}

const struct value_set *
field_get_set(const struct field *field, uint32_t slot)
{
    return column_read(&field->column, slot).set;
}

void
field_add(struct field *field, uint32_t slot, int64_t key)
{
    struct value_set **set = &column_write(&field->column, slot)->set;
    size_t bytes_before = value_set_bytes(*set);
    if (!value_set_add(set, key))
        return;
    field->set_bytes += value_set_bytes(*set) - bytes_before;
    if ((*set)->count == 1)
        roaring_bitmap_add(field->present, slot);
    postings_add(&field->postings, key, slot);
}

void
field_remove(struct field *field, uint32_t slot, int64_t key)
{
    if (field_get_set(field, slot) == NULL)
        return;
    struct value_set **set = &column_write(&field->column, slot)->set;
    size_t bytes_before = value_set_bytes(*set);
    if (!value_set_remove(set, key))
        return;
    field->set_bytes -= bytes_before - value_set_bytes(*set);
    if (*set == NULL)
        roaring_bitmap_remove(field->present, slot);
    postings_remove(&field->postings, key, slot);
}

static void
field_clear_set(struct field *field, uint32_t slot)
{
    struct value_set *set = column_read(&field->column, slot).set;
    if (set == NULL)
        return;
    for (uint32_t i = 0; i < set->count; i++)
        postings_remove(&field->postings, set->items[i], slot);
    field->set_bytes -= value_set_bytes(set);
    free(set);
    column_write(&field->column, slot)->set = NULL;
    roaring_bitmap_remove(field->present, slot);
}

void
field_clear(struct field *field, uint32_t slot)
{
    if (field->type == FIELD_MULTI_VALUE) {
        field_clear_set(field, slot);
        return;
    }
    int64_t old;
    if (!field_get(field, slot, &old))
        return;
    if (field->filters)
        postings_remove(&field->postings, old, slot);
    roaring_bitmap_remove(field->present, slot);
}

bool
field_overlaps(const struct field *field, uint32_t slot, int64_t low, int64_t high)
{
    union cell cell = column_read(&field->column, slot);
    if (field->type == FIELD_MULTI_VALUE)
        return value_set_overlaps(cell.set, low, high);
    return cell.number >= low && cell.number <= high;
}
