/* A sorted list of distinct integers: one slot's multi-value while it is being changed. */
#ifndef CONSUMER_ENGINE_STORE_VALUE_LIST_H
#define CONSUMER_ENGINE_STORE_VALUE_LIST_H

#include <stdbool.h>
#include <stdint.h>

struct value_list {
    int64_t *items; /* ascending */
    uint32_t count;
    uint32_t capacity;
};

/* A zeroed struct is empty. */
void value_list_free(struct value_list *list);
/* `value` is above all that are in. */
void value_list_append(struct value_list *list, int64_t value);
/* False: it was in (was not in) already, nothing changed. */
bool value_list_add(struct value_list *list, int64_t value);
bool value_list_remove(struct value_list *list, int64_t value);

#endif
