/* A set of slots whose memory follows its content: nothing beside its own 8 bytes for one slot, a
 * sorted array for a few slots, a roaring bitmap for many.
 *
 * A set has an array as long as a bitmap would need more memory: a bitmap has some 70 bytes for
 * each container (65,536 slots) beside the 2 bytes of each slot. Any number of readers, or one
 * writer.
 */
#ifndef CONSUMER_ENGINE_STORE_SLOT_SET_H
#define CONSUMER_ENGINE_STORE_SLOT_SET_H

#include <roaring/roaring.h>

#include <stdbool.h>
#include <stdint.h>

struct image_reader;
struct image_writer;

/* A zeroed struct is the empty set; slot_set.c defines every other word. */
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
/* `slots` are in strictly ascending order, at least one. */
void slot_set_add_many(struct slot_set *set, const uint32_t *slots, uint32_t count);
void slot_set_remove_many(struct slot_set *set, const uint32_t *slots, uint32_t count);
bool slot_set_contains(const struct slot_set *set, uint32_t slot);
uint64_t slot_set_count(const struct slot_set *set);
/* The slots of the set that are in `within` (NULL: all of them). The caller frees the bitmap. */
roaring_bitmap_t *slot_set_within(const struct slot_set *set, const roaring_bitmap_t *within);
/* Calls `take` with the slots of the set from `begin` to `end` (not included), ascending, some at a
 * time, and with `value`, which means nothing here. */
typedef void (*slot_visit)(void *context, int64_t value, const uint32_t *slots, uint32_t count);
void slot_set_visit(const struct slot_set *set, int64_t value, uint64_t begin, uint64_t end,
                    slot_visit take, void *context);
/* Adds the slots of the set to `united`. */
void slot_set_join(const struct slot_set *set, roaring_bitmap_t *united);
/* Gives the set its smallest form. */
void slot_set_optimize(struct slot_set *set);
/* Writes a set that is not empty to an image; reads it into a zeroed struct. */
void slot_set_save(const struct slot_set *set, struct image_writer *writer);
void slot_set_load(struct slot_set *set, struct image_reader *reader);
/* Prefetches the content of the set into the processor's cache. */
static inline void
slot_set_prefetch(const struct slot_set *set)
{
    __builtin_prefetch((const void *)(uintptr_t)set->word);
}
/* Bytes of memory beside the struct itself. Visits every container of a bitmap. */
uint64_t slot_set_bytes(const struct slot_set *set);

#endif
