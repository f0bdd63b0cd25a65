/* Roaring bitmaps as this engine uses them: creation, memory, and access by whole pages.
 *
 * CRoaring allocates and counts at every step of a longer computation. Where an operation takes
 * many steps over the same slots, a page is read into plain words (page_bits.h), worked on there,
 * and appended to a result. bitmap.c is the only file that reads the containers of a roaring
 * bitmap, as CRoaring's headers describe them. No function returns NULL, except where stated.
 *
 * Any thread; not thread-safe beside a writer of the same bitmap.
 */
#ifndef CONSUMER_ENGINE_STORE_BITMAP_H
#define CONSUMER_ENGINE_STORE_BITMAP_H

#include <roaring/roaring.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "consumer/engine/store/page_bits.h"

/* The caller frees what these return, with roaring_bitmap_free(). */
roaring_bitmap_t *bitmap_create(void);
roaring_bitmap_t *bitmap_copy(const roaring_bitmap_t *bitmap);
/* As CRoaring's functions of these names; faster where both bitmaps hold many slots. */
roaring_bitmap_t *bitmap_and(const roaring_bitmap_t *a, const roaring_bitmap_t *b);
roaring_bitmap_t *bitmap_andnot(const roaring_bitmap_t *a, const roaring_bitmap_t *b);

/* Bytes of memory, without spare capacity and without the allocator's overhead. Visits every
 * container. */
uint64_t bitmap_bytes(const roaring_bitmap_t *bitmap);

/* The number of pages in which the bitmap holds a slot, and the `at`-th of them, ascending. */
uint32_t bitmap_pages(const roaring_bitmap_t *bitmap);
uint32_t bitmap_page_at(const roaring_bitmap_t *bitmap, uint32_t at);
/* True: the bitmap holds so few slots that visiting each of them costs less than whole pages. */
bool bitmap_is_sparse(const roaring_bitmap_t *bitmap);
/* The words of a page: a pointer into the bitmap, or to `room`, which is then filled. NULL: the
 * page holds no slot. Valid until the bitmap or `room` changes. */
const uint64_t *bitmap_page_words(const roaring_bitmap_t *bitmap, uint32_t page,
                                  struct page_bits *room);
/* Sets `bits` to the slots of the bitmap in this page. */
void bitmap_page_read(const roaring_bitmap_t *bitmap, uint32_t page, struct page_bits *bits);
/* Removes from `bits` the slots that the bitmap does not hold in this page. */
void bitmap_page_keep(const roaring_bitmap_t *bitmap, uint32_t page, struct page_bits *bits);
/* How the bitmap holds the `at`-th of its pages: an array of the slots, the words, or runs (2 bytes
 * each: the first slot, and the number of slots after that one). */
enum bitmap_form { BITMAP_ARRAY, BITMAP_WORDS, BITMAP_RUNS };
struct bitmap_page {
    enum bitmap_form form;
    uint32_t count;   /* of slots */
    const void *data; /* in the bitmap */
    size_t bytes;
};
void bitmap_page_form(const roaring_bitmap_t *bitmap, uint32_t at, struct bitmap_page *page);
/* Adds the slots of a page; the page must follow all pages of the bitmap. */
void bitmap_append_page(roaring_bitmap_t *bitmap, uint32_t page, const struct page_bits *bits);

#endif
