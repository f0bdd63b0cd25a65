/* The best few of many slots by a sort field: those with the greatest values, or with the least; of
 * equal values, the greatest or the least slots.
 *
 * The search reads page by page, beginning with the slots that are the better ones of equal values;
 * several pages at a time when many slots are wanted. A heap holds the best slots so far. In each
 * page the slices (slices.h) find the slots that are better than the worst of the heap, and of
 * these the best few; only their values are read. The field must not have deferred changes
 * (field_defer()). Any number of readers, or one writer.
 */
#ifndef CONSUMER_ENGINE_TOP_K_H
#define CONSUMER_ENGINE_TOP_K_H

#include "consumer/engine/field.h"

struct top_k_hit {
    int64_t value;
    uint32_t slot;
};

/* The last entry of the previous page of results. What follows it has a worse value, or the same
 * value and a slot below `edge` (greatest), or from `edge` on (least). */
struct top_k_key {
    int64_t value;
    uint64_t edge;
};

/* Fills `hits`, the best first, with the best `wanted` (at least 1) of those `slots` that have a
 * value and follow `after` (NULL: all). Returns their number. The field sorts. */
uint64_t top_k_find(const struct field *field, const roaring_bitmap_t *slots, bool greatest,
                    const struct top_k_key *after, uint64_t wanted, struct top_k_hit *hits);

#endif
