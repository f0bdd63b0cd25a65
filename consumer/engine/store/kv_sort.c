/* A radix sort, byte by byte from the lowest: bytes that are the same in all keys cost nothing. */
#include "consumer/engine/store/kv_sort.h"

#include <stdlib.h>

#include "common/base/memory.h"

enum { CAPACITY_MIN = 16, DIGITS = 256, DIGIT_BITS = 8, KEY_BITS = 64 };

void
kv_free(struct kv_list *pairs)
{
    free(pairs->items);
    *pairs = (struct kv_list){0};
}

void
kv_append(struct kv_list *pairs, uint64_t key, int64_t value)
{
    if (pairs->count == pairs->capacity) {
        pairs->capacity = pairs->capacity > 0 ? 2 * pairs->capacity : CAPACITY_MIN;
        pairs->items = memory_realloc(pairs->items, pairs->capacity * sizeof *pairs->items);
    }
    pairs->items[pairs->count++] = (struct kv){key, value};
}

static void
pairs_sort_digit(const struct kv *from, struct kv *to, uint32_t count, uint32_t shift)
{
    uint32_t ends[DIGITS + 1] = {0};
    for (uint32_t i = 0; i < count; i++)
        ends[(from[i].key >> shift) % DIGITS + 1]++;
    for (uint32_t digit = 1; digit < DIGITS; digit++)
        ends[digit] += ends[digit - 1];
    for (uint32_t i = 0; i < count; i++)
        to[ends[(from[i].key >> shift) % DIGITS]++] = from[i];
}

void
kv_sort(struct kv_list *pairs)
{
    uint64_t differ = 0;
    for (uint32_t i = 1; i < pairs->count; i++)
        differ |= pairs->items[i].key ^ pairs->items[0].key;
    if (differ == 0)
        return;
    struct kv *other = memory_alloc(pairs->capacity * sizeof *other);
    for (uint32_t shift = 0; shift < KEY_BITS; shift += DIGIT_BITS) {
        if ((differ >> shift) % DIGITS == 0)
            continue;
        pairs_sort_digit(pairs->items, other, pairs->count, shift);
        struct kv *sorted = other;
        other = pairs->items;
        pairs->items = sorted;
    }
    free(other);
}
