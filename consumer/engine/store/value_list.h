/* A sorted list of distinct integers: the set of values of one slot while it is being changed.
 *
 * One thread.
 */
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
/* Appends a value that is greater than all values of the list. */
void value_list_append(struct value_list *list, int64_t value);
/* False: the list held the value already (value_list_remove(): did not hold it). */
bool value_list_add(struct value_list *list, int64_t value);
bool value_list_remove(struct value_list *list, int64_t value);

#endif
