#include "producer/verify/sample.h"

#include <stdlib.h>

#include "common/base/check.h"

enum { UNIT_SLOTS = 65536 };

/* SplitMix64. */
static uint64_t
next_random(uint64_t *state)
{
    uint64_t value = *state += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

static bool
has_unit(const int64_t *units, uint32_t count, int64_t unit)
{
    for (uint32_t i = 0; i < count; i++)
        if (units[i] == unit)
            return true;
    return false;
}

static int
compare_units(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

/* Robert Floyd's sampling: every set of `wanted` units is equally likely. */
static void
pick_units(int64_t all, uint32_t wanted, uint64_t random, int64_t *units)
{
    for (uint32_t count = 0; count < wanted; count++) {
        int64_t last = all - wanted + count;
        int64_t unit = (int64_t)(next_random(&random) % (uint64_t)(last + 1));
        units[count] = has_unit(units, count, unit) ? last : unit;
    }
    qsort(units, wanted, sizeof *units, compare_units);
}

void
sample_pick(int64_t last_id, int32_t partitions, uint32_t wanted, uint64_t random,
            struct arena *arena, struct job_ranges *ranges)
{
    CHECK(last_id >= 0 && partitions > 0);
    CHECK(0 < wanted && wanted <= SAMPLE_RANGES_MAX);
    int64_t width = (int64_t)UNIT_SLOTS * partitions;
    int64_t all = last_id / width + 1;
    uint32_t count = (int64_t)wanted < all ? wanted : (uint32_t)all;
    int64_t *units = arena_alloc(arena, count * sizeof *units);
    struct job_range *items = arena_alloc(arena, count * sizeof *items);
    pick_units(all, count, random, units);
    ranges->count = 0;
    for (uint32_t i = 0; i < count; i++) {
        int64_t begin = units[i] * width;
        if (ranges->count > 0 && items[ranges->count - 1].end == begin)
            items[ranges->count - 1].end += width;
        else
            items[ranges->count++] = (struct job_range){begin, begin + width};
    }
    ranges->items = items;
    CHECK(job_ranges_are_valid(ranges));
}
