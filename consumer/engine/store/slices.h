/* The bit slices of a sort field: for every bit of its numbers, the slots in whose number that bit
 * is set. Numbers are in two's complement; the last slice is the sign.
 *
 * The slices answer for all slots of a page at once what would otherwise need the number of each
 * slot: which numbers are above a given one, which are the best few. A slot without a value is in
 * no slice, as if its number were 0, so callers pass only slots that have a value. Any number of
 * readers, or one writer.
 */
#ifndef CONSUMER_ENGINE_STORE_SLICES_H
#define CONSUMER_ENGINE_STORE_SLICES_H

#include <roaring/roaring.h>

#include <stdbool.h>
#include <stdint.h>

#include "consumer/engine/store/bitmap.h"

enum { SLICES_MAX = 64 };
enum { SLICES_FEW = 512 }; /* for so few slots, reading each number costs less than the slices */

struct image_reader;
struct image_writer;

struct slices {
    roaring_bitmap_t *bits[SLICES_MAX];
    uint32_t count; /* one for each bit of the width, and one for the sign */
};

/* For numbers from -(2^width - 1) to 2^width - 1; the width is 1 to 63. */
void slices_init(struct slices *slices, uint32_t width);
/* A zeroed struct is allowed. */
void slices_free(struct slices *slices);
/* Changes the number of the slot. A slot without a value has the number 0. */
void slices_change(struct slices *slices, uint32_t slot, int64_t old_number, int64_t new_number);
struct slices_change {
    uint32_t slot;
    int64_t old_number;
    int64_t new_number;
};
/* The same for many slots, in ascending order. A slot may appear several times, each time with the
 * same new number. */
void slices_change_many(struct slices *slices, const struct slices_change *changes, uint32_t count);
/* Gives all of `slots` this number; 0 also stands for no value. */
void slices_fill(struct slices *slices, const roaring_bitmap_t *slots, int64_t number);
/* Gives all of `slots` the numbers that they have in `from`, which must be within the width. */
void slices_copy(struct slices *slices, const struct slices *from, const roaring_bitmap_t *slots);

/* Compares the numbers of the slots in `open`, all of this page, with `number`, which is within the
 * width. Sets `above` to the slots with a greater number, and leaves in `open` those that are
 * equal. True: done. False: it stopped early, because no more than SLICES_FEW slots were left in
 * `open`; these are not compared completely. */
bool slices_part(const struct slices *slices, uint32_t page, int64_t number, struct page_bits *open,
                 struct page_bits *above);

/* Reduces the slots in `open`, one element for each of `pages`, to a few that include the `wanted`
 * slots (at least 1) with the greatest numbers, or with the least ones. Of equal numbers the
 * greatest (the least) slots win; the pages are in that order too. At most SLICES_FEW more slots
 * than wanted are left. */
void slices_best(const struct slices *slices, const uint32_t *pages, uint32_t count,
                 uint64_t wanted, bool greatest, struct page_bits *open);

/* Sets `numbers`, one element for each slot of the page, to the numbers of the slots in `open`; the
 * other elements may change too. */
void slices_read_page(const struct slices *slices, uint32_t page, const struct page_bits *open,
                      int64_t numbers[static PAGE_SLOTS]);
/* Writes the slices to an image; reads them into slices that slices_init() has initialised. */
void slices_save(const struct slices *slices, struct image_writer *writer);
void slices_load(struct slices *slices, struct image_reader *reader);
/* Gives every bitmap the smallest form that queries can read as it is. */
void slices_optimize(struct slices *slices);
uint64_t slices_bytes(const struct slices *slices);

#endif
