/* The postings of one field: value -> the slots that hold it.
 *
 * A hash table with open addressing, 16 bytes a place. A value that no slot holds any more has no
 * place in it, so that values that come and go leave nothing behind. Not thread-safe beside a
 * writer.
 */
#ifndef CONSUMER_ENGINE_STORE_POSTINGS_H
#define CONSUMER_ENGINE_STORE_POSTINGS_H

#include "consumer/engine/store/slot_set.h"

struct posting {
    int64_t value;
    struct slot_set slots; /* empty: this place of the table is free */
};

struct postings {
    struct posting *table;
    uint64_t capacity; /* 0 or a power of two */
    uint64_t count;
};

/* A zeroed struct is empty. */
void postings_free(struct postings *postings);
/* NULL when no slot holds `value`. Valid until the next change. */
const struct slot_set *postings_find(const struct postings *postings, int64_t value);
/* The value of a slot that holds one: a walk over the whole table. */
int64_t postings_value(const struct postings *postings, uint32_t slot);
void postings_add(struct postings *postings, int64_t value, uint32_t slot);
/* The value will be looked for soon: lets the memory begin to fetch its place, and, when that is
 * there, its slots. */
void postings_expect(const struct postings *postings, int64_t value);
void postings_expect_slots(const struct postings *postings, int64_t value);
/* `slots` ascend. */
void postings_remove(struct postings *postings, int64_t value, const uint32_t *slots,
                     uint32_t count);
void postings_remove_all(struct postings *postings, int64_t value, const roaring_bitmap_t *slots);
void postings_add_all(struct postings *postings, int64_t value, const roaring_bitmap_t *slots);
/* Takes `slots` away from every value: a sweep over the whole table. */
void postings_sweep(struct postings *postings, const roaring_bitmap_t *slots);
/* The slots of `within` (NULL: all) with a value between the two, both included: a walk over the
 * whole table. The caller frees the bitmap. */
roaring_bitmap_t *postings_between(const struct postings *postings, int64_t low, int64_t high,
                                   const roaring_bitmap_t *within);
/* As bytes, and back into a zeroed struct. */
void postings_save(const struct postings *postings, struct image_writer *writer);
void postings_load(struct postings *postings, struct image_reader *reader);
void postings_optimize(struct postings *postings);
uint64_t postings_bytes(const struct postings *postings);

#endif
