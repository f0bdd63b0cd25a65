#include "consumer/checkpoint/checkpoint_thin.h"

#include <string.h>

#include "common/base/check.h"

/* Removes point `at`, and its age if there are ages. */
static int
thin_remove(struct checkpoint_point *points, int64_t *ages, int count, int at,
            struct checkpoint_doomed *doomed)
{
    CHECK(at >= CHECKPOINTS_KEPT && at < count);
    CHECK(doomed->count < CHECKPOINTS_MAX);
    doomed->offsets[doomed->count++] = points[at].next_offset;
    size_t after = (size_t)(count - at - 1);
    memmove(&points[at], &points[at + 1], after * sizeof *points);
    if (ages != NULL)
        memmove(&ages[at], &ages[at + 1], after * sizeof *ages);
    return count - 1;
}

static void
thin_find_ages(const struct checkpoint_point *points, int count, int64_t *ages)
{
    CHECK(count <= CHECKPOINTS_MAX);
    for (int i = 0; i < count; i++) {
        CHECK(i == 0 || points[i].next_offset < points[i - 1].next_offset);
        bool is_known = points[i].clock_us != INT64_MAX && points[0].clock_us != INT64_MAX;
        int64_t age = is_known ? points[0].clock_us - points[i].clock_us : 0;
        int64_t newer = i > 0 ? ages[i - 1] : 0;
        ages[i] = age > newer ? age : newer;
    }
}

/* The point that is missed least; neither the newest two nor the oldest. */
static int
thin_find_least(const int64_t *ages, int count)
{
    int least = CHECKPOINTS_KEPT;
    double least_gap = 0;
    CHECK(count > CHECKPOINTS_KEPT + 1);
    for (int i = CHECKPOINTS_KEPT; i + 1 < count; i++) {
        double gap = (double)(ages[i + 1] - ages[i - 1]) / ((double)ages[i] + 1);
        if (i > CHECKPOINTS_KEPT && gap >= least_gap)
            continue;
        least = i;
        least_gap = gap;
    }
    return least;
}

int
checkpoint_thin(struct checkpoint_point *points, int count, int64_t keep_us,
                struct checkpoint_doomed *doomed)
{
    int64_t ages[CHECKPOINTS_MAX];
    CHECK(0 <= count && count <= CHECKPOINTS_MAX);
    CHECK(keep_us >= 0);
    thin_find_ages(points, count, ages);
    while (count > CHECKPOINTS_KEPT && ages[count - 2] >= keep_us)
        count = thin_remove(points, ages, count, count - 1, doomed);
    while (count > CHECKPOINTS_HISTORY)
        count = thin_remove(points, ages, count, thin_find_least(ages, count), doomed);
    return count;
}

int
checkpoint_thin_oldest(struct checkpoint_point *points, int count, struct checkpoint_doomed *doomed)
{
    return thin_remove(points, NULL, count, count - 1, doomed);
}
