#include "producer/load/sum_width.h"

#include "common/base/check.h"
#include "common/base/clock.h"

enum { TARGET_MS = 300, EXCEEDED_MS = 1500, ATTEMPTS_MAX = 20, CUT = 8 };

static bool
is_width(int64_t width)
{
    return width >= 1 && width <= SUM_WIDTH_UNIT && (width & (width - 1)) == 0;
}

int64_t
sum_width_end(int64_t begin, int64_t width, int32_t partitions, int64_t limit)
{
    int64_t ids = width * partitions;
    int64_t past = begin / ids;
    CHECK(is_width(width) && partitions > 0);
    CHECK(begin >= 0 && begin < limit);
    if (past >= INT64_MAX / ids)
        return limit;
    int64_t end = (past + 1) * ids;
    return end < limit ? end : limit;
}

int64_t
sum_width_skip(int64_t end, int64_t next, int32_t partitions, int64_t limit)
{
    int64_t unit = SUM_WIDTH_UNIT * partitions;
    CHECK(end <= limit && (next < 0 || next >= end));
    if (next < 0 || next >= limit)
        return limit;
    int64_t begin = next / unit * unit;
    return begin > end ? begin : end;
}

int64_t
sum_width_next(int64_t width, int64_t elapsed_us, bool is_whole)
{
    CHECK(is_width(width) && elapsed_us >= 0);
    if (elapsed_us > TARGET_MS * US_PER_MS && width > 1)
        return width / 2;
    if (is_whole && 2 * elapsed_us <= TARGET_MS * US_PER_MS && width < SUM_WIDTH_UNIT)
        return 2 * width;
    return width;
}

bool
sum_width_is_exceeded(int64_t width, int64_t elapsed_us, uint32_t attempt)
{
    uint32_t doubled = attempt < ATTEMPTS_MAX ? attempt : ATTEMPTS_MAX;
    return width > 1 && elapsed_us > (EXCEEDED_MS * US_PER_MS) << doubled;
}

int64_t
sum_width_cut(int64_t width)
{
    CHECK(is_width(width) && width > 1);
    return width > CUT ? width / CUT : 1;
}
