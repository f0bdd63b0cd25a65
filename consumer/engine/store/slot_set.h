/* A set of slots that costs what it holds: nothing but its own 8 bytes for one slot, a sorted array
 * for a few, a roaring bitmap for many.
 *
 * A few is as many as a bitmap would hold in more memory: each of its containers (64 Ki slots) has
 * some 70 bytes beside the 2 of every slot. Not thread-safe beside a writer.
 */
#ifndef CONSUMER_ENGINE_STORE_SLOT_SET_H
#define CONSUMER_ENGINE_STORE_SLOT_SET_H

#include <roaring/roaring.h>

#include <stdbool.h>
#include <stdint.h>

struct image_reader;
struct image_writer;

/* A zeroed struct is the empty set; every other word belongs to slot_set.c. */
struct slot_set {
    uint64_t word;
};

static inline bool
slot_set_is_empty(const struct slot_set *set)
{
    return set->word == 0;
}

void slot_set_free(struct slot_set *set);
void slot_set_add(struct slot_set *set, uint32_t slot);
void slot_set_remove(struct slot_set *set, uint32_t slot);
void slot_set_add_all(struct slot_set *set, const roaring_bitmap_t *slots);
void slot_set_remove_all(struct slot_set *set, const roaring_bitmap_t *slots);
/* `slots` ascend. */
void slot_set_remove_many(struct slot_set *set, const uint32_t *slots, uint32_t count);
bool slot_set_contains(const struct slot_set *set, uint32_t slot);
uint64_t slot_set_count(const struct slot_set *set);
/* A bitmap of those that are in `within` too (NULL: of all). The caller frees it. */
roaring_bitmap_t *slot_set_within(const struct slot_set *set, const roaring_bitmap_t *within);
/* Its slots join `united`. */
void slot_set_join(const struct slot_set *set, roaring_bitmap_t *united);
/* Takes the smallest form. */
void slot_set_optimize(struct slot_set *set);
/* As bytes, and back into a zeroed set; only what is not empty. */
void slot_set_save(const struct slot_set *set, struct image_writer *writer);
void slot_set_load(struct slot_set *set, struct image_reader *reader);
/* It will be looked at soon: lets the memory begin to fetch what it holds. */
static inline void
slot_set_expect(const struct slot_set *set)
{
    __builtin_prefetch((const void *)(uintptr_t)set->word);
}
/* Beside the struct itself; walks a bitmap's containers. */
uint64_t slot_set_bytes(const struct slot_set *set);

/* What a bitmap takes in memory, spare room and the allocator's part left out. */
uint64_t bitmap_bytes(const roaring_bitmap_t *bitmap);

#endif
