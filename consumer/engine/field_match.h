/* Which slots hold a value of a field, or a value in a range: from the postings, from the slices,
 * or by reading the value of every candidate, whichever costs least. The caller frees the bitmaps.
 * The field must not have deferred changes (field_defer()).
 */
#ifndef CONSUMER_ENGINE_FIELD_MATCH_H
#define CONSUMER_ENGINE_FIELD_MATCH_H

#include "consumer/engine/field.h"

/* The slots of `within` (NULL: of all) that hold this value. */
roaring_bitmap_t *field_match(const struct field *field, int64_t key,
                              const roaring_bitmap_t *within);
/* The slots of `within` (NULL: of all) with a value from `low` to `high`, both included. Integers
 * and sets of integers. */
roaring_bitmap_t *field_match_range(const struct field *field, int64_t low, int64_t high,
                                    const roaring_bitmap_t *within);

/* The slots of `within` that hold one of the keys, which are ascending, of a field that only sorts:
 * reads the value of each. */
roaring_bitmap_t *field_match_listed(const struct field *field, const int64_t *keys, uint32_t count,
                                     const roaring_bitmap_t *within);

/* For several values: does uniting the slots of all values, and intersecting them with `within` at
 * the end, cost less than field_match() for each value? */
bool field_unites(const struct field *field, const roaring_bitmap_t *within);
/* Adds to `united` the slots that hold `key`. The field filters. */
void field_unite(const struct field *field, int64_t key, roaring_bitmap_t *united);

/* Compares the values of the slots in `open`, all of this page and all with a value, with `value`,
 * which is within the bounds of the field. Sets `above` to the slots with a greater value, and
 * leaves in `open` those that are equal. The field sorts. */
void field_part(const struct field *field, uint32_t page, int64_t value, struct page_bits *open,
                struct page_bits *above);

#endif
