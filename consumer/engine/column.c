#include "consumer/engine/column.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"

enum { PAGE_BITS = 16, PAGE_CELLS = 1 << PAGE_BITS, PAGES_MAX = 1 << (32 - PAGE_BITS) };

void
column_free(struct column *column)
{
    for (uint32_t i = 0; i < column->page_slots; i++)
        free(column->pages[i]);
    free(column->pages);
    *column = (struct column){0};
}

static void
column_grow(struct column *column, uint32_t page)
{
    uint32_t wanted = column->page_slots * 2;
    if (wanted <= page)
        wanted = page + 1;
    if (wanted > PAGES_MAX)
        wanted = PAGES_MAX;
    column->pages = memory_realloc(column->pages, wanted * sizeof *column->pages);
    memset(column->pages + column->page_slots, 0,
           (wanted - column->page_slots) * sizeof *column->pages);
    column->page_slots = wanted;
}

union cell *
column_write(struct column *column, uint32_t slot)
{
    uint32_t page = slot >> PAGE_BITS;
    if (page >= column->page_slots)
        column_grow(column, page);
    if (column->pages[page] == NULL) {
        column->pages[page] = memory_zalloc(PAGE_CELLS * sizeof(union cell));
        column->page_count++;
    }
    return &column->pages[page][slot & (PAGE_CELLS - 1)];
}

union cell
column_read(const struct column *column, uint32_t slot)
{
    uint32_t page = slot >> PAGE_BITS;
    if (page >= column->page_slots || column->pages[page] == NULL)
        return (union cell){0};
    return column->pages[page][slot & (PAGE_CELLS - 1)];
}

uint64_t
column_bytes(const struct column *column)
{
    return column->page_slots * sizeof *column->pages +
           (uint64_t)column->page_count * PAGE_CELLS * sizeof(union cell);
}
