/* A forward column: slot -> cell, so that the engine knows the value that it replaces.
 *
 * Paged: a page of 64 Ki cells appears, zeroed, when one of its slots is first written, so that one
 * huge slot costs one page and not all below it (F67). Which cells mean anything is for the owner
 * to know. Readers may share it; not thread-safe beside a writer.
 */
#ifndef CONSUMER_ENGINE_COLUMN_H
#define CONSUMER_ENGINE_COLUMN_H

#include <stdint.h>

struct value_set;

union cell {
    int64_t number;        /* a scalar, or a string's code */
    struct value_set *set; /* a multi-value; owned by the field */
};

struct column {
    union cell **pages;
    uint32_t page_slots; /* length of `pages` */
    uint32_t page_count; /* pages that exist */
};

/* A zeroed struct is an empty column. */
void column_free(struct column *column);
/* The cell to write to; valid until the column is freed. */
union cell *column_write(struct column *column, uint32_t slot);
/* A cell of a page that was never written reads as zero. */
union cell column_read(const struct column *column, uint32_t slot);
uint64_t column_bytes(const struct column *column);

#endif
