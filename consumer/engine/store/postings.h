/* The postings of one field: value -> the slots that hold it.
 *
 * A hash table with open addressing, 16 bytes a place. A value that no slot holds any more has no
 * place in the table, so the table does not keep values that are no longer used. Any number of
 * readers, or one writer.
 */
#ifndef CONSUMER_ENGINE_STORE_POSTINGS_H
#define CONSUMER_ENGINE_STORE_POSTINGS_H

#include "consumer/engine/store/slot_set.h"

struct posting {
    int64_t value;
    struct slot_set slots; /* empty: the place is free */
};

struct postings {
    struct posting *table;
    uint64_t capacity; /* 0 or a power of two */
    uint64_t count;    /* of values */
};

/* A zeroed struct is empty. */
void postings_free(struct postings *postings);
/* The slots that hold `value`; NULL when no slot does. Valid until the next change. */
const struct slot_set *postings_find(const struct postings *postings, int64_t value);
/* The value of a slot that holds exactly one. Visits the whole table. */
int64_t postings_value(const struct postings *postings, uint32_t slot);
void postings_add(struct postings *postings, int64_t value, uint32_t slot);
void postings_add_all(struct postings *postings, int64_t value, const roaring_bitmap_t *slots);
/* Adds `slots`, strictly ascending, at least one, to the slots of `value`; removes them from it. */
void postings_add_many(struct postings *postings, int64_t value, const uint32_t *slots,
                       uint32_t count);
void postings_remove(struct postings *postings, int64_t value, const uint32_t *slots,
                     uint32_t count);
void postings_remove_all(struct postings *postings, int64_t value, const roaring_bitmap_t *slots);
/* Removes `slots` from every value. Visits the whole table. */
void postings_sweep(struct postings *postings, const roaring_bitmap_t *slots);
/* Prefetches into the processor's cache the place of a value, and its slots (which reads the
 * place). */
void postings_prefetch(const struct postings *postings, int64_t value);
void postings_prefetch_slots(const struct postings *postings, int64_t value);
/* The slots of `within` (NULL: of all) with a value from `low` to `high`, both included. Visits the
 * whole table. The caller frees the bitmap. */
roaring_bitmap_t *postings_between(const struct postings *postings, int64_t low, int64_t high,
                                   const roaring_bitmap_t *within);
/* Calls `take` with each value and its slots from `begin` to `end` (not included), some at a time.
 * Visits the whole table. */
void postings_visit(const struct postings *postings, uint64_t begin, uint64_t end, slot_visit take,
                    void *context);
/* Writes the postings to an image; reads them into a zeroed struct. */
void postings_save(const struct postings *postings, struct image_writer *writer);
void postings_load(struct postings *postings, struct image_reader *reader);
/* Gives every set its smallest form. */
void postings_optimize(struct postings *postings);
uint64_t postings_bytes(const struct postings *postings);

#endif
