/* The width of the next range: by what the last one cost, so that a reading takes about 0.3 s,
 * 8 MB and 16 Ki entities at most, whichever is reached first. Pure; any thread.
 */
#ifndef PRODUCER_LOAD_RANGE_WIDTH_H
#define PRODUCER_LOAD_RANGE_WIDTH_H

#include <stdbool.h>
#include <stdint.h>

/* The first width: so narrow that its reading cannot take long. */
#define RANGE_WIDTH_FIRST INT64_C(1024)
/* Wider than any table, and no sum with an id that has a slot overflows. */
#define RANGE_WIDTH_MAX (INT64_C(1) << 50)

struct range_cost {
    int64_t elapsed_us;
    uint64_t bytes; /* that the database sent */
    uint64_t entities;
};

/* The width after a range of `width` ids that cost this. At least 1. */
int64_t range_width_next(int64_t width, const struct range_cost *cost);

/* The reading of a range costs far more than it should: it is to be given up, when it is wider than
 * one id. `held_bytes` is the memory that its values take. Each attempt, counted from 0, has twice
 * the time of the one before, because a slow database would never get an answer through. */
bool range_width_is_exceeded(const struct range_cost *cost, uint64_t held_bytes, uint32_t attempt);

/* The width for the next attempt, less than `width`, which was greater than 1. `seen` ids from its
 * beginning on have had rows already; 0: unknown. */
int64_t range_width_cut(int64_t width, int64_t seen);

#endif
