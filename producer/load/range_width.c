/* The width doubles at most, so that a range that becomes dense costs about twice its aim; it grows
 * faster only while ranges are almost empty, because then only their number costs anything.
 */
#include "producer/load/range_width.h"

#include "common/base/check.h"

#define AIM_US 300000.0
#define AIM_BYTES (8.0 * 1024 * 1024)
#define AIM_ENTITIES (16.0 * 1024)

enum {
    EXCEEDED = 2,      /* times the aim of time */
    HELD_EXCEEDED = 4, /* times the aim of bytes */
    ATTEMPTS_TIMED = 8,
    CUT = 16,
};

int64_t
range_width_next(int64_t width, const struct range_cost *cost)
{
    double ratio = (double)cost->elapsed_us / AIM_US;
    double factor = 8;
    CHECK(width >= 1 && width <= RANGE_WIDTH_MAX);
    if ((double)cost->bytes / AIM_BYTES > ratio)
        ratio = (double)cost->bytes / AIM_BYTES;
    if ((double)cost->entities / AIM_ENTITIES > ratio)
        ratio = (double)cost->entities / AIM_ENTITIES;
    if (ratio > 1.0 / 16)
        factor = ratio < 0.5 ? 2 : 1 / ratio;
    if (factor < 0.25)
        factor = 0.25;
    double next = (double)width * factor;
    if (next < 1)
        return 1;
    return next > (double)RANGE_WIDTH_MAX ? RANGE_WIDTH_MAX : (int64_t)next;
}

bool
range_width_is_exceeded(const struct range_cost *cost, uint64_t held_bytes, uint32_t attempt)
{
    CHECK(cost->elapsed_us >= 0);
    if ((double)held_bytes > HELD_EXCEEDED * AIM_BYTES)
        return true;
    return attempt < ATTEMPTS_TIMED &&
           (double)cost->elapsed_us > EXCEEDED * AIM_US * (double)(1 << attempt);
}

int64_t
range_width_cut(int64_t width, int64_t seen)
{
    CHECK(width > 1);
    CHECK(seen >= 0);
    int64_t next = width / CUT;
    if (seen > 0 && seen / 4 < next)
        next = seen / 4;
    return next < 1 ? 1 : next;
}
