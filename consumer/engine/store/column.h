/* A forward column: slot -> number, so that the engine knows the value that it replaces.
 *
 * A page is as wide as its widest number needs: 1, 2, 4 or 8 bytes a cell, and no cells at all
 * while all of them are the same. Which cells mean anything is for the owner to know. Readers may
 * share it; not thread-safe beside a writer.
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
/* All cells of the page that `slot` is in become `number`. */
void column_write_page(struct column *column, uint32_t slot, int64_t number);
/* A cell of a page that was never written reads as zero. */
int64_t column_read(const struct column *column, uint32_t slot);
/* As bytes, and back into a zeroed struct. */
void column_save(const struct column *column, struct image_writer *writer);
void column_load(struct column *column, struct image_reader *reader);
uint64_t column_bytes(const struct column *column);

#endif
