/* A series: pairs of an entity and a value, as they were added, and the same divided by partition
 * and sorted by slot. The columns of chunks are cut from series. Pure; one thread. For this room
 * only.
 */
#ifndef PRODUCER_LOAD_SERIES_H
#define PRODUCER_LOAD_SERIES_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/memory.h"

struct series_pair {
    int64_t id;
    int64_t value; /* of a float, its bits */
};

struct series {
    struct series_pair *pairs; /* owned */
    uint32_t count;
    uint32_t capacity;
    bool is_unsorted; /* by id */
};

/* Zero-initialise. */
void series_free(struct series *series);

void series_grow(struct series *series);

static inline void
series_add(struct series *series, int64_t id, int64_t value)
{
    if (series->count == series->capacity)
        series_grow(series);
    if (series->count > 0 && series->pairs[series->count - 1].id > id)
        series->is_unsorted = true;
    series->pairs[series->count++] = (struct series_pair){id, value};
}

/* Sorts by id; the order of equal ids does not change. `scratch` is a series that is not in use. */
void series_sort(struct series *series, struct series *scratch);

/* What becomes of the values of one entity, which are then ordered by `value`. */
enum series_repeats {
    SERIES_KEEP_ALL,      /* there are none, or all of them stay */
    SERIES_KEEP_DISTINCT, /* each stays once */
    SERIES_KEEP_GREATEST, /* one stays */
};

/* Of a sorted series. */
void series_unite(struct series *series, enum series_repeats repeats);

/* The pairs of one partition. */
struct series_slice {
    uint32_t *slots; /* ascending */
    int64_t *values;
    uint32_t count;
};

/* Fills a slice for each partition from a sorted series, in memory of the arena. All ids are at
 * least 0, and all slots (id div partitions) at most UINT32_MAX. */
void series_divide(const struct series *series, int32_t partitions, struct arena *arena,
                   struct series_slice *slices);

/* The index of the first pair whose entity is at or above `id`. */
uint32_t series_slice_find(const struct series_slice *slice, int32_t partition, int32_t partitions,
                           int64_t id);

#endif
