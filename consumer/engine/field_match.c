/* Which slots hold a value, or one of a range: from the postings, the slices, or by a look at the
 * value of every candidate, whichever costs least. */
#include "consumer/engine/field.h"

#include "common/base/check.h"

enum { SCAN_SLOTS = 256, SCAN_MAX = 1024, SCANS_PER_POSTING = 16 };

static roaring_bitmap_t *
bitmap_create(void)
{
    roaring_bitmap_t *bitmap = roaring_bitmap_create();
    CHECK(bitmap != NULL);
    return bitmap;
}

static bool
field_overlaps(const struct field *field, uint32_t slot, int64_t low, int64_t high)
{
    int64_t value;
    struct set_reader reader;
    if (field->type != FIELD_MULTI_VALUE) {
        value = column_read(&field->column, slot);
        return value >= low && value <= high;
    }
    set_column_read(&field->sets, slot, &reader);
    while (set_reader_next(&reader, &value) && value <= high) {
        if (value >= low)
            return true;
    }
    return false;
}

static roaring_bitmap_t *
field_scan(const struct field *field, int64_t low, int64_t high, const roaring_bitmap_t *candidates)
{
    roaring_bitmap_t *matches = bitmap_create();
    roaring_uint32_iterator_t at;
    uint32_t slots[SCAN_SLOTS];
    uint32_t read;
    roaring_init_iterator(candidates, &at);
    while ((read = roaring_read_uint32_iterator(&at, slots, SCAN_SLOTS)) > 0) {
        uint32_t kept = 0;
        for (uint32_t i = 0; i < read; i++) {
            if (field_overlaps(field, slots[i], low, high))
                slots[kept++] = slots[i];
        }
        roaring_bitmap_add_many(matches, kept, slots);
    }
    return matches;
}

/* Both bounds are within the field's. */
static roaring_bitmap_t *
field_slice(const struct field *field, int64_t low, int64_t high,
            const roaring_bitmap_t *candidates)
{
    roaring_bitmap_t *matches, *beyond, *equal;
    slices_compare(&field->slices, low, candidates, &matches, &equal);
    roaring_bitmap_or_inplace(matches, equal);
    roaring_bitmap_free(equal);
    if (high == field->max)
        return matches;
    slices_compare(&field->slices, high, matches, &beyond, &equal);
    roaring_bitmap_andnot_inplace(matches, beyond);
    roaring_bitmap_free(beyond);
    roaring_bitmap_free(equal);
    return matches;
}

static bool
field_goes_by_postings(const struct field *field, uint64_t candidates)
{
    bool scans = field->has_column || field->type == FIELD_MULTI_VALUE;
    return field->filters && (!scans || field->postings.count < candidates / SCANS_PER_POSTING);
}

roaring_bitmap_t *
field_match_range(const struct field *field, int64_t low, int64_t high,
                  const roaring_bitmap_t *within)
{
    low = low < field->min ? field->min : low;
    high = high > field->max ? field->max : high;
    if (low > high)
        return bitmap_create();
    roaring_bitmap_t *candidates = within != NULL ? roaring_bitmap_and(field->present, within)
                                                  : roaring_bitmap_copy(field->present);
    CHECK(candidates != NULL);
    uint64_t count = roaring_bitmap_get_cardinality(candidates);
    roaring_bitmap_t *matches;
    if (field_goes_by_postings(field, count))
        matches = postings_between(&field->postings, low, high, candidates);
    else if (field->sort_bits > 0 && count > SCAN_MAX)
        matches = field_slice(field, low, high, candidates);
    else
        matches = field_scan(field, low, high, candidates);
    roaring_bitmap_free(candidates);
    return matches;
}

roaring_bitmap_t *
field_match(const struct field *field, int64_t key, const roaring_bitmap_t *within)
{
    if (!field->filters)
        return field_match_range(field, key, key, within);
    const struct slot_set *slots = postings_find(&field->postings, key);
    return slots != NULL ? slot_set_within(slots, within) : bitmap_create();
}

bool
field_least(const struct field *field, const roaring_bitmap_t *slots, int64_t *least)
{
    roaring_bitmap_t *best = field->sort_bits > 0 ? slices_best(&field->slices, slots, 1, false)
                                                  : roaring_bitmap_copy(slots);
    CHECK(best != NULL);
    roaring_uint32_iterator_t at;
    roaring_init_iterator(best, &at);
    bool found = at.has_value;
    *least = INT64_MAX;
    for (; at.has_value; roaring_advance_uint32_iterator(&at)) {
        int64_t value;
        if (field_get(field, at.current_value, &value) && value < *least)
            *least = value;
    }
    roaring_bitmap_free(best);
    return found;
}
