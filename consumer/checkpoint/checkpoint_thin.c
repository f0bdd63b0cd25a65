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

/* A point of the log's reach that is not needed: neither the newest two nor the oldest; -1: none.
 * The newest first, so that those that are further apart stay. */
static int
thin_find_spare(const struct checkpoint_point *points, const int64_t *ages, int count,
                const struct checkpoint_keep *keep)
{
    for (int i = CHECKPOINTS_KEPT; i + 1 < count; i++) {
        int64_t gap = points[i + 1].log_bytes - points[i - 1].log_bytes;
        if (ages[i - 1] >= keep->keep_us && gap <= keep->reach_bytes)
            return i;
    }
    return -1;
}

int
checkpoint_thin(struct checkpoint_point *points, int count, const struct checkpoint_keep *keep,
                struct checkpoint_doomed *doomed)
{
    int64_t ages[CHECKPOINTS_MAX];
    int spare;
    CHECK(0 <= count && count <= CHECKPOINTS_MAX);
    CHECK(keep->keep_us >= 0 && keep->reach_bytes >= 0);
    thin_find_ages(points, count, ages);
    while (count > CHECKPOINTS_KEPT && ages[count - 2] >= keep->keep_us &&
           points[count - 2].log_bytes >= keep->reach_bytes)
        count = thin_remove(points, ages, count, count - 1, doomed);
    while ((spare = thin_find_spare(points, ages, count, keep)) >= 0)
        count = thin_remove(points, ages, count, spare, doomed);
    while (count > CHECKPOINTS_HISTORY)
        count = thin_remove(points, ages, count, thin_find_least(ages, count), doomed);
    return count;
}

int
checkpoint_thin_oldest(struct checkpoint_point *points, int count, struct checkpoint_doomed *doomed)
{
    return thin_remove(points, NULL, count, count - 1, doomed);
}
