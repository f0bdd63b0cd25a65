#include "consumer/engine/field_pairs.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/memory.h"

enum { PREFETCH_AHEAD = 8 }; /* pairs */

/* Prefetches what the pairs after `at` need: first the place of a value, later its slots. */
static void
pairs_prefetch(const struct field *field, const struct kv_list *pairs, uint32_t at)
{
    if (at + 2 * PREFETCH_AHEAD >= pairs->count)
        return;
    postings_prefetch(&field->postings, (int64_t)pairs->items[at + 2 * PREFETCH_AHEAD].key);
    postings_prefetch_slots(&field->postings, (int64_t)pairs->items[at + PREFETCH_AHEAD].key);
}

static void
pairs_change(struct field *field, struct kv_list *pairs,
             void change(struct postings *, int64_t, const uint32_t *, uint32_t))
{
    uint32_t *slots = memory_alloc(pairs->count * sizeof *slots);
    uint32_t changed = 0;
    CHECK(field->filters);
    kv_sort(pairs);
    for (uint32_t i = 0; i < pairs->count;) {
        uint64_t key = pairs->items[i].key;
        uint32_t count = 0;
        for (; i < pairs->count && pairs->items[i].key == key; i++) {
            slots[count++] = (uint32_t)pairs->items[i].value;
            pairs_prefetch(field, pairs, i);
        }
        change(&field->postings, (int64_t)key, slots, count);
        changed += count;
    }
    CHECK(changed == pairs->count);
    free(slots);
    pairs->count = 0;
}

void
field_post_pairs(struct field *field, struct kv_list *pairs)
{
    if (pairs->count > 0)
        pairs_change(field, pairs, postings_add_many);
}

void
field_unpost_pairs(struct field *field, struct kv_list *pairs)
{
    if (pairs->count > 0)
        pairs_change(field, pairs, postings_remove);
}
