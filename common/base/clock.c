#include "common/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "common/base/check.h"

static int64_t
clock_read_us(clockid_t id)
{
    struct timespec now;
    CHECK(clock_gettime(id, &now) == 0);
    return (int64_t)now.tv_sec * US_PER_S + now.tv_nsec / NS_PER_US;
}

int64_t
clock_realtime_us(void)
{
    return clock_read_us(CLOCK_REALTIME);
}

int64_t
clock_monotonic_us(void)
{
    return clock_read_us(CLOCK_MONOTONIC);
}

void
clock_sleep_ms(int ms)
{
    CHECK(ms >= 0);
    struct timespec rest = {
        .tv_sec = ms / MS_PER_S,
        .tv_nsec = (long)(ms % MS_PER_S) * US_PER_MS * NS_PER_US,
    };
    while (nanosleep(&rest, &rest) != 0 && errno == EINTR)
        continue;
}

void
clock_format_utc(int64_t realtime_us, char *out, size_t bytes)
{
    CHECK(bytes >= CLOCK_TEXT_BYTES);
    time_t seconds = (time_t)(realtime_us / US_PER_S);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    size_t n = strftime(out, bytes, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(out + n, bytes - n, ".%03dZ", (int)(realtime_us / US_PER_MS % MS_PER_S));
}
