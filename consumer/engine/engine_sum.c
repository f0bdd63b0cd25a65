#include "consumer/engine/engine_sum.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "consumer/engine/engine_internal.h"
#include "consumer/engine/engine_time.h"
#include "consumer/engine/field_page.h"

/* What one field has. The hashes of the source are computed over one structure only: the postings
 * of a filter field, otherwise what documents show. The structures are compared by fingerprints,
 * which cost less: sums of a word for each value of a slot. */
struct field_sums {
    struct hash_sum sum;
    uint64_t held; /* fingerprint of what documents show */
    uint64_t posted;
    uint64_t sliced;
    uint64_t computed;
    bool is_broken;
};

struct range_sum {
    const struct engine *engine;
    const struct field *field;
    struct slot_range range;
    struct slot_pages alive;
    struct field_sums *sums;
    struct field_page *values; /* memory for one page, and for two more that computing needs */
    struct field_page *computed;
    struct field_page *room;
};

/* As good as different for different values and slots. */
static inline uint64_t
value_word(uint32_t slot, int64_t value)
{
    uint64_t h = (uint64_t)value * 0x9e3779b97f4a7c15 + ((uint64_t)slot + 1) * 0xd6e8feb86659fd93;
    h = (h ^ h >> 32) * 0xbf58476d1ce4e5b9;
    return h ^ h >> 29;
}

/* --- postings -------------------------------------------------------------------------------- */

static void
sum_posting(void *context, int64_t value, const uint32_t *slots, uint32_t count)
{
    const struct range_sum *range = context;
    struct hash_sum sum = range->sums->sum;
    uint64_t posted = range->sums->posted;
    const struct sum_seed seed = sum_hash_seed(value);
    for (uint32_t i = 0; i < count; i++) {
        if (!slot_pages_have(&range->alive, slots[i]))
            continue;
        posted += value_word(slots[i], value);
        hash_sum_add(&sum, sum_hash_int(&seed, engine_entity_of(range->engine, slots[i])));
    }
    range->sums->sum = sum;
    range->sums->posted = posted;
}

static void
sum_text_posting(void *context, int64_t value, const uint32_t *slots, uint32_t count)
{
    const struct range_sum *range = context;
    struct text text = dictionary_text(&range->field->dictionary, (uint32_t)value);
    for (uint32_t i = 0; i < count; i++) {
        if (!slot_pages_have(&range->alive, slots[i]))
            continue;
        int64_t id = engine_entity_of(range->engine, slots[i]);
        range->sums->posted += value_word(slots[i], value);
        hash_sum_add(&range->sums->sum, sum_hash_text(text, id));
    }
}

/* --- pages ----------------------------------------------------------------------------------- */

/* The fingerprint of the values. */
static uint64_t
print_page(const struct range_sum *range, uint32_t page, const struct field_page *values)
{
    uint64_t print = 0;
    uint32_t first = page * PAGE_SLOTS;
    for (uint32_t word = 0; word < PAGE_WORDS; word++) {
        for (uint64_t left = values->has.words[word]; left != 0; left &= left - 1) {
            uint32_t at = word * WORD_SLOTS + (uint32_t)__builtin_ctzll(left);
            print += value_word(first + at, values->keys[at]);
        }
    }
    range->sums->is_broken |= values->is_broken;
    return print;
}

/* The hashes of the values of a field without postings, which are integers. */
static void
sum_page(const struct range_sum *range, uint32_t page, const struct field_page *values)
{
    struct hash_sum sum = range->sums->sum;
    uint32_t first = page * PAGE_SLOTS;
    CHECK(range->field->type == FIELD_SINGLE_VALUE);
    for (uint32_t word = 0; word < PAGE_WORDS; word++) {
        for (uint64_t left = values->has.words[word]; left != 0; left &= left - 1) {
            uint32_t at = word * WORD_SLOTS + (uint32_t)__builtin_ctzll(left);
            const struct sum_seed seed = sum_hash_seed(values->keys[at]);
            hash_sum_add(&sum, sum_hash_int(&seed, engine_entity_of(range->engine, first + at)));
        }
    }
    range->sums->sum = sum;
}

static void
sum_scalar_page(const struct range_sum *range, uint32_t page, const struct page_bits *open)
{
    const struct field *field = range->field;
    field_page_read(field, page, open, range->values);
    range->sums->held += print_page(range, page, range->values);
    if (!field->filters)
        sum_page(range, page, range->values);
    if (field->sort_bits > 0) {
        field_page_read_slices(field, page, open, range->values);
        range->sums->sliced += print_page(range, page, range->values);
    }
    if (field->computed_op != COMPUTED_NONE) {
        field_page_compute(field, page, open, range->computed, range->room);
        range->sums->computed += print_page(range, page, range->computed);
    }
}

