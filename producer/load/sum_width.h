/* The ranges that a verify sums: so wide that their queries take about 0.3 s, because the stream
 * waits for them. They are parts of the unit of 65,536 slots in each partition, halved again and
 * again, so that a later verify compares the same ranges. Pure; any thread.
 */
#ifndef PRODUCER_LOAD_SUM_WIDTH_H
#define PRODUCER_LOAD_SUM_WIDTH_H

#include <stdbool.h>
#include <stdint.h>

#define SUM_WIDTH_UNIT INT64_C(65536)
/* So narrow that its queries cannot take long. */
#define SUM_WIDTH_FIRST INT64_C(1024)

/* The end of the range of `width` slots, a power of two, in which `begin` is; at most `limit`. */
int64_t sum_width_end(int64_t begin, int64_t width, int32_t partitions, int64_t limit);

/* The end of that range when `next` is the least id with a row from it on: a gap belongs to the
 * range before it, up to the unit of `next`. Negative: no row is left, and the range reaches
 * `limit`. */
int64_t sum_width_skip(int64_t end, int64_t next, int32_t partitions, int64_t limit);

/* The width after a range that took so long; `is_whole`: it was not cut. */
int64_t sum_width_next(int64_t width, int64_t elapsed_us, bool is_whole);

/* The queries take far too long: the range is to be given up, unless it is one slot wide. Each
 * attempt, counted from 0, has twice the time of the one before. */
bool sum_width_is_exceeded(int64_t width, int64_t elapsed_us, uint32_t attempt);
/* The width of the next attempt. */
int64_t sum_width_cut(int64_t width);

#endif
