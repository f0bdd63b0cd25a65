/* A forward column of sets: slot -> the values of a multi-value field, so that the engine knows
 * what a delete or a `set` takes away without a look into every bitmap of the vocabulary (F72).
 *
 * Packed: 32 slots share a block, in which a set takes about two bytes a value. Readers may share
 * it; not thread-safe beside a writer.
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
    uint64_t block_bytes; /* in all blocks */
};

/* The values of one slot, ascending, one after the other; valid until the next write. */
struct set_reader {
    const uint8_t *at;
    const uint8_t *end;
    int64_t value;
    bool begun;
};

/* A zeroed struct is an empty column. */
void set_column_free(struct set_column *column);
void set_column_read(const struct set_column *column, uint32_t slot, struct set_reader *reader);
bool set_reader_next(struct set_reader *reader, int64_t *value);
/* Replaces the slot's set; an empty list leaves none. */
void set_column_write(struct set_column *column, uint32_t slot, const struct value_list *values);
/* The values, at least one, join the sets of all `slots`; leave them; all that they have does.
 * `emptied` also gets the slots that then have no set any more. A block is written once. */
void set_column_add_all(struct set_column *column, const roaring_bitmap_t *slots,
                        const struct value_list *values);
void set_column_remove_all(struct set_column *column, const roaring_bitmap_t *slots,
                           const struct value_list *values, roaring_bitmap_t *emptied);
void set_column_clear_all(struct set_column *column, const roaring_bitmap_t *slots);
/* As bytes, and back into a zeroed struct. */
void set_column_save(const struct set_column *column, struct image_writer *writer);
void set_column_load(struct set_column *column, struct image_reader *reader);
uint64_t set_column_bytes(const struct set_column *column);

#endif
