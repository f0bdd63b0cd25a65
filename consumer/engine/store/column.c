#include "consumer/engine/store/column.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/memory.h"
#include "consumer/engine/store/image.h"

struct column_page {
    int64_t same;   /* the number of every cell while width is 0 */
    uint32_t width; /* bytes a cell: 0, 1, 2, 4 or 8 */
    _Alignas(int64_t) uint8_t cells[];
};

static bool
width_is_valid(uint32_t width)
{
    return width <= sizeof(int64_t) && (width & (width - 1)) == 0;
}

/* Bytes of the narrowest cell that holds the number. */
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
        CHECK(page->width == sizeof(int64_t));
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
        CHECK(page->width == sizeof(int64_t)); /* and not 0: such a page is widened first */
        ((int64_t *)cells)[cell] = number;
        break;
    }
}

static struct column_page *
page_create(uint32_t width)
{
    CHECK(width_is_valid(width));
    struct column_page *page = memory_alloc(sizeof *page + (size_t)width * PAGE_SLOTS);
    page->same = 0;
    page->width = width;
    return page;
}

/* Returns a page with the same numbers in wider cells; frees the old page. */
static struct column_page *
page_widen(struct column_page *page, uint32_t width)
{
    CHECK(width > page->width);
    struct column_page *wide = page_create(width);
    for (uint32_t cell = 0; cell < PAGE_SLOTS; cell++)
        page_write(wide, cell, page_read(page, cell));
    CHECK(page_read(wide, PAGE_SLOTS - 1) == page_read(page, PAGE_SLOTS - 1));
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
    CHECK(column_read(column, slot) == number);
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

static size_t
page_cells_bytes(const struct column_page *page)
{
    CHECK(width_is_valid(page->width));
    return (size_t)page->width * PAGE_SLOTS;
}

uint64_t
column_bytes(const struct column *column)
{
    uint64_t bytes = column->pages.count * sizeof *column->pages.items;
    for (uint32_t i = 0; i < column->pages.count; i++) {
        const struct column_page *page = column->pages.items[i];
        if (page != NULL)
            bytes += sizeof *page + page_cells_bytes(page);
    }
    return bytes;
}

/* The number of pages; then each page: its number, the bytes of a cell, the common number, and the
 * cells. */
void
column_save(const struct column *column, struct image_writer *writer)
{
    uint32_t count = pages_count(&column->pages);
    uint32_t saved = 0;
    image_put_u32(writer, count);
    for (uint32_t i = 0; i < column->pages.count; i++) {
        const struct column_page *page = column->pages.items[i];
        if (page == NULL)
            continue;
        image_put_u32(writer, i);
        image_put_u32(writer, page->width);
        image_put_u64(writer, (uint64_t)page->same);
        image_put(writer, page->cells, page_cells_bytes(page));
        saved++;
    }
    CHECK(saved == count);
}

static void
column_load_page(struct column *column, struct image_reader *reader)
{
    uint32_t number = image_get_u32(reader);
    uint32_t width = image_get_u32(reader);
    if (number >= PAGES_MAX || !width_is_valid(width))
        image_refuse(reader, "a damaged page");
    void **place = reader->rc == 0 ? pages_place(&column->pages, number << PAGE_BITS) : NULL;
    if (place != NULL && *place != NULL)
        image_refuse(reader, "the same page twice");
    if (reader->rc != 0)
        return;
    CHECK(place != NULL && *place == NULL);
    struct column_page *page = page_create(width);
    *place = page;
    page->same = (int64_t)image_get_u64(reader);
    image_get(reader, page->cells, page_cells_bytes(page));
}

void
column_load(struct column *column, struct image_reader *reader)
{
    CHECK(column->pages.count == 0);
    uint32_t count = image_get_u32(reader);
    for (uint32_t i = 0; i < count && reader->rc == 0; i++)
        column_load_page(column, reader);
}
