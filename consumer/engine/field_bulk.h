/* The same change of a field (field.h) in many slots: by whole bitmaps where that costs less than
 * slot after slot. A deferring field (field_defer()) continues to defer.
 */
#ifndef CONSUMER_ENGINE_FIELD_BULK_H
#define CONSUMER_ENGINE_FIELD_BULK_H

#include "consumer/engine/field.h"

/* Scalars: all of `slots` get this value. */
void field_set_all(struct field *field, const roaring_bitmap_t *slots, int64_t key);
/* Scalars: every slot gets the value that it has in `from`; all of them have one. Both fields sort,
 * and `field` does not filter. */
void field_copy_all(struct field *field, const struct field *from, const roaring_bitmap_t *slots);

/* Multi-values: the items join or leave the sets of all `slots`. */
void field_add_all(struct field *field, const roaring_bitmap_t *slots, const int64_t *items,
                   uint32_t count);
void field_remove_all(struct field *field, const roaring_bitmap_t *slots, const int64_t *items,
                      uint32_t count);

/* Both: afterwards none of `slots` has a value in any structure, whatever the structures held
 * before: also where they disagreed. Visits all postings. */
void field_scrub(struct field *field, const roaring_bitmap_t *slots);
/* Both: afterwards none of `slots` has a value. */
void field_clear_all(struct field *field, const roaring_bitmap_t *slots);

#endif
