#include "consumer/engine/engine_sum.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "consumer/engine/engine_internal.h"
#include "consumer/engine/engine_time.h"
#include "consumer/engine/field_page.h"

/* The sums of one field, by structure. */
struct field_sums {
    struct hash_sum held;   /* as documents show it */
    struct hash_sum posted; /* of a filter field */
    struct hash_sum sliced; /* of a sort field */
    struct hash_sum computed;
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

/* --- postings -------------------------------------------------------------------------------- */

static void
sum_posting(void *context, int64_t value, const uint32_t *slots, uint32_t count)
{
    const struct range_sum *range = context;
    struct hash_sum sum = range->sums->posted;
    const struct sum_seed seed = sum_hash_seed(value);
    for (uint32_t i = 0; i < count; i++) {
        if (slot_pages_have(&range->alive, slots[i]))
            hash_sum_add(&sum, sum_hash_int(&seed, engine_entity_of(range->engine, slots[i])));
    }
    range->sums->posted = sum;
}

static void
sum_text_posting(void *context, int64_t value, const uint32_t *slots, uint32_t count)
{
    const struct range_sum *range = context;
    struct text text = dictionary_text(&range->field->dictionary, (uint32_t)value);
    for (uint32_t i = 0; i < count; i++) {
        int64_t id = engine_entity_of(range->engine, slots[i]);
        if (slot_pages_have(&range->alive, slots[i]))
            hash_sum_add(&range->sums->posted, sum_hash_text(text, id));
    }
}

/* --- pages ----------------------------------------------------------------------------------- */

static int64_t
hash_value(const struct field *field, int64_t key, int64_t id)
{
    if (field->type == FIELD_STRING)
        return sum_hash_text(dictionary_text(&field->dictionary, (uint32_t)key), id);
    const struct sum_seed seed = sum_hash_seed(key);
    return sum_hash_int(&seed, id);
}

static void
sum_page(const struct range_sum *range, uint32_t page, const struct field_page *values,
         struct hash_sum *sum)
{
    struct hash_sum added = *sum;
    uint32_t first = page * PAGE_SLOTS;
    for (uint32_t word = 0; word < PAGE_WORDS; word++) {
        for (uint64_t left = values->has.words[word]; left != 0; left &= left - 1) {
            uint32_t at = word * WORD_SLOTS + (uint32_t)__builtin_ctzll(left);
            int64_t id = engine_entity_of(range->engine, first + at);
            hash_sum_add(&added, hash_value(range->field, values->keys[at], id));
        }
    }
    range->sums->is_broken |= values->is_broken;
    *sum = added;
}

static void
sum_scalar_page(const struct range_sum *range, uint32_t page, const struct page_bits *open)
{
    const struct field *field = range->field;
    field_page_read(field, page, open, range->values);
    sum_page(range, page, range->values, &range->sums->held);
    if (field->sort_bits > 0) {
        field_page_read_slices(field, page, open, range->values);
        sum_page(range, page, range->values, &range->sums->sliced);
    }
    if (field->computed_op != COMPUTED_NONE) {
        field_page_compute(field, page, open, range->computed, range->room);
        sum_page(range, page, range->computed, &range->sums->computed);
    }
}

static void
sum_set(const struct range_sum *range, uint32_t slot, struct hash_sum *sum)
{
    struct set_reader reader;
    int64_t value, id = engine_entity_of(range->engine, slot);
    set_column_read(&range->field->sets, slot, &reader);
    while (set_reader_next(&reader, &value)) {
        const struct sum_seed seed = sum_hash_seed(value);
        hash_sum_add(sum, sum_hash_int(&seed, id));
    }
}

static void
sum_set_page(const struct range_sum *range, uint32_t page, const struct page_bits *open)
{
    struct hash_sum sum = range->sums->held;
    for (uint32_t word = 0; word < PAGE_WORDS; word++) {
        for (uint64_t left = open->words[word]; left != 0; left &= left - 1) {
            uint32_t slot = page * PAGE_SLOTS + word * WORD_SLOTS + (uint32_t)__builtin_ctzll(left);
            sum_set(range, slot, &sum);
            range->sums->is_broken |= !field_set_is_present(range->field, slot);
        }
    }
    range->sums->held = sum;
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
            sum_set_page(range, page, open);
        else
            sum_scalar_page(range, page, open);
        give(yield);
    }
}

/* --- fields ---------------------------------------------------------------------------------- */

/* The sum of a structure that disagrees with what the field holds, if there is one. */
static struct engine_field_sum
field_sums_judge(const struct field *field, const struct field_sums *sums)
{
    struct engine_field_sum judged = {sums->held, true};
    if (field->filters && !hash_sum_equal(&sums->held, &sums->posted))
        judged.sum = sums->posted;
    else if (field->sort_bits > 0 && !hash_sum_equal(&sums->held, &sums->sliced))
        judged.sum = sums->sliced;
    else
        judged.is_damaged = sums->is_broken || (field->computed_op != COMPUTED_NONE &&
                                                !hash_sum_equal(&sums->held, &sums->computed));
    return judged;
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
