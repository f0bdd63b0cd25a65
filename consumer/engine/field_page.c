#include "consumer/engine/field_page.h"

#include <string.h>

#include "common/base/check.h"
#include "common/base/memory.h"

/* --- slots ----------------------------------------------------------------------------------- */

/* Removes what is not in the range. */
static void
bits_cut(struct page_bits *bits, uint32_t page, struct slot_range range)
{
    uint64_t first = (uint64_t)page * PAGE_SLOTS;
    if (range.begin > first)
        page_bits_keep_high(bits, (uint32_t)(range.begin - first));
    if (range.end < first + PAGE_SLOTS)
        page_bits_keep_low(bits, (uint32_t)(range.end - first));
}

void
slot_pages_read(struct slot_pages *slots, const roaring_bitmap_t *bitmap, struct slot_range range)
{
    *slots = (struct slot_pages){0};
    CHECK(range.begin <= range.end);
    for (uint32_t i = 0; i < bitmap_pages(bitmap); i++) {
        uint32_t page = bitmap_page_at(bitmap, i);
        uint64_t first = (uint64_t)page * PAGE_SLOTS;
        if (first >= range.end || first + PAGE_SLOTS <= range.begin)
            continue;
        struct page_bits *bits = memory_alloc(sizeof *bits);
        bitmap_page_read(bitmap, page, bits);
        bits_cut(bits, page, range);
        *pages_place(&slots->pages, (uint32_t)first) = bits;
    }
}

void
slot_pages_free(struct slot_pages *slots)
{
    pages_free(&slots->pages);
}

/* --- values ---------------------------------------------------------------------------------- */

struct page_fill {
    struct field_page *values;
    const struct page_bits *open;
};

static void
page_take(void *context, int64_t value, const uint32_t *slots, uint32_t count)
{
    const struct page_fill *fill = context;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = slots[i] % PAGE_SLOTS;
        uint64_t bit = UINT64_C(1) << at % WORD_SLOTS;
        if ((fill->open->words[at / WORD_SLOTS] & bit) == 0)
            continue;
        fill->values->has.words[at / WORD_SLOTS] |= bit;
        fill->values->keys[at] = value;
    }
}

/* A field without a column: few values. */
static void
page_read_postings(const struct field *field, uint32_t page, const struct page_bits *open,
                   struct field_page *values)
{
    struct page_fill fill = {values, open};
    uint64_t first = (uint64_t)page * PAGE_SLOTS;
    memset(&values->has, 0, sizeof values->has);
    postings_visit(&field->postings, first, first + PAGE_SLOTS, page_take, &fill);
}

static void
page_read_column(const struct field *field, uint32_t page, const struct page_bits *open,
                 struct field_page *values)
{
    uint32_t first = page * PAGE_SLOTS;
    values->has = *open;
    for (uint32_t word = 0; word < PAGE_WORDS; word++) {
        for (uint64_t left = open->words[word]; left != 0; left &= left - 1) {
            uint32_t at = word * WORD_SLOTS + (uint32_t)__builtin_ctzll(left);
            values->keys[at] = column_read(&field->column, first + at);
        }
    }
}

void
field_page_read(const struct field *field, uint32_t page, const struct page_bits *open,
                struct field_page *values)
{
    struct page_bits present = *open;
    CHECK(field->type != FIELD_MULTI_VALUE);
    bitmap_page_keep(field->present, page, &present);
    if (field->has_column)
        page_read_column(field, page, &present, values);
    else
        page_read_postings(field, page, &present, values);
    values->is_broken = memcmp(&values->has, &present, sizeof present) != 0;
}

void
field_page_read_slices(const struct field *field, uint32_t page, const struct page_bits *open,
                       struct field_page *values)
{
    CHECK(field->sort_bits > 0 && field->deferred.count == 0);
    slices_read_page(&field->slices, page, open, values->keys);
    values->is_broken = false;
    values->has = *open;
    bitmap_page_keep(field->present, page, &values->has);
    for (uint32_t word = 0; word < PAGE_WORDS; word++) {
        uint64_t absent = open->words[word] & ~values->has.words[word];
        for (; absent != 0; absent &= absent - 1) {
            uint32_t bit = (uint32_t)__builtin_ctzll(absent);
            if (values->keys[word * WORD_SLOTS + bit] != 0)
                values->has.words[word] |= UINT64_C(1) << bit;
        }
    }
}

/* Takes the values of another source over where they are better, or the only ones. */
static void
page_join(struct field_page *values, const struct field_page *source, bool greatest)
{
    for (uint32_t word = 0; word < PAGE_WORDS; word++) {
        for (uint64_t left = source->has.words[word]; left != 0; left &= left - 1) {
            uint32_t bit = (uint32_t)__builtin_ctzll(left);
            uint32_t at = word * WORD_SLOTS + bit;
            int64_t key = source->keys[at];
            bool had = (values->has.words[word] >> bit & 1) != 0;
            if (!had || (greatest ? key > values->keys[at] : key < values->keys[at]))
                values->keys[at] = key;
        }
        values->has.words[word] |= source->has.words[word];
    }
}

void
field_page_compute(const struct field *field, uint32_t page, const struct page_bits *open,
                   struct field_page *values, struct field_page *room)
{
    CHECK(field->computed_op != COMPUTED_NONE);
    memset(&values->has, 0, sizeof values->has);
    values->is_broken = false;
    for (uint32_t i = 0; i < field->source_count; i++) {
        field_page_read(field->sources[i], page, open, room);
        page_join(values, room, field->computed_op == COMPUTED_GREATEST);
    }
}

bool
field_set_is_present(const struct field *field, uint32_t slot)
{
    struct set_reader reader;
    int64_t value;
    CHECK(field->type == FIELD_MULTI_VALUE);
    set_column_read(&field->sets, slot, &reader);
    return set_reader_next(&reader, &value) == roaring_bitmap_contains(field->present, slot);
}
