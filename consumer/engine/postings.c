#include "consumer/engine/postings.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/memory.h"

enum {
    CAPACITY_MIN = 16,
    BITMAP_BYTES = 160, /* a bitmap of few slots: its struct, arrays and allocator overhead */
    PAIR_BYTES = 4,     /* 2 in an array container, and a share of its header and spare room */
};

/* The finalizer of MurmurHash3: consecutive values scatter. */
static uint64_t
postings_hash(int64_t value)
{
    uint64_t h = (uint64_t)value;
    h ^= h >> 33;
    h *= 0xff51afd7ed558ccd;
    h ^= h >> 33;
    h *= 0xc4ceb9fe1a85ec53;
    return h ^ h >> 33;
}

/* Where `value` is, or the free place where it would go. The table is never full. */
static uint64_t
postings_place(const struct postings *postings, int64_t value)
{
    uint64_t mask = postings->capacity - 1;
    uint64_t at = postings_hash(value) & mask;
    while (postings->table[at].slots != NULL && postings->table[at].value != value)
        at = (at + 1) & mask;
    return at;
}

static void
postings_grow(struct postings *postings)
{
    struct posting *old = postings->table;
    uint64_t old_capacity = postings->capacity;
    postings->capacity = old_capacity > 0 ? old_capacity * 2 : CAPACITY_MIN;
    postings->table = memory_zalloc(postings->capacity * sizeof *postings->table);
    for (uint64_t i = 0; i < old_capacity; i++) {
        if (old[i].slots != NULL)
            postings->table[postings_place(postings, old[i].value)] = old[i];
    }
    free(old);
}

/* Frees a place and moves back what a search would no longer reach across it. */
static void
postings_drop(struct postings *postings, uint64_t hole)
{
    uint64_t mask = postings->capacity - 1;
    roaring_bitmap_free(postings->table[hole].slots);
    for (uint64_t at = (hole + 1) & mask; postings->table[at].slots != NULL; at = (at + 1) & mask) {
        uint64_t home = postings_hash(postings->table[at].value) & mask;
        if (((at - home) & mask) < ((at - hole) & mask))
            continue;
        postings->table[hole] = postings->table[at];
        hole = at;
    }
    postings->table[hole].slots = NULL;
    postings->count--;
}

void
postings_free(struct postings *postings)
{
    for (uint64_t i = 0; i < postings->capacity; i++) {
        if (postings->table[i].slots != NULL)
            roaring_bitmap_free(postings->table[i].slots);
    }
    free(postings->table);
    *postings = (struct postings){0};
}

const roaring_bitmap_t *
postings_find(const struct postings *postings, int64_t value)
{
    if (postings->capacity == 0)
        return NULL;
    return postings->table[postings_place(postings, value)].slots;
}

void
postings_add(struct postings *postings, int64_t value, uint32_t slot)
{
    if (postings->count * 4 >= postings->capacity * 3)
        postings_grow(postings);
    struct posting *posting = &postings->table[postings_place(postings, value)];
    if (posting->slots == NULL) {
        *posting = (struct posting){value, roaring_bitmap_create()};
        CHECK(posting->slots != NULL);
        postings->count++;
    }
    postings->pairs += roaring_bitmap_add_checked(posting->slots, slot);
}

void
postings_remove(struct postings *postings, int64_t value, uint32_t slot)
{
    if (postings->capacity == 0)
        return;
    uint64_t at = postings_place(postings, value);
    roaring_bitmap_t *slots = postings->table[at].slots;
    if (slots == NULL)
        return;
    postings->pairs -= roaring_bitmap_remove_checked(slots, slot);
    if (roaring_bitmap_is_empty(slots))
        postings_drop(postings, at);
}

uint64_t
postings_bytes(const struct postings *postings)
{
    return postings->capacity * sizeof *postings->table + postings->count * BITMAP_BYTES +
           postings->pairs * PAIR_BYTES;
}
