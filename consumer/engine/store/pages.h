/* A directory of pages, each for 64 Ki slots, that appear when they are first asked for: one huge
 * slot costs a page and 8 bytes for every page below it, not the pages themselves (F67).
 *
 * What a page is, is its owner's affair; so is freeing it. Readers may share it; not thread-safe
 * beside a writer.
 */
#ifndef CONSUMER_ENGINE_STORE_PAGES_H
#define CONSUMER_ENGINE_STORE_PAGES_H

#include <stddef.h>
#include <stdint.h>

enum { PAGE_BITS = 16, PAGE_SLOTS = 1 << PAGE_BITS, PAGES_MAX = 1 << (32 - PAGE_BITS) };

struct pages {
    void **items; /* NULL: no such page */
    uint32_t count;
};

/* A zeroed struct is empty. Frees the pages too, with free(). */
void pages_free(struct pages *pages);
/* The page of `slot`, or NULL. */
static inline void *
pages_find(const struct pages *pages, uint32_t slot)
{
    uint32_t page = slot >> PAGE_BITS;
    return page < pages->count ? pages->items[page] : NULL;
}
/* How many there are. */
uint32_t pages_there(const struct pages *pages);
/* The place of that page; valid until the next call. */
void **pages_place(struct pages *pages, uint32_t slot);

#endif
