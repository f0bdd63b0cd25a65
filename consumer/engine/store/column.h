/* A forward column: slot -> number. It gives the engine the value that an op replaces.
 *
 * A page is as wide as its widest number needs: 1, 2, 4 or 8 bytes a cell, and no cells at all
 * while all of them hold the same number. The column does not record which cells hold a value; the
 * owner does. Any number of readers, or one writer.
 */
#ifndef CONSUMER_ENGINE_STORE_COLUMN_H
#define CONSUMER_ENGINE_STORE_COLUMN_H

#include "consumer/engine/store/pages.h"

struct image_reader;
struct image_writer;

struct column {
    struct pages pages; /* of struct column_page */
};

/* A zeroed struct is an empty column. */
void column_free(struct column *column);
void column_write(struct column *column, uint32_t slot, int64_t number);
/* Sets all cells of the page that holds `slot` to `number`. */
void column_write_page(struct column *column, uint32_t slot, int64_t number);
/* Zero for a cell of a page that was never written. */
int64_t column_read(const struct column *column, uint32_t slot);
/* Writes the column to an image; reads it into a zeroed struct. */
void column_save(const struct column *column, struct image_writer *writer);
void column_load(struct column *column, struct image_reader *reader);
uint64_t column_bytes(const struct column *column);

#endif
