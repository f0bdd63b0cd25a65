/* The values of one slot in a multi-value field: a sorted array of distinct integers.
 *
 * The empty set is NULL; functions take the place that holds the set and replace it as it grows and
 * shrinks. Owned by the field whose column points at it.
 */
#ifndef CONSUMER_ENGINE_VALUE_SET_H
#define CONSUMER_ENGINE_VALUE_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct value_set {
    uint32_t count; /* never 0 */
    uint32_t capacity;
    int64_t items[]; /* ascending */
};

/* False: it was in (was not in) already, nothing changed. */
bool value_set_add(struct value_set **set, int64_t value);
bool value_set_remove(struct value_set **set, int64_t value);
/* Does it hold a value between the two, both included? */
bool value_set_overlaps(const struct value_set *set, int64_t low, int64_t high);
size_t value_set_bytes(const struct value_set *set);

#endif
