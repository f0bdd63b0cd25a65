/* The postings of one field: value -> bitmap of the slots that hold it.
 *
 * A hash table with open addressing. A value that no slot holds any more has no bitmap, so that
 * values that come and go leave nothing behind. Not thread-safe beside a writer.
 */
#ifndef CONSUMER_ENGINE_POSTINGS_H
#define CONSUMER_ENGINE_POSTINGS_H

#include <roaring/roaring.h>

#include <stdint.h>

struct posting {
    int64_t value;
    roaring_bitmap_t *slots; /* NULL: this place of the table is free */
};

struct postings {
    struct posting *table;
    uint64_t capacity; /* 0 or a power of two */
    uint64_t count;
    uint64_t pairs; /* (value, slot) pairs held */
};

/* A zeroed struct is empty. */
void postings_free(struct postings *postings);
/* NULL when no slot holds `value`. Valid until the next change. */
const roaring_bitmap_t *postings_find(const struct postings *postings, int64_t value);
void postings_add(struct postings *postings, int64_t value, uint32_t slot);
void postings_remove(struct postings *postings, int64_t value, uint32_t slot);
/* An estimate that does not look at the bitmaps. */
uint64_t postings_bytes(const struct postings *postings);

#endif
