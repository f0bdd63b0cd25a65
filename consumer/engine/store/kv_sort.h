/* A list of (key, value) pairs and a radix sort of it by key. Changes that come in any order are
 * sorted by where in memory they apply, which makes applying them several times faster.
 *
 * One thread.
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
void kv_free(struct kv_list *list);
/* Makes room for `count` pairs in total. */
void kv_reserve(struct kv_list *list, uint32_t count);
void kv_append(struct kv_list *list, uint64_t key, int64_t value);
/* Sorts by key, ascending; pairs of the same key keep their order. */
void kv_sort(struct kv_list *list);

#endif
