#include "consumer/engine/store/value_list.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"

enum { CAPACITY_MIN = 64 };

void
value_list_free(struct value_list *list)
{
    free(list->items);
    *list = (struct value_list){0};
}

/* Where `value` is or would be. */
static uint32_t
value_list_position(const struct value_list *list, int64_t value)
{
    uint32_t low = 0;
    uint32_t high = list->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (list->items[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void
value_list_append(struct value_list *list, int64_t value)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity > 0 ? list->capacity * 2 : CAPACITY_MIN;
        list->items = memory_realloc(list->items, list->capacity * sizeof list->items[0]);
    }
    list->items[list->count++] = value;
}

bool
value_list_add(struct value_list *list, int64_t value)
{
    uint32_t at = value_list_position(list, value);
    if (at < list->count && list->items[at] == value)
        return false;
    value_list_append(list, value);
    memmove(list->items + at + 1, list->items + at, (list->count - 1 - at) * sizeof list->items[0]);
    list->items[at] = value;
    return true;
}

bool
value_list_remove(struct value_list *list, int64_t value)
{
    uint32_t at = value_list_position(list, value);
    if (at == list->count || list->items[at] != value)
        return false;
    list->count--;
    memmove(list->items + at, list->items + at + 1, (list->count - at) * sizeof list->items[0]);
    return true;
}
