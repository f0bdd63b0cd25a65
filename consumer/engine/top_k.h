/* The best few of many slots by a sort field: its greatest values, or its least; of equal ones, the
 * greatest or the least slots.
 *
 * Page by page, beginning where ties are best; several pages at once when many are wanted. A heap
 * holds the best so far; of a page, the slices leave what is better than the worst of those, and of
 * that the best few. Only what is left then has its value read. Not thread-safe beside a writer.
 */
#ifndef CONSUMER_ENGINE_TOP_K_H
#define CONSUMER_ENGINE_TOP_K_H

#include "consumer/engine/field.h"

struct top_k_hit {
    int64_t value;
    uint32_t slot;
};

/* What a page of a query comes behind: better values, and this one in slots on this side of
 * `edge`: at it and above (greatest), or below it (least). */
struct top_k_key {
    int64_t value;
    uint64_t edge;
};

/* Fills `hits`, the best first, with the best `wanted` of those `slots` that have a value, behind
 * `after` unless it is NULL. Returns how many there are. */
uint64_t top_k_find(const struct field *field, const roaring_bitmap_t *slots, bool greatest,
                    const struct top_k_key *after, uint64_t wanted, struct top_k_hit *hits);

#endif
