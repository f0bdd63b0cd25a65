/* The slots of one page as plain words, for what takes many steps over the same slots.
 *
 * They stay in the nearest cache, and nothing is allocated or counted unless asked for; CRoaring's
 * own operations do both at every step. page_bits.c is the only file that looks into a roaring
 * bitmap, at the containers that its headers describe. Any thread.
 */
#ifndef CONSUMER_ENGINE_STORE_PAGE_BITS_H
#define CONSUMER_ENGINE_STORE_PAGE_BITS_H

#include <roaring/roaring.h>

#include <stdbool.h>
#include <stdint.h>

#include "consumer/engine/store/pages.h"

enum { WORD_SLOTS = 64, PAGE_WORDS = PAGE_SLOTS / WORD_SLOTS };

struct page_bits {
    uint64_t words[PAGE_WORDS];
};

/* How many pages hold a slot of the bitmap, and which one is the `at`-th, ascending. */
uint32_t bitmap_pages(const roaring_bitmap_t *bitmap);
uint32_t bitmap_page_at(const roaring_bitmap_t *bitmap, uint32_t at);
/* Its slots are so few that to look at each one costs less than to look at the whole pages. */
bool bitmap_is_sparse(const roaring_bitmap_t *bitmap);
/* The words of a page, where they are or put into `room`; NULL: it holds no slot. Valid until
 * either changes. */
const uint64_t *bitmap_page_words(const roaring_bitmap_t *bitmap, uint32_t page,
                                  struct page_bits *room);
/* `bits` become, or keep, what the bitmap has in the page. */
void bitmap_page_read(const roaring_bitmap_t *bitmap, uint32_t page, struct page_bits *bits);
void bitmap_page_keep(const roaring_bitmap_t *bitmap, uint32_t page, struct page_bits *bits);
/* Adds the slots of a page that is behind all that the bitmap has. */
void bitmap_append_page(roaring_bitmap_t *bitmap, uint32_t page, const struct page_bits *bits);

/* What CRoaring's functions of such names do, faster where there are many slots. The caller frees
 * the bitmap. */
roaring_bitmap_t *bitmap_and(const roaring_bitmap_t *a, const roaring_bitmap_t *b);
roaring_bitmap_t *bitmap_andnot(const roaring_bitmap_t *a, const roaring_bitmap_t *b);

uint32_t page_bits_count(const struct page_bits *bits);
bool page_bits_are_few(const struct page_bits *bits, uint32_t limit);
/* `bits` keep what is set in `words` too: in the words as they are turned over by `flip`, which is
 * all zeros or all ones. */
void page_bits_and(struct page_bits *restrict bits, const uint64_t *restrict words, uint64_t flip);
/* The same, but what is kept goes into `found`. Returns how many. */
uint32_t page_bits_and_count(struct page_bits *restrict found,
                             const struct page_bits *restrict bits, const uint64_t *restrict words,
                             uint64_t flip);
/* The same again, but it leaves `bits` and joins `found`. */
void page_bits_part(struct page_bits *restrict bits, struct page_bits *restrict found,
                    const uint64_t *restrict words, uint64_t flip);
void page_bits_or(struct page_bits *restrict bits, const uint64_t *restrict words);
/* Keep what is below `end`, at `from` and above. */
void page_bits_keep_low(struct page_bits *bits, uint32_t end);
void page_bits_keep_high(struct page_bits *bits, uint32_t from);
/* Where its slot of this rank is; there are more than `rank`. */
uint32_t page_bits_select(const struct page_bits *bits, uint32_t rank);

#endif
