#include "producer/load/series.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"

enum { CAPACITY_MIN = 256, DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS, SHORT_RUN = 32 };

void
series_free(struct series *series)
{
    free(series->pairs);
    *series = (struct series){0};
}

void
series_grow(struct series *series)
{
    CHECK(series->capacity <= UINT32_MAX / 2);
    series->capacity = series->capacity == 0 ? CAPACITY_MIN : series->capacity * 2;
    series->pairs = memory_realloc(series->pairs, series->capacity * sizeof *series->pairs);
}

/* One pass of a radix sort, which keeps the order of equal digits. */
static void
sort_digit(const struct series_pair *from, struct series_pair *to, uint32_t count, uint64_t least,
           int shift)
{
    uint32_t starts[DIGITS] = {0};
    uint32_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        starts[((uint64_t)from[i].id - least) >> shift & (DIGITS - 1)]++;
    for (uint32_t i = 0; i < DIGITS; i++) {
        uint32_t here = starts[i];
        starts[i] = sum;
        sum += here;
    }
    CHECK(sum == count);
    for (uint32_t i = 0; i < count; i++)
        to[starts[((uint64_t)from[i].id - least) >> shift & (DIGITS - 1)]++] = from[i];
}

/* Ids that are close together take few passes. */
void
series_sort(struct series *series, struct series *scratch)
{
    CHECK(scratch != series);
    if (!series->is_unsorted)
        return;
    int64_t least = INT64_MAX;
    int64_t greatest = INT64_MIN;
    for (uint32_t i = 0; i < series->count; i++) {
        least = series->pairs[i].id < least ? series->pairs[i].id : least;
        greatest = series->pairs[i].id > greatest ? series->pairs[i].id : greatest;
    }
    while (scratch->capacity < series->count)
        series_grow(scratch);
    uint64_t spread = (uint64_t)greatest - (uint64_t)least;
    for (int shift = 0; shift < 64 && spread >> shift > 0; shift += DIGIT_BITS) {
        sort_digit(series->pairs, scratch->pairs, series->count, (uint64_t)least, shift);
        struct series_pair *pairs = series->pairs;
        uint32_t capacity = series->capacity;
        series->pairs = scratch->pairs;
        series->capacity = scratch->capacity;
        scratch->pairs = pairs;
        scratch->capacity = capacity;
    }
    series->is_unsorted = false;
}

static int
compare_values(const void *a, const void *b)
{
    int64_t left = ((const struct series_pair *)a)->value;
    int64_t right = ((const struct series_pair *)b)->value;
    return (left > right) - (left < right);
}

static void
sort_run(struct series_pair *run, uint32_t count)
{
    if (count > SHORT_RUN) {
        qsort(run, count, sizeof *run, compare_values);
        return;
    }
    for (uint32_t i = 1; i < count; i++) {
        struct series_pair pair = run[i];
        uint32_t at = i;
        for (; at > 0 && run[at - 1].value > pair.value; at--)
            run[at] = run[at - 1];
        run[at] = pair;
    }
}

/* Copies what stays of a sorted run to `out`, which may overlap its beginning; returns its end. */
static struct series_pair *
keep_run(const struct series_pair *run, uint32_t count, enum series_repeats repeats,
         struct series_pair *out)
{
    CHECK(count > 0);
    if (repeats == SERIES_KEEP_GREATEST) {
        *out = run[count - 1];
        return out + 1;
    }
    struct series_pair *first = out;
    for (uint32_t i = 0; i < count; i++)
        if (out == first || out[-1].value != run[i].value)
            *out++ = run[i];
    return out;
}

void
series_unite(struct series *series, enum series_repeats repeats)
{
    CHECK(!series->is_unsorted);
    if (repeats == SERIES_KEEP_ALL)
        return;
    struct series_pair *out = series->pairs;
    uint32_t end;
    for (uint32_t i = 0; i < series->count; i = end) {
        for (end = i + 1; end < series->count && series->pairs[end].id == series->pairs[i].id;)
            end++;
        sort_run(series->pairs + i, end - i);
        out = keep_run(series->pairs + i, end - i, repeats, out);
    }
    series->count = (uint32_t)(out - series->pairs);
}

/* Where an entity is. */
struct place {
    int64_t id;
    int64_t slot;
    int32_t partition;
};

/* Moves to a greater or equal id. Most are near, and take no division. */
static inline void
place_move(struct place *place, int64_t id, int32_t partitions)
{
    int64_t distance = id - place->id;
    CHECK(distance >= 0);
    place->id = id;
    if (distance < partitions - place->partition) {
        place->partition += (int32_t)distance;
        return;
    }
    place->slot = id / partitions;
    place->partition = (int32_t)(id - place->slot * partitions);
}

void
series_divide(const struct series *series, int32_t partitions, struct arena *arena,
              struct series_slice *slices)
{
    uint32_t *slots = arena_alloc(arena, series->count * sizeof *slots);
    int64_t *values = arena_alloc(arena, series->count * sizeof *values);
    CHECK(!series->is_unsorted);
    memset(slices, 0, (size_t)partitions * sizeof *slices);
    struct place place = {0};
    for (uint32_t i = 0; i < series->count; i++) {
        place_move(&place, series->pairs[i].id, partitions);
        slices[place.partition].count++;
    }
    for (int32_t p = 0; p < partitions; p++) {
        slices[p].slots = slots;
        slices[p].values = values;
        slots += slices[p].count;
        values += slices[p].count;
        slices[p].count = 0;
    }
    place = (struct place){0};
    for (uint32_t i = 0; i < series->count; i++) {
        place_move(&place, series->pairs[i].id, partitions);
        CHECK(place.slot <= UINT32_MAX);
        struct series_slice *slice = &slices[place.partition];
        slice->slots[slice->count] = (uint32_t)place.slot;
        slice->values[slice->count++] = series->pairs[i].value;
    }
}

uint32_t
series_slice_find(const struct series_slice *slice, int32_t partition, int32_t partitions,
                  int64_t id)
{
    CHECK(partition < partitions);
    /* the slots whose entities are below `id`: slot * partitions + partition < id */
    int64_t bound = id <= partition ? 0 : (id - partition - 1) / partitions + 1;
    uint32_t low = 0;
    uint32_t high = slice->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (slice->slots[middle] < bound)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
