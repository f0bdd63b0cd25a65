#include "consumer/engine/store/pages.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/memory.h"

void
pages_free(struct pages *pages)
{
    CHECK(pages->items != NULL || pages->count == 0);
    for (uint32_t i = 0; i < pages->count; i++)
        free(pages->items[i]);
    free(pages->items);
    *pages = (struct pages){0};
}

static void
pages_grow(struct pages *pages, uint32_t page)
{
    CHECK(page >= pages->count);
    CHECK(page < PAGES_MAX);
    uint32_t wanted = pages->count * 2;
    if (wanted <= page)
        wanted = page + 1;
    if (wanted > PAGES_MAX)
        wanted = PAGES_MAX;
    pages->items = memory_realloc(pages->items, wanted * sizeof *pages->items);
    memset(pages->items + pages->count, 0, (wanted - pages->count) * sizeof *pages->items);
    pages->count = wanted;
}

void **
pages_place(struct pages *pages, uint32_t slot)
{
    uint32_t page = slot >> PAGE_BITS;
    if (page >= pages->count)
        pages_grow(pages, page);
    CHECK(page < pages->count);
    return &pages->items[page];
}

uint32_t
pages_count(const struct pages *pages)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < pages->count; i++)
        count += pages->items[i] != NULL;
    return count;
}
