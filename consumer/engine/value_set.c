#include "consumer/engine/value_set.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"

enum { CAPACITY_MIN = 4 };

/* Where `value` is or would be. */
static uint32_t
value_set_position(const struct value_set *set, int64_t value)
{
    uint32_t low = 0;
    uint32_t high = set != NULL ? set->count : 0;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (set->items[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct value_set *
value_set_resize(struct value_set *set, uint32_t capacity)
{
    set = memory_realloc(set, sizeof *set + capacity * sizeof set->items[0]);
    set->capacity = capacity;
    return set;
}

bool
value_set_add(struct value_set **place, int64_t value)
{
    struct value_set *set = *place;
    uint32_t at = value_set_position(set, value);
    if (set == NULL) {
        set = value_set_resize(NULL, CAPACITY_MIN);
        set->count = 0;
    } else if (at < set->count && set->items[at] == value) {
        return false;
    } else if (set->count == set->capacity) {
        set = value_set_resize(set, set->capacity + set->capacity / 2);
    }
    memmove(set->items + at + 1, set->items + at, (set->count - at) * sizeof set->items[0]);
    set->items[at] = value;
    set->count++;
    *place = set;
    return true;
}

bool
value_set_remove(struct value_set **place, int64_t value)
{
    struct value_set *set = *place;
    uint32_t at = value_set_position(set, value);
    if (set == NULL || at == set->count || set->items[at] != value)
        return false;
    set->count--;
    memmove(set->items + at, set->items + at + 1, (set->count - at) * sizeof set->items[0]);
    if (set->count == 0) {
        free(set);
        set = NULL;
    } else if (set->capacity > CAPACITY_MIN && set->count <= set->capacity / 4) {
        set = value_set_resize(set, set->capacity / 2);
    }
    *place = set;
    return true;
}

bool
value_set_overlaps(const struct value_set *set, int64_t low, int64_t high)
{
    uint32_t at = value_set_position(set, low);
    return set != NULL && at < set->count && set->items[at] <= high;
}

size_t
value_set_bytes(const struct value_set *set)
{
    return set != NULL ? sizeof *set + set->capacity * sizeof set->items[0] : 0;
}
