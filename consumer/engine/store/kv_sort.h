/* A list of (key, value) pairs that is sorted by key: what brings scattered changes into the order
 * of the memory that they change. Not thread-safe.
 */
#ifndef CONSUMER_ENGINE_STORE_KV_SORT_H
#define CONSUMER_ENGINE_STORE_KV_SORT_H

#include <stdint.h>

struct kv {
    uint64_t key;
    int64_t value;
};

struct kv_list {
    struct kv *items;
    uint32_t count;
    uint32_t capacity;
};

/* A zeroed struct is empty. */
void kv_free(struct kv_list *pairs);
void kv_append(struct kv_list *pairs, uint64_t key, int64_t value);
/* Pairs of one key stay in the order in which they came. */
void kv_sort(struct kv_list *pairs);

#endif
