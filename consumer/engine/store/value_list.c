#include "consumer/engine/store/value_list.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/memory.h"
#include "common/base/search.h"

enum { CAPACITY_MIN = 64 };

void
value_list_free(struct value_list *list)
{
    CHECK(list->count <= list->capacity);
    free(list->items);
    *list = (struct value_list){0};
}

struct value_search {
    const struct value_list *list;
    int64_t wanted;
};

static bool
value_is_below(const void *context, uint32_t at)
{
    const struct value_search *search = context;
    return search->list->items[at] < search->wanted;
}

/* The index that `value` has or would have. */
static uint32_t
value_list_position(const struct value_list *list, int64_t value)
{
    const struct value_search search = {list, value};
    return search_first(list->count, value_is_below, &search);
}

/* Makes room for one more value. */
static void
value_list_reserve(struct value_list *list)
{
    CHECK(list->count <= list->capacity);
    if (list->count < list->capacity)
        return;
    list->capacity = list->capacity > 0 ? list->capacity * 2 : CAPACITY_MIN;
    CHECK(list->capacity > list->count);
    list->items = memory_realloc(list->items, list->capacity * sizeof list->items[0]);
}

void
value_list_append(struct value_list *list, int64_t value)
{
    value_list_reserve(list);
    list->items[list->count++] = value;
}

bool
value_list_add(struct value_list *list, int64_t value)
{
    uint32_t at = value_list_position(list, value);
    if (at < list->count && list->items[at] == value)
        return false;
    value_list_reserve(list);
    memmove(list->items + at + 1, list->items + at, (list->count - at) * sizeof list->items[0]);
    list->items[at] = value;
    list->count++;
    CHECK(at == 0 || list->items[at - 1] < value);
    CHECK(at + 1 == list->count || value < list->items[at + 1]);
    return true;
}

bool
value_list_remove(struct value_list *list, int64_t value)
{
    uint32_t at = value_list_position(list, value);
    if (at == list->count || list->items[at] != value)
        return false;
    CHECK(list->count <= list->capacity);
    list->count--;
    memmove(list->items + at, list->items + at + 1, (list->count - at) * sizeof list->items[0]);
    return true;
}
