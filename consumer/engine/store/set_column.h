/* A forward column of sets: slot -> the values of a multi-value field. It gives the engine the
 * values that a delete or a `set` removes, without a search in every bitmap of the vocabulary
 * (F72).
 *
 * Packed: 32 slots share a block, in which a set takes about two bytes a value. Any number of
 * readers, or one writer.
 */
#ifndef CONSUMER_ENGINE_STORE_SET_COLUMN_H
#define CONSUMER_ENGINE_STORE_SET_COLUMN_H

#include <roaring/roaring.h>

#include <stdbool.h>

#include "consumer/engine/store/pages.h"
#include "consumer/engine/store/value_list.h"

struct image_reader;
struct image_writer;

struct set_column {
    struct pages pages;   /* of struct set_page */
    uint64_t block_bytes; /* memory of all blocks */
};

/* Reads the values of one slot in ascending order; valid until the next write. */
struct set_reader {
    const uint8_t *at;
    const uint8_t *end;
    int64_t value;
    bool begun;
};

/* A zeroed struct is an empty column. */
void set_column_free(struct set_column *column);
void set_column_read(const struct set_column *column, uint32_t slot, struct set_reader *reader);
/* False: there are no more values. */
bool set_reader_next(struct set_reader *reader, int64_t *value);
/* Replaces the set of the slot; an empty list removes it. */
void set_column_write(struct set_column *column, uint32_t slot, const struct value_list *values);
/* A new set of one slot. */
struct set_change {
    uint32_t slot;
    uint32_t count;        /* of values, at least one */
    const int64_t *values; /* strictly ascending */
};
/* Replaces the sets of many slots, which are in strictly ascending order; every block is written
 * once. */
void set_column_write_many(struct set_column *column, const struct set_change *changes,
                           uint32_t count);
/* The same change in the sets of all `slots`; every block is written once. `values` holds at least
 * one value. `emptied` gains the slots that have lost their last value. */
void set_column_add_all(struct set_column *column, const roaring_bitmap_t *slots,
                        const struct value_list *values);
void set_column_remove_all(struct set_column *column, const roaring_bitmap_t *slots,
                           const struct value_list *values, roaring_bitmap_t *emptied);
void set_column_clear_all(struct set_column *column, const roaring_bitmap_t *slots);
/* Writes the column to an image; reads it into a zeroed struct. */
void set_column_save(const struct set_column *column, struct image_writer *writer);
void set_column_load(struct set_column *column, struct image_reader *reader);
uint64_t set_column_bytes(const struct set_column *column);

#endif
