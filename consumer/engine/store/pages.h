/* A directory of pages. A page covers 65,536 slots and is created when it is first asked for: one
 * very large slot costs a page and 8 bytes for every page below it, not those pages (F67).
 *
 * The owner of a directory defines what a page holds, and creates and frees the pages. Any number
 * of readers, or one writer.
 */
#ifndef CONSUMER_ENGINE_STORE_PAGES_H
#define CONSUMER_ENGINE_STORE_PAGES_H

#include <stddef.h>
#include <stdint.h>

enum { PAGE_BITS = 16, PAGE_SLOTS = 1 << PAGE_BITS, PAGES_MAX = 1 << (32 - PAGE_BITS) };

struct pages {
    void **items; /* NULL: the page does not exist */
    uint32_t count;
};

/* A zeroed struct is empty. Frees the pages with free() too. */
void pages_free(struct pages *pages);
/* The page of `slot`, or NULL. */
static inline void *
pages_find(const struct pages *pages, uint32_t slot)
{
    uint32_t page = slot >> PAGE_BITS;
    return page < pages->count ? pages->items[page] : NULL;
}
/* The number of pages that exist. */
uint32_t pages_count(const struct pages *pages);
/* Where the page of `slot` is or will be; valid until the next call. */
void **pages_place(struct pages *pages, uint32_t slot);

#endif
