#include "producer/load/job_ranges.h"

#include <string.h>

#include "common/base/check.h"

static const char *const names[] = {
    [JOB_LOAD] = "load",
    [JOB_VERIFY] = "verify",
    [JOB_CHECK] = "check",
};

const char *
job_kind_name(enum job_kind kind)
{
    CHECK(kind <= JOB_CHECK);
    return names[kind];
}

bool
job_kind_find(const char *name, enum job_kind *kind)
{
    for (enum job_kind i = JOB_LOAD; i <= JOB_CHECK; i++)
        if (strcmp(names[i], name) == 0) {
            *kind = i;
            return true;
        }
    return false;
}

bool
job_ranges_are_valid(const struct job_ranges *ranges)
{
    CHECK(ranges->items != NULL || ranges->count == 0);
    int64_t after = 0;
    for (uint32_t i = 0; i < ranges->count; i++) {
        const struct job_range *range = &ranges->items[i];
        if (range->begin < after || range->end <= range->begin)
            return false;
        after = range->end;
    }
    return true;
}

bool
job_ranges_next(const struct job_ranges *ranges, int64_t from, struct job_range *rest)
{
    CHECK(from >= 0);
    for (uint32_t i = 0; i < ranges->count; i++) {
        if (ranges->items[i].end <= from)
            continue;
        *rest = ranges->items[i];
        if (rest->begin < from)
            rest->begin = from;
        return true;
    }
    return false;
}
