/* The bit slices of a sort field: for every bit of its numbers, the slots in whose number it is
 * set. Two's complement, the last slice is the sign's.
 *
 * They answer for all slots of a page at once what would else be a look at each one's value: which
 * are above a number, which are the best few. A slot without a value is in no slice, like a zero:
 * callers pass candidates that have one. Not thread-safe beside a writer.
 */
#ifndef CONSUMER_ENGINE_STORE_SLICES_H
#define CONSUMER_ENGINE_STORE_SLICES_H

#include <roaring/roaring.h>

#include <stdbool.h>
#include <stdint.h>

#include "consumer/engine/store/page_bits.h"

enum { SLICES_MAX = 64 };
enum { SLICES_FEW = 512 }; /* slots of which the numbers are read more cheaply than parted */

struct image_reader;
struct image_writer;

struct slices {
    roaring_bitmap_t *bits[SLICES_MAX];
    uint32_t count; /* the width and one for the sign */
};

/* For numbers of -(2^width - 1) .. 2^width - 1; width 1 .. 63. */
void slices_init(struct slices *slices, uint32_t width);
/* A zeroed struct is allowed. */
void slices_free(struct slices *slices);
/* The slot's number becomes `new_number`; 0 stands for none, before and after. */
void slices_change(struct slices *slices, uint32_t slot, int64_t old_number, int64_t new_number);
/* The same for many slots, ascending; of one that is there twice the new numbers are the same. */
struct slices_change {
    uint32_t slot;
    int64_t old_number;
    int64_t new_number;
};
void slices_change_many(struct slices *slices, const struct slices_change *changes, uint32_t count);
/* All of `slots` get this number; 0 also takes it away. */
void slices_fill(struct slices *slices, const roaring_bitmap_t *slots, int64_t number);
/* They get the numbers that they have in `from`, which are within the width. */
void slices_copy(struct slices *slices, const struct slices *from, const roaring_bitmap_t *slots);

/* Parts the slots of `open`, of this page, by how they compare with `number`, which is within the
 * width: those above it go into `above`, those below it nowhere, and the others stay. True: what
 * stays is equal; false: it is not yet parted, since it is no more than SLICES_FEW. */
bool slices_part(const struct slices *slices, uint32_t page, int64_t number, struct page_bits *open,
                 struct page_bits *above);

/* Cuts the slots of `open`, of these pages, down to some among which are the `wanted` ones, at
 * least 1, with the greatest (least) numbers; of equal numbers the greatest (least) slots win, and
 * the pages are in that order. Leaves more when that is cheaper, but only few more: SLICES_FEW at
 * most. */
void slices_best(const struct slices *slices, const uint32_t *pages, uint32_t count,
                 uint64_t wanted, bool greatest, struct page_bits *open);

/* As bytes, and back into slices that were initialised. */
void slices_save(const struct slices *slices, struct image_writer *writer);
void slices_load(struct slices *slices, struct image_reader *reader);
void slices_optimize(struct slices *slices);
uint64_t slices_bytes(const struct slices *slices);

#endif
