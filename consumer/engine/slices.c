#include "consumer/engine/slices.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/memory.h"
#include "consumer/engine/slot_set.h"
#include "consumer/engine/state.h"

void
slices_init(struct slices *slices, uint32_t width)
{
    slices->count = width + 1;
    CHECK(width > 0 && slices->count <= SLICES_MAX);
    for (uint32_t i = 0; i < slices->count; i++) {
        slices->bits[i] = roaring_bitmap_create();
        CHECK(slices->bits[i] != NULL);
    }
}

void
slices_free(struct slices *slices)
{
    for (uint32_t i = 0; i < slices->count; i++)
        roaring_bitmap_free(slices->bits[i]);
    slices->count = 0;
}

void
slices_change(struct slices *slices, uint32_t slot, int64_t old_number, int64_t new_number)
{
    uint64_t mask = UINT64_MAX >> (SLICES_MAX - slices->count);
    uint64_t changed = ((uint64_t)old_number ^ (uint64_t)new_number) & mask;
    for (; changed != 0; changed &= changed - 1) {
        int i = __builtin_ctzll(changed);
        if (new_number >> i & 1)
            roaring_bitmap_add(slices->bits[i], slot);
        else
            roaring_bitmap_remove(slices->bits[i], slot);
    }
}

/* Slice by slice, so that the memory of one is at hand for all of its changes. */
void
slices_change_many(struct slices *slices, const struct slices_change *changes, uint32_t count)
{
    uint32_t *set = memory_alloc(count * sizeof *set);
    uint32_t *unset = memory_alloc(count * sizeof *unset);
    for (uint32_t bit = 0; bit < slices->count; bit++) {
        uint32_t sets = 0, unsets = 0;
        for (uint32_t i = 0; i < count; i++) {
            bool is = (changes[i].new_number >> bit & 1) != 0;
            bool was = (changes[i].old_number >> bit & 1) != 0;
            set[sets] = unset[unsets] = changes[i].slot;
            sets += is && !was;
            unsets += was && !is;
        }
        roaring_bitmap_add_many(slices->bits[bit], sets, set);
        roaring_bitmap_remove_many(slices->bits[bit], unsets, unset);
    }
    free(set);
    free(unset);
}

void
slices_fill(struct slices *slices, const roaring_bitmap_t *slots, int64_t number)
{
    for (uint32_t i = 0; i < slices->count; i++) {
        if (number >> i & 1)
            roaring_bitmap_or_inplace(slices->bits[i], slots);
        else
            roaring_bitmap_andnot_inplace(slices->bits[i], slots);
    }
}

/* Above the width of `from` its sign goes on. */
void
slices_copy(struct slices *slices, const struct slices *from, const roaring_bitmap_t *slots)
{
    for (uint32_t i = 0; i < slices->count; i++) {
        uint32_t bit = i < from->count ? i : from->count - 1;
        roaring_bitmap_t *set = roaring_bitmap_and(from->bits[bit], slots);
        CHECK(set != NULL);
        roaring_bitmap_andnot_inplace(slices->bits[i], slots);
        roaring_bitmap_or_inplace(slices->bits[i], set);
        roaring_bitmap_free(set);
    }
}

/* Those of `candidates` that are high in slice `i`: a set bit, or, of the sign, one that is not. */
static roaring_bitmap_t *
slices_high(const struct slices *slices, uint32_t i, bool high, const roaring_bitmap_t *candidates)
{
    bool set = high != (i == slices->count - 1);
    roaring_bitmap_t *found = set ? roaring_bitmap_and(candidates, slices->bits[i])
                                  : roaring_bitmap_andnot(candidates, slices->bits[i]);
    CHECK(found != NULL);
    return found;
}

static roaring_bitmap_t *
bitmap_copy(const roaring_bitmap_t *bitmap)
{
    roaring_bitmap_t *copy = roaring_bitmap_copy(bitmap);
    CHECK(copy != NULL);
    return copy;
}

void
slices_compare(const struct slices *slices, int64_t number, const roaring_bitmap_t *candidates,
               roaring_bitmap_t **above, roaring_bitmap_t **equal)
{
    *equal = bitmap_copy(candidates);
    *above = roaring_bitmap_create();
    CHECK(*above != NULL);
    for (uint32_t i = slices->count; i-- > 0 && !roaring_bitmap_is_empty(*equal);) {
        bool sign = i == slices->count - 1;
        bool high = (number >> i & 1) != sign;
        roaring_bitmap_t *highs = slices_high(slices, i, true, *equal);
        if (high) {
            roaring_bitmap_free(*equal);
            *equal = highs;
        } else {
            roaring_bitmap_or_inplace(*above, highs);
            roaring_bitmap_andnot_inplace(*equal, highs);
            roaring_bitmap_free(highs);
        }
    }
}

/* Cuts `slots` to its `wanted` greatest (least) ones. */
static void
bitmap_cut(roaring_bitmap_t *slots, uint64_t wanted, bool greatest)
{
    uint64_t count = roaring_bitmap_get_cardinality(slots);
    uint32_t edge;
    if (wanted >= count)
        return;
    uint64_t rank = greatest ? count - wanted : wanted; /* the first one kept, or not any more */
    CHECK(roaring_bitmap_select(slots, (uint32_t)rank, &edge));
    if (greatest)
        roaring_bitmap_remove_range(slots, 0, edge);
    else
        roaring_bitmap_remove_range(slots, edge, UINT64_C(1) << 32);
}

/* From the highest slice down: `open` are the candidates that are alike in all slices so far, and
 * everything in `sure` is better than they are. */
roaring_bitmap_t *
slices_best(const struct slices *slices, const roaring_bitmap_t *candidates, uint64_t wanted,
            bool greatest)
{
    CHECK(wanted > 0);
    roaring_bitmap_t *open = bitmap_copy(candidates);
    roaring_bitmap_t *sure = roaring_bitmap_create();
    CHECK(sure != NULL);
    uint64_t open_count = roaring_bitmap_get_cardinality(open);
    for (uint32_t i = slices->count; i-- > 0 && open_count > SLICES_FEW;) {
        roaring_bitmap_t *better = slices_high(slices, i, greatest, open);
        uint64_t count = roaring_bitmap_get_cardinality(better);
        if (count >= wanted) {
            roaring_bitmap_free(open);
            open = better;
            open_count = count;
            continue;
        }
        if (count > 0) {
            roaring_bitmap_or_inplace(sure, better);
            roaring_bitmap_andnot_inplace(open, better);
            open_count -= count;
            wanted -= count;
        }
        roaring_bitmap_free(better);
    }
    if (open_count > SLICES_FEW)
        bitmap_cut(open, wanted, greatest);
    roaring_bitmap_or_inplace(sure, open);
    roaring_bitmap_free(open);
    return sure;
}

void
slices_optimize(struct slices *slices)
{
    for (uint32_t i = 0; i < slices->count; i++) {
        roaring_bitmap_run_optimize(slices->bits[i]);
        roaring_bitmap_shrink_to_fit(slices->bits[i]);
    }
}

uint64_t
slices_bytes(const struct slices *slices)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < slices->count; i++)
        bytes += bitmap_bytes(slices->bits[i]);
    return bytes;
}

void
slices_save(const struct slices *slices, struct state_writer *writer)
{
    for (uint32_t i = 0; i < slices->count; i++)
        state_put_bitmap(writer, slices->bits[i]);
}

void
slices_load(struct slices *slices, struct state_reader *reader)
{
    for (uint32_t i = 0; i < slices->count; i++)
        state_replace_bitmap(reader, &slices->bits[i]);
}
