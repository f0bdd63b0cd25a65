#include "consumer/partition/freshness.h"

#include "common/base/check.h"

void
freshness_init(struct freshness *freshness)
{
    *freshness = (struct freshness){0};
    for (int i = 0; i < FRESHNESS_ENDS; i++)
        freshness->ends[i].high = -1;
    for (int i = 0; i < FRESHNESS_MARKS; i++)
        freshness->marks_after_us[i] = FRESHNESS_NO_BOUND;
    freshness_clear(freshness);
}

/* The newer end is kept until it has been read: it divides the messages before and after it. */
void
freshness_take_end(struct freshness *freshness, int64_t first, int64_t high, int64_t begin_us,
                   int64_t end_us)
{
    struct freshness_end *ends = freshness->ends;
    CHECK(0 <= first && first < high);
    CHECK(freshness->read_us <= begin_us && begin_us <= end_us);
    freshness->read_us = end_us;
    if (ends[0].high > first)
        return;
    ends[1] = ends[0];
    ends[0] = (struct freshness_end){high, begin_us, end_us};
}

static int64_t
freshness_appended_after(const struct freshness *freshness, int64_t offset)
{
    for (int i = 0; i < FRESHNESS_ENDS; i++)
        if (freshness->ends[i].high >= 0 && freshness->ends[i].high <= offset)
            return freshness->ends[i].begin_us;
    return FRESHNESS_NO_BOUND;
}

static int64_t
freshness_appended_before(const struct freshness *freshness, int64_t offset)
{
    for (int i = FRESHNESS_ENDS - 1; i >= 0; i--)
        if (freshness->ends[i].high > offset)
            return freshness->ends[i].end_us;
    return freshness->read_us;
}

void
freshness_take_mark(struct freshness *freshness, int64_t offset, int64_t clock_us)
{
    int64_t *marks = freshness->marks_after_us;
    int64_t taken_after_us = marks[FRESHNESS_MARKS - 1];
    CHECK(offset >= 0);
    for (int i = FRESHNESS_MARKS - 1; i > 0; i--)
        marks[i] = marks[i - 1];
    marks[0] = freshness_appended_after(freshness, offset);
    if (clock_us == 0)
        return;
    freshness->clock_us = clock_us;
    freshness->after_us = taken_after_us;
    freshness->before_us = freshness_appended_before(freshness, offset);
    CHECK(freshness->after_us <= freshness->before_us);
}

void
freshness_recover(struct freshness *freshness, int64_t clock_us, int64_t now_us)
{
    CHECK(freshness->ends[0].high < 0);
    freshness->clock_us = clock_us;
    freshness->after_us = FRESHNESS_NO_BOUND;
    freshness->before_us = now_us;
}

void
freshness_clear(struct freshness *freshness)
{
    freshness->clock_us = 0;
    freshness->after_us = FRESHNESS_NO_BOUND;
    freshness->before_us = 0;
}

int64_t
freshness_age_us(const struct freshness *freshness, int64_t now_us, int64_t wall_us)
{
    int64_t age_us = wall_us - freshness->clock_us;
    if (freshness->clock_us == 0)
        return -1;
    CHECK(freshness->before_us <= now_us);
    CHECK(freshness->after_us <= freshness->before_us);
    if (freshness->after_us != FRESHNESS_NO_BOUND && age_us > now_us - freshness->after_us)
        age_us = now_us - freshness->after_us;
    if (age_us < now_us - freshness->before_us)
        age_us = now_us - freshness->before_us;
    return age_us;
}

int64_t
freshness_age_of_us(const struct freshness *freshness, int64_t clock_us, int64_t now_us,
                    int64_t wall_us)
{
    int64_t age_us = freshness_age_us(freshness, now_us, wall_us);
    if (age_us < 0)
        return -1;
    age_us += freshness->clock_us - clock_us;
    return age_us > 0 ? age_us : 0;
}
