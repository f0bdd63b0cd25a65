/* The sort goes digit by digit (11 bits) from the lowest, and skips digits that are the same in all
 * keys. */
#include "consumer/engine/store/kv_sort.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/memory.h"

enum { CAPACITY_MIN = 16, DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS, KEY_BITS = 64 };

void
kv_free(struct kv_list *list)
{
    CHECK(list->count <= list->capacity);
    free(list->items);
    *list = (struct kv_list){0};
}

void
kv_reserve(struct kv_list *list, uint32_t count)
{
    CHECK(list->count <= list->capacity);
    if (count <= list->capacity)
        return;
    list->capacity = count;
    list->items = memory_realloc(list->items, list->capacity * sizeof *list->items);
}

void
kv_append(struct kv_list *list, uint64_t key, int64_t value)
{
    if (list->count == list->capacity) {
        CHECK(list->capacity <= UINT32_MAX / 2);
        kv_reserve(list, list->capacity > 0 ? 2 * list->capacity : CAPACITY_MIN);
    }
    list->items[list->count++] = (struct kv){key, value};
}

static void
kv_sort_digit(const struct kv *from, struct kv *to, uint32_t count, uint32_t shift)
{
    uint32_t ends[DIGITS + 1] = {0};
    CHECK(from != to);
    CHECK(shift < KEY_BITS);
    for (uint32_t i = 0; i < count; i++)
        ends[(from[i].key >> shift) % DIGITS + 1]++;
    for (uint32_t digit = 1; digit < DIGITS; digit++)
        ends[digit] += ends[digit - 1];
    for (uint32_t i = 0; i < count; i++)
        to[ends[(from[i].key >> shift) % DIGITS]++] = from[i];
}

/* The bits in which keys differ. */
static uint64_t
kv_differences(const struct kv_list *list)
{
    uint64_t differ = 0;
    for (uint32_t i = 1; i < list->count; i++)
        differ |= list->items[i].key ^ list->items[0].key;
    return differ;
}

void
kv_sort(struct kv_list *list)
{
    uint64_t differ = kv_differences(list);
    CHECK(list->count <= list->capacity);
    if (differ == 0)
        return;
    struct kv *other = memory_alloc(list->capacity * sizeof *other);
    for (uint32_t shift = 0; shift < KEY_BITS; shift += DIGIT_BITS) {
        if ((differ >> shift) % DIGITS == 0)
            continue;
        kv_sort_digit(list->items, other, list->count, shift);
        struct kv *sorted = other;
        other = list->items;
        list->items = sorted;
    }
    free(other);
    CHECK(list->items[0].key <= list->items[list->count - 1].key);
}
