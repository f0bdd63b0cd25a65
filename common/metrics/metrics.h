/* Prometheus text exposition (format 0.0.4) and the latency histogram behind it.
 *
 * A program renders its metrics on demand from the state it has anyway; there is no registry. Names
 * follow bitdex_<area>_<thing>_<unit>.
 */
#ifndef COMMON_METRICS_METRICS_H
#define COMMON_METRICS_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include "common/base/memory.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Starts a family: HELP and TYPE lines. `type` is "counter", "gauge" or "histogram". */
void metrics_family(struct buffer *out, const char *name, const char *type, const char *help);

/* One sample. `labels` is NULL or alternating names and values ending with NULL; values are
 * escaped. Integral values are written without a fraction, others as short as reads back the
 * same. */
void metrics_sample(struct buffer *out, const char *name, const char *const *labels, double value);

/* Lock-free. The buckets end at 10, 20, 50, 100 us and so on up to 100 s; the last one has no end.
 * Any thread. Zero-initialise. */
enum { METRICS_HISTOGRAM_BUCKETS = 23 };
struct metrics_histogram {
    _Atomic uint64_t counts[METRICS_HISTOGRAM_BUCKETS];
    _Atomic uint64_t sum_us;
};

void metrics_observe_us(struct metrics_histogram *histogram, int64_t us);
/* The _bucket, _sum and _count lines (seconds) of one labelled histogram whose family was started
 * before. Buckets and count agree; the sum may be some observations ahead or behind. */
void metrics_histogram_sample(struct buffer *out, const char *name, const char *const *labels,
                              const struct metrics_histogram *histogram);

#endif
