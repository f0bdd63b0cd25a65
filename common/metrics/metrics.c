#include "common/metrics/metrics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/number.h"

enum { LAST_BUCKET = METRICS_HISTOGRAM_BUCKETS - 1 };

static const int64_t bucket_ends_us[LAST_BUCKET] = {
    10,      20,      50,       100,      200,      500,       1000,   2000,
    5000,    10000,   20000,    50000,    100000,   200000,    500000, 1000000,
    2000000, 5000000, 10000000, 20000000, 50000000, 100000000,
};

static void
metrics_append_escaped(struct buffer *out, const char *text, bool in_quotes)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n')
            buffer_append(out, "\\n", 2);
        else if (*text == '\\' || (*text == '"' && in_quotes))
            buffer_append_format(out, "\\%c", *text);
        else
            buffer_append(out, text, 1);
    }
}

/* Integral values have no fraction; others have the fewest digits that read back as the same. */
static void
metrics_append_number(struct buffer *out, double value)
{
    if (!isfinite(value)) {
        buffer_append_text(out, isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf");
        return;
    }
    if (value > -1e17 && value < 1e17 && value == (double)(int64_t)value) {
        buffer_append_format(out, "%lld", (long long)value);
        return;
    }
    char text[NUMBER_TEXT_BYTES];
    number_format(value, text, sizeof text);
    buffer_append_text(out, text);
}

/* A name of ours: letters, digits and underscores. */
static bool
metrics_is_name(const char *name)
{
    return name[0] != '\0' && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(name);
}

void
metrics_family(struct buffer *out, const char *name, const char *type, const char *help)
{
    CHECK(metrics_is_name(name));
    CHECK(help[0] != '\0');
    CHECK(strcmp(type, "counter") == 0 || strcmp(type, "gauge") == 0 ||
          strcmp(type, "histogram") == 0);
    buffer_append_format(out, "# HELP %s ", name);
    metrics_append_escaped(out, help, false);
    buffer_append_format(out, "\n# TYPE %s %s\n", name, type);
}

static void
metrics_append_label(struct buffer *out, char before, const char *name, const char *value)
{
    CHECK(before == '{' || before == ',');
    CHECK(metrics_is_name(name));
    CHECK(value != NULL);
    buffer_append_format(out, "%c%s=\"", before, name);
    metrics_append_escaped(out, value, true);
    buffer_append(out, "\"", 1);
}

/* `bucket_end` is the value of a last label `le`, or NULL for none. */
static void
metrics_line(struct buffer *out, const char *name, const char *suffix, const char *const *labels,
             const char *bucket_end, double value)
{
    char before = '{';
    CHECK(metrics_is_name(name));
    buffer_append_format(out, "%s%s", name, suffix);
    for (; labels != NULL && *labels != NULL; labels += 2, before = ',')
        metrics_append_label(out, before, labels[0], labels[1]);
    if (bucket_end != NULL) {
        metrics_append_label(out, before, "le", bucket_end);
        before = ',';
    }
    buffer_append_text(out, before == '{' ? " " : "} ");
    metrics_append_number(out, value);
    buffer_append(out, "\n", 1);
}

void
metrics_sample(struct buffer *out, const char *name, const char *const *labels, double value)
{
    metrics_line(out, name, "", labels, NULL, value);
}

void
metrics_observe_us(struct metrics_histogram *histogram, int64_t us)
{
    if (us < 0)
        us = 0;
    int bucket = 0;
    while (bucket < LAST_BUCKET && us > bucket_ends_us[bucket])
        bucket++;
    CHECK(bucket <= LAST_BUCKET);
    atomic_fetch_add_explicit(&histogram->counts[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum_us, (uint64_t)us, memory_order_relaxed);
}

/* Sets `counts` to cumulative counts, as the format requires; returns the total. */
static uint64_t
metrics_accumulate(const struct metrics_histogram *histogram,
                   uint64_t counts[METRICS_HISTOGRAM_BUCKETS])
{
    uint64_t total = 0;
    for (int i = 0; i < METRICS_HISTOGRAM_BUCKETS; i++) {
        total += atomic_load_explicit(&histogram->counts[i], memory_order_relaxed);
        counts[i] = total;
    }
    return total;
}

void
metrics_histogram_sample(struct buffer *out, const char *name, const char *const *labels,
                         const struct metrics_histogram *histogram)
{
    uint64_t counts[METRICS_HISTOGRAM_BUCKETS];
    uint64_t total = metrics_accumulate(histogram, counts);
    CHECK(counts[LAST_BUCKET] == total);
    for (int i = 0; i < LAST_BUCKET; i++) {
        CHECK(counts[i] <= counts[i + 1]);
        CHECK(i == 0 || bucket_ends_us[i - 1] < bucket_ends_us[i]);
        char end[32];
        snprintf(end, sizeof end, "%g", (double)bucket_ends_us[i] / 1e6);
        metrics_line(out, name, "_bucket", labels, end, (double)counts[i]);
    }
    metrics_line(out, name, "_bucket", labels, "+Inf", (double)total);
    uint64_t sum_us = atomic_load_explicit(&histogram->sum_us, memory_order_relaxed);
    metrics_line(out, name, "_sum", labels, NULL, (double)sum_us / 1e6);
    metrics_line(out, name, "_count", labels, NULL, (double)total);
}