/* A field with postings, which have the hashes. */
static void
print_set_page(const struct range_sum *range, uint32_t page, const struct page_bits *open)
{
    uint64_t print = 0;
    bool is_broken = false;
    CHECK(range->field->filters);
    for (uint32_t word = 0; word < PAGE_WORDS; word++) {
        for (uint64_t left = open->words[word]; left != 0; left &= left - 1) {
            uint32_t slot = page * PAGE_SLOTS + word * WORD_SLOTS + (uint32_t)__builtin_ctzll(left);
            struct set_reader reader;
            int64_t value;
            bool any = false;
            set_column_read(&range->field->sets, slot, &reader);
            for (; set_reader_next(&reader, &value); any = true)
                print += value_word(slot, value);
            is_broken |= any != roaring_bitmap_contains(range->field->present, slot);
        }
    }
    range->sums->held += print;
    range->sums->is_broken |= is_broken;
}

static void
give(const struct engine_yield *yield)
{
    if (yield != NULL)
        yield->give(yield->context);
}

static void
sum_pages(const struct range_sum *range, const struct engine_yield *yield)
{
    const struct pages *pages = &range->alive.pages;
    for (uint32_t page = 0; page < pages->count; page++) {
        const struct page_bits *open = pages->items[page];
        if (open == NULL)
            continue;
        if (range->field->type == FIELD_MULTI_VALUE)
            print_set_page(range, page, open);
        else
            sum_scalar_page(range, page, open);
        give(yield);
    }
}

/* --- fields ---------------------------------------------------------------------------------- */

static struct engine_field_sum
field_sums_judge(const struct field *field, const struct field_sums *sums)
{
    bool is_damaged = sums->is_broken || (field->filters && sums->posted != sums->held) ||
                      (field->sort_bits > 0 && sums->sliced != sums->held) ||
                      (field->computed_op != COMPUTED_NONE && sums->computed != sums->held);
    return (struct engine_field_sum){sums->sum, is_damaged};
}

static struct engine_field_sum
sum_field(struct range_sum *range, const struct engine_yield *yield)
{
    struct field_sums sums = {0};
    const struct field *field = range->field;
    slot_visit take = field->type == FIELD_STRING ? sum_text_posting : sum_posting;
    range->sums = &sums;
    if (field->filters)
        postings_visit(&field->postings, range->range.begin, range->range.end, take, range);
    give(yield);
    sum_pages(range, yield);
    return field_sums_judge(field, &sums);
}

/* Existence: an integer field whose value is 1 wherever the slot is alive. */
static struct engine_field_sum
sum_existence(const struct range_sum *range)
{
    const struct engine *engine = range->engine;
    const struct sum_seed seed = sum_hash_seed(1);
    struct engine_field_sum sum = {0};
    roaring_bitmap_t *slots = bitmap_create();
    roaring_bitmap_add_range(slots, range->range.begin, range->range.end);
    roaring_bitmap_t *misplaced = engine_find_misplaced(engine, slots);
    roaring_bitmap_and_inplace(slots, engine->alive);
    roaring_uint32_iterator_t at;
    roaring_init_iterator(slots, &at);
    for (; at.has_value; roaring_advance_uint32_iterator(&at))
        hash_sum_add(&sum.sum, sum_hash_int(&seed, engine_entity_of(engine, at.current_value)));
    sum.is_damaged = !roaring_bitmap_is_empty(misplaced);
    CHECK(sum.sum.count == roaring_bitmap_get_cardinality(slots));
    roaring_bitmap_free(slots);
    roaring_bitmap_free(misplaced);
    return sum;
}

void
engine_sum_range(const struct engine *engine, int64_t begin, int64_t end,
                 struct engine_field_sum *sums, const struct engine_yield *yield)
{
    struct range_sum range = {.engine = engine, .range = engine_slot_range(engine, begin, end)};
    CHECK(!engine->in_rows);
    slot_pages_read(&range.alive, engine->alive, range.range);
    range.values = memory_alloc(3 * sizeof *range.values);
    range.computed = range.values + 1;
    range.room = range.values + 2;
    for (uint32_t i = 0; i < engine->field_count; i++) {
        range.field = &engine->fields[i];
        sums[i] = sum_field(&range, yield);
    }
    sums[engine->field_count] = sum_existence(&range);
    free(range.values);
    slot_pages_free(&range.alive);
}
