#include "consumer/engine/store/column.h"

#include <stdlib.h>

#include "common/base/memory.h"
#include "consumer/engine/store/image.h"

struct column_page {
    int64_t same;   /* every cell's number while width is 0 */
    uint32_t width; /* bytes a cell: 0, 1, 2, 4 or 8 */
    _Alignas(int64_t) uint8_t cells[];
};

static uint32_t
number_width(int64_t number)
{
    if (number == (int8_t)number)
        return 1;
    if (number == (int16_t)number)
        return 2;
    return number == (int32_t)number ? 4 : 8;
}

static int64_t
page_read(const struct column_page *page, uint32_t cell)
{
    const void *cells = page->cells;
    switch (page->width) {
    case 0:
        return page->same;
    case 1:
        return ((const int8_t *)cells)[cell];
    case 2:
        return ((const int16_t *)cells)[cell];
    case 4:
        return ((const int32_t *)cells)[cell];
    default:
        return ((const int64_t *)cells)[cell];
    }
}

static void
page_write(struct column_page *page, uint32_t cell, int64_t number)
{
    void *cells = page->cells;
    switch (page->width) {
    case 1:
        ((int8_t *)cells)[cell] = (int8_t)number;
        break;
    case 2:
        ((int16_t *)cells)[cell] = (int16_t)number;
        break;
    case 4:
        ((int32_t *)cells)[cell] = (int32_t)number;
        break;
    default:
        ((int64_t *)cells)[cell] = number;
        break;
    }
}

static struct column_page *
page_create(uint32_t width)
{
    struct column_page *page = memory_alloc(sizeof *page + (size_t)width * PAGE_SLOTS);
    page->same = 0;
    page->width = width;
    return page;
}

/* The same numbers in wider cells; frees the old page. */
static struct column_page *
page_widen(struct column_page *page, uint32_t width)
{
    struct column_page *wide = page_create(width);
    for (uint32_t cell = 0; cell < PAGE_SLOTS; cell++)
        page_write(wide, cell, page_read(page, cell));
    free(page);
    return wide;
}

void
column_free(struct column *column)
{
    pages_free(&column->pages);
}

void
column_write_page(struct column *column, uint32_t slot, int64_t number)
{
    void **place = pages_place(&column->pages, slot);
    struct column_page *page = page_create(0);
    page->same = number;
    free(*place);
    *place = page;
}

void
column_write(struct column *column, uint32_t slot, int64_t number)
{
    void **place = pages_place(&column->pages, slot);
    struct column_page *page = *place;
    if (page == NULL) {
        column_write_page(column, slot, number);
        return;
    }
    if (page->width == 0 && page->same == number)
        return;
    uint32_t width = number_width(number);
    if (page->width == 0 && number_width(page->same) > width)
        width = number_width(page->same);
    if (page->width < width)
        *place = page = page_widen(page, width);
    page_write(page, slot & (PAGE_SLOTS - 1), number);
}

int64_t
column_read(const struct column *column, uint32_t slot)
{
    const struct column_page *page = pages_find(&column->pages, slot);
    return page != NULL ? page_read(page, slot & (PAGE_SLOTS - 1)) : 0;
}

uint64_t
column_bytes(const struct column *column)
{
    uint64_t bytes = column->pages.count * sizeof *column->pages.items;
    for (uint32_t i = 0; i < column->pages.count; i++) {
        const struct column_page *page = column->pages.items[i];
        if (page != NULL)
            bytes += sizeof *page + (uint64_t)page->width * PAGE_SLOTS;
    }
    return bytes;
}

static size_t
page_cells_bytes(const struct column_page *page)
{
    return (size_t)page->width * PAGE_SLOTS;
}

/* Its place among the pages, and then the page as it stands. */
void
column_save(const struct column *column, struct image_writer *writer)
{
    image_put_u32(writer, pages_there(&column->pages));
    for (uint32_t i = 0; i < column->pages.count; i++) {
        const struct column_page *page = column->pages.items[i];
        if (page == NULL)
            continue;
        image_put_u32(writer, i);
        image_put_u32(writer, page->width);
        image_put_u64(writer, (uint64_t)page->same);
        image_put(writer, page->cells, page_cells_bytes(page));
    }
}

static void
column_load_page(struct column *column, struct image_reader *reader)
{
    uint32_t number = image_get_u32(reader);
    uint32_t width = image_get_u32(reader);
    if (number >= PAGES_MAX || width > sizeof(int64_t) || (width & (width - 1)) != 0)
        image_refuse(reader, "a damaged page");
    void **place = reader->rc == 0 ? pages_place(&column->pages, number << PAGE_BITS) : NULL;
    if (place != NULL && *place != NULL)
        image_refuse(reader, "a page that is there twice");
    if (reader->rc != 0)
        return;
    struct column_page *page = page_create(width);
    *place = page;
    page->same = (int64_t)image_get_u64(reader);
    image_get(reader, page->cells, page_cells_bytes(page));
}

void
column_load(struct column *column, struct image_reader *reader)
{
    uint32_t count = image_get_u32(reader);
    for (uint32_t i = 0; i < count && reader->rc == 0; i++)
        column_load_page(column, reader);
}
