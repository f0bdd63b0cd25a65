#include "consumer/engine/chunk_parts.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/memory.h"
#include "common/base/search.h"

enum { PART_VALUES = 32 * 1024 };
enum { SET_VALUES = 16 }; /* what a slot of a multi-value field counts that may lose its values */

/* --- slots of a range ------------------------------------------------------------------------ */

struct slot_search {
    const uint32_t *slots;
    uint64_t wanted;
};

static bool
slot_is_below(const void *context, uint32_t at)
{
    const struct slot_search *search = context;
    return search->slots[at] < search->wanted;
}

struct slot_span
slot_span_find(const uint32_t *slots, uint32_t count, struct slot_range range)
{
    const struct slot_search first = {slots, range.begin}, last = {slots, range.end};
    uint32_t begin = search_first(count, slot_is_below, &first);
    uint32_t end = search_first(count, slot_is_below, &last);
    CHECK(begin <= end && end <= count);
    return (struct slot_span){begin, end - begin};
}

bool
chunk_states_field(const struct chunk *chunk, const struct field *field)
{
    uint32_t i = 0;
    while (i < chunk->field_count && !text_equal(chunk->fields[i], field->name))
        i++;
    return i < chunk->field_count && field->computed_op == COMPUTED_NONE;
}

/* --- the range ------------------------------------------------------------------------------- */

/* Raises `*end` above the slots of the bitmap. */
static void
range_reach(const roaring_bitmap_t *slots, uint64_t *end)
{
    uint64_t last = roaring_bitmap_maximum(slots);
    if (!roaring_bitmap_is_empty(slots) && last >= *end)
        *end = last + 1;
}

static void
range_reach_list(const uint32_t *slots, uint32_t count, uint64_t *end)
{
    if (count > 0 && slots[count - 1] >= *end)
        *end = (uint64_t)slots[count - 1] + 1;
}

/* The end of the slots that the engine or the chunk uses. */
static uint64_t
range_used_end(const struct engine *engine, const struct chunk *chunk)
{
    uint64_t end = 0;
    range_reach(engine->alive, &end);
    range_reach(engine->unswept, &end);
    for (uint32_t i = 0; i < engine->field_count; i++)
        range_reach(engine->fields[i].present, &end);
    range_reach_list(chunk->alive, chunk->alive_count, &end);
    for (uint32_t i = 0; i < chunk->column_count; i++)
        range_reach_list(chunk->columns[i].slots, chunk->columns[i].count, &end);
    CHECK(end <= (uint64_t)engine->max_slots);
    return end;
}

static struct slot_range
range_of_chunk(const struct engine *engine, const struct chunk *chunk)
{
    struct slot_range range = engine_slot_range(engine, chunk->begin, chunk->end);
    uint64_t end = range_used_end(engine, chunk);
    if (chunk->has_slots)
        end = chunk->slot_count > 0 ? (uint64_t)chunk->slots[chunk->slot_count - 1] + 1 : 0;
    range.end = range.end < end ? range.end : end;
    range.begin = range.begin < range.end ? range.begin : range.end;
    return range;
}

/* --- the cuts -------------------------------------------------------------------------------- */

/* The longest list or bitmap of slots, by which the chunk is cut. */
struct cuts {
    uint64_t weight; /* of all lists and bitmaps */
    uint64_t longest;
    const uint32_t *slots;           /* a list, or */
    const roaring_bitmap_t *present; /* the slots of a bitmap that are in the range, */
    uint64_t below;                  /* after this many others */
};

static void
cuts_add_list(struct cuts *cuts, const uint32_t *slots, uint64_t count)
{
    cuts->weight += count;
    if (count <= cuts->longest)
        return;
    cuts->longest = count;
    cuts->slots = slots;
    cuts->present = NULL;
}

static void
cuts_add_present(struct cuts *cuts, const struct field *field, const struct slot_range *range)
{
    uint64_t count = roaring_bitmap_range_cardinality(field->present, range->begin, range->end);
    cuts->weight += count * (field->type == FIELD_MULTI_VALUE ? SET_VALUES : 1);
    if (count <= cuts->longest)
        return;
    cuts->longest = count;
    cuts->present = field->present;
    cuts->below = roaring_bitmap_range_cardinality(field->present, 0, range->begin);
}

static uint64_t
cuts_slot(const struct cuts *cuts, uint64_t at)
{
    uint32_t slot;
    CHECK(at < cuts->longest);
    if (cuts->present == NULL)
        return cuts->slots[at];
    CHECK(roaring_bitmap_select(cuts->present, (uint32_t)(cuts->below + at), &slot));
    return slot;
}

void
chunk_parts_find(const struct engine *engine, const struct chunk *chunk, struct chunk_parts *parts)
{
    struct slot_range range = range_of_chunk(engine, chunk);
    struct cuts cuts = {0};
    cuts_add_list(&cuts, chunk->alive, chunk->alive_count);
    for (uint32_t i = 0; i < chunk->column_count; i++)
        cuts_add_list(&cuts, chunk->columns[i].slots, chunk->columns[i].count);
    for (uint32_t i = 0; i < engine->field_count; i++) {
        if (chunk_states_field(chunk, &engine->fields[i]))
            cuts_add_present(&cuts, &engine->fields[i], &range);
    }
    parts->begin = range.begin;
    parts->count = (uint32_t)(cuts.weight / PART_VALUES) + 1;
    parts->ends = memory_alloc(parts->count * sizeof *parts->ends);
    for (uint32_t i = 1; i < parts->count; i++)
        parts->ends[i - 1] = cuts_slot(&cuts, cuts.longest * i / parts->count);
    parts->ends[parts->count - 1] = range.end;
    CHECK(parts->count == 1 || parts->ends[parts->count - 2] <= range.end);
}

void
chunk_parts_free(struct chunk_parts *parts)
{
    CHECK(parts->count > 0);
    free(parts->ends);
}
