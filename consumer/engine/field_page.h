/* What the structures of a field hold in one page of slots, each read by itself, without trusting
 * that they agree (field.h): the only readers that may meet a damaged field.
 *
 * Any number of threads beside no writer.
 */
#ifndef CONSUMER_ENGINE_FIELD_PAGE_H
#define CONSUMER_ENGINE_FIELD_PAGE_H

#include "consumer/engine/engine_internal.h"
#include "consumer/engine/store/page_bits.h"

/* The values of a scalar field. */
struct field_page {
    struct page_bits has;     /* slots with a value */
    int64_t keys[PAGE_SLOTS]; /* of these */
    bool is_broken;           /* `present` has a slot whose value is nowhere */
};

/* Some slots of an engine, by pages. */
struct slot_pages {
    struct pages pages; /* of struct page_bits */
};

/* The slots of the bitmap from range.begin to range.end (not included). The caller frees them. */
void slot_pages_read(struct slot_pages *slots, const roaring_bitmap_t *bitmap,
                     struct slot_range range);
void slot_pages_free(struct slot_pages *slots);
static inline bool
slot_pages_have(const struct slot_pages *slots, uint32_t slot)
{
    const struct page_bits *bits = pages_find(&slots->pages, slot);
    return bits != NULL &&
           (bits->words[slot % PAGE_SLOTS / WORD_SLOTS] >> slot % WORD_SLOTS & 1) != 0;
}

/* The values that the field holds for its documents, ops and deletes, in the slots of `open`, which
 * are of this page: those of the column, or of the postings where there is no column. */
void field_page_read(const struct field *field, uint32_t page, const struct page_bits *open,
                     struct field_page *values);
/* Those that sorting finds, in the slices. A slot without a value has one here if its bits are not
 * all clear. */
void field_page_read_slices(const struct field *field, uint32_t page, const struct page_bits *open,
                            struct field_page *values);
/* Those that a computed field should have: of its sources. `room` is overwritten. */
void field_page_compute(const struct field *field, uint32_t page, const struct page_bits *open,
                        struct field_page *values, struct field_page *room);

/* Does the set of a multi-value field agree with `present`? */
bool field_set_is_present(const struct field *field, uint32_t slot);

#endif
