#include "consumer/engine/id_match.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/config/config_fields.h"
#include "consumer/engine/scalar.h"

#define SLOTS_END (UINT64_C(1) << 32)

const struct field id_match_field = {
    .name = {CONFIG_FIELD_ID, sizeof CONFIG_FIELD_ID - 1},
    .type = FIELD_SINGLE_VALUE,
    .min = INT64_MIN,
    .max = INT64_MAX,
};

static roaring_bitmap_t *
id_match_values(const struct engine *engine, const struct filter *leaf,
                const roaring_bitmap_t *within)
{
    uint32_t *slots = memory_alloc((leaf->count + 1) * sizeof *slots);
    uint32_t count = 0;
    for (uint32_t i = 0; i < leaf->count; i++) {
        struct scalar id;
        CHECK(scalar_from_value(&id_match_field, &leaf->values[i], &id, NULL) == 0);
        if (engine_slot_of(engine, id.number, &slots[count]))
            count++;
    }
    roaring_bitmap_t *matches = bitmap_create();
    roaring_bitmap_add_many(matches, count, slots);
    roaring_bitmap_and_inplace(matches, within);
    free(slots);
    return matches;
}

static roaring_bitmap_t *
id_match_range(const struct engine *engine, const struct filter *leaf,
               const roaring_bitmap_t *within)
{
    int64_t low, high;
    CHECK(leaf->count == 1);
    CHECK(scalar_range(&id_match_field, leaf->kind, leaf->values, &low, &high, NULL) == 0);
    if (low > high)
        return bitmap_create();
    uint64_t begin = engine_slots_below(engine, low);
    uint64_t end = high < INT64_MAX ? engine_slots_below(engine, high + 1) : SLOTS_END;
    roaring_bitmap_t *matches = bitmap_copy(within);
    CHECK(begin <= end);
    if (begin > 0)
        roaring_bitmap_remove_range(matches, 0, begin < SLOTS_END ? begin : SLOTS_END);
    if (end < SLOTS_END)
        roaring_bitmap_remove_range(matches, end, SLOTS_END);
    return matches;
}

roaring_bitmap_t *
id_match(const struct engine *engine, const struct filter *leaf, const roaring_bitmap_t *within)
{
    CHECK(within != NULL);
    switch (leaf->kind) {
    case FILTER_IS_NULL:
        return bitmap_create();
    case FILTER_IS_NOT_NULL:
        return bitmap_copy(within);
    case FILTER_EQ:
    case FILTER_IN:
        return id_match_values(engine, leaf, within);
    default:
        CHECK(leaf->kind >= FILTER_GT && leaf->kind <= FILTER_LTE);
        return id_match_range(engine, leaf, within);
    }
}
