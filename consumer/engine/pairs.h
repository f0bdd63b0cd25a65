/* A list of (key, value) pairs that is sorted by key: what brings scattered changes into the order
 * of the memory that they change. Not thread-safe.
 */
#ifndef CONSUMER_ENGINE_PAIRS_H
#define CONSUMER_ENGINE_PAIRS_H

#include <stdint.h>

struct pair {
    uint64_t key;
    int64_t value;
};

struct pairs {
    struct pair *items;
    uint32_t count;
    uint32_t capacity;
};

/* A zeroed struct is empty. */
void pairs_free(struct pairs *pairs);
void pairs_append(struct pairs *pairs, uint64_t key, int64_t value);
/* Pairs of one key stay in the order in which they came. */
void pairs_sort(struct pairs *pairs);

#endif
