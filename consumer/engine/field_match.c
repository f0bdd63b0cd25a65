#include "consumer/engine/field_match.h"

#include "common/base/check.h"
#include "common/base/search.h"

enum { SCAN_SLOTS = 256, SCAN_MAX = 1024, SCANS_PER_POSTING = 16 };

/* Does the slot, which has a value, hold one from `low` to `high`? */
static bool
field_overlaps(const struct field *field, uint32_t slot, int64_t low, int64_t high)
{
    int64_t value;
    struct set_reader reader;
    if (field->type != FIELD_MULTI_VALUE) {
        value = column_read(&field->column, slot);
        return value >= low && value <= high;
    }
    set_column_read(&field->sets, slot, &reader);
    while (set_reader_next(&reader, &value) && value <= high) {
        if (value >= low)
            return true;
    }
    return false;
}

static roaring_bitmap_t *
field_scan(const struct field *field, int64_t low, int64_t high, const roaring_bitmap_t *candidates)
{
    CHECK(field->has_column || field->type == FIELD_MULTI_VALUE);
    roaring_bitmap_t *matches = bitmap_create();
    roaring_uint32_iterator_t at;
    uint32_t slots[SCAN_SLOTS];
    uint32_t read;
    roaring_init_iterator(candidates, &at);
    while ((read = roaring_read_uint32_iterator(&at, slots, SCAN_SLOTS)) > 0) {
        uint32_t kept = 0;
        for (uint32_t i = 0; i < read; i++) {
            if (field_overlaps(field, slots[i], low, high))
                slots[kept++] = slots[i];
        }
        roaring_bitmap_add_many(matches, kept, slots);
    }
    return matches;
}

struct key_search {
    const int64_t *keys; /* ascending */
    int64_t wanted;
};

static bool
key_is_below(const void *context, uint32_t at)
{
    const struct key_search *search = context;
    return search->keys[at] < search->wanted;
}

static bool
field_lists(const int64_t *keys, uint32_t count, int64_t key)
{
    const struct key_search search = {keys, key};
    uint32_t at = search_first(count, key_is_below, &search);
    return at < count && keys[at] == key;
}

roaring_bitmap_t *
field_match_listed(const struct field *field, const int64_t *keys, uint32_t count,
                   const roaring_bitmap_t *within)
{
    CHECK(field->has_column && !field->filters);
    roaring_bitmap_t *candidates = bitmap_and(field->present, within);
    roaring_bitmap_t *matches = bitmap_create();
    roaring_uint32_iterator_t at;
    uint32_t slots[SCAN_SLOTS];
    uint32_t read;
    roaring_init_iterator(candidates, &at);
    while ((read = roaring_read_uint32_iterator(&at, slots, SCAN_SLOTS)) > 0) {
        uint32_t kept = 0;
        for (uint32_t i = 0; i < read; i++)
            if (field_lists(keys, count, column_read(&field->column, slots[i])))
                slots[kept++] = slots[i];
        roaring_bitmap_add_many(matches, kept, slots);
    }
    roaring_bitmap_free(candidates);
    return matches;
}

void
field_part(const struct field *field, uint32_t page, int64_t value, struct page_bits *open,
           struct page_bits *above)
{
    CHECK(field->sort_bits > 0);
    CHECK(value >= field->min && value <= field->max);
    if (slices_part(&field->slices, page, value, open, above))
        return;
    for (uint32_t word = 0; word < PAGE_WORDS; word++) {
        for (uint64_t left = open->words[word]; left != 0; left &= left - 1) {
            uint64_t bit = left & (0 - left);
            uint32_t at = word * WORD_SLOTS + (uint32_t)__builtin_ctzll(left);
            int64_t number = column_read(&field->column, (page << PAGE_BITS) + at);
            if (number > value)
                above->words[word] |= bit;
            if (number != value)
                open->words[word] &= ~bit;
        }
    }
}

/* Keeps in `open` the slots with a value from `low` to `high`, which are within the bounds of the
 * field. */
static void
field_cut_page(const struct field *field, uint32_t page, int64_t low, int64_t high,
               struct page_bits *open)
{
    struct page_bits above, ties;
    CHECK(low <= high);
    if (low > field->min) {
        field_part(field, page, low, open, &above);
        page_bits_or(open, above.words);
    }
    if (high < field->max) {
        ties = *open;
        field_part(field, page, high, &ties, &above);
        page_bits_and(open, above.words, UINT64_MAX);
    }
}

static roaring_bitmap_t *
field_slice(const struct field *field, int64_t low, int64_t high,
            const roaring_bitmap_t *candidates)
{
    struct page_bits open;
    roaring_bitmap_t *matches = bitmap_create();
    CHECK(field->deferred.count == 0);
    for (uint32_t i = 0; i < bitmap_pages(candidates); i++) {
        uint32_t page = bitmap_page_at(candidates, i);
        bitmap_page_read(candidates, page, &open);
        bitmap_page_keep(field->present, page, &open);
        field_cut_page(field, page, low, high, &open);
        bitmap_append_page(matches, page, &open);
    }
    CHECK(bitmap_pages(matches) <= bitmap_pages(candidates));
    return matches;
}

static bool
field_goes_by_postings(const struct field *field, uint64_t candidates)
{
    bool scans = field->has_column || field->type == FIELD_MULTI_VALUE;
    return field->filters && (!scans || field->postings.count < candidates / SCANS_PER_POSTING);
}

roaring_bitmap_t *
field_match_range(const struct field *field, int64_t low, int64_t high,
                  const roaring_bitmap_t *within)
{
    low = low < field->min ? field->min : low;
    high = high > field->max ? field->max : high;
    CHECK(field->type == FIELD_SINGLE_VALUE || field->type == FIELD_MULTI_VALUE);
    if (low > high)
        return bitmap_create();
    const roaring_bitmap_t *slots = within != NULL ? within : field->present;
    uint64_t count = roaring_bitmap_get_cardinality(slots);
    if (field_goes_by_postings(field, count))
        return postings_between(&field->postings, low, high, slots);
    if (field->sort_bits > 0 && count > SCAN_MAX)
        return field_slice(field, low, high, slots);
    roaring_bitmap_t *candidates = bitmap_and(field->present, slots);
    roaring_bitmap_t *matches = field_scan(field, low, high, candidates);
    CHECK(roaring_bitmap_get_cardinality(matches) <= count);
    roaring_bitmap_free(candidates);
    return matches;
}

roaring_bitmap_t *
field_match(const struct field *field, int64_t key, const roaring_bitmap_t *within)
{
    CHECK(field->deferred.count == 0 || field->filters);
    if (!field->filters)
        return field_match_range(field, key, key, within);
    const struct slot_set *slots = postings_find(&field->postings, key);
    return slots != NULL ? slot_set_within(slots, within) : bitmap_create();
}

bool
field_unites(const struct field *field, const roaring_bitmap_t *within)
{
    return field->filters && within != NULL && !bitmap_is_sparse(within);
}

void
field_unite(const struct field *field, int64_t key, roaring_bitmap_t *united)
{
    CHECK(field->filters);
    const struct slot_set *slots = postings_find(&field->postings, key);
    if (slots != NULL)
        slot_set_join(slots, united);
}
