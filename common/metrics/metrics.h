/* Prometheus text exposition (format 0.0.4) and latency histograms.
 *
 * There is no registry: a program renders its metrics from its state when they are requested. Names
 * follow bitdex_<area>_<thing>_<unit>.
 */
#ifndef COMMON_METRICS_METRICS_H
#define COMMON_METRICS_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include "common/base/memory.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Writes the HELP and TYPE lines of a family; its samples follow. `type` is "counter", "gauge" or
 * "histogram". */
void metrics_family(struct buffer *out, const char *name, const char *type, const char *help);

/* Writes one sample. `labels` is NULL, or alternating names and values that end with NULL; values
 * are escaped. */
void metrics_sample(struct buffer *out, const char *name, const char *const *labels, double value);

/* Lock-free; any thread. The buckets end at 10, 20, 50, 100 us and so on up to 100 s; the last one
 * has no end. Initialise with zeros. */
enum { METRICS_HISTOGRAM_BUCKETS = 23 };
struct metrics_histogram {
    _Atomic uint64_t counts[METRICS_HISTOGRAM_BUCKETS];
    _Atomic uint64_t sum_us;
};

/* A negative duration counts as 0. */
void metrics_observe_us(struct metrics_histogram *histogram, int64_t us);
/* Writes the _bucket, _sum and _count lines, in seconds, of one labelled histogram. Buckets and
 * count agree; the sum may have some observations more or fewer. */
void metrics_histogram_sample(struct buffer *out, const char *name, const char *const *labels,
                              const struct metrics_histogram *histogram);

#endif
