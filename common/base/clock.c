#include "common/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

static int64_t
clock_read_us(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
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
    struct timespec rest = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&rest, &rest) != 0 && errno == EINTR)
        continue;
}

void
clock_format_utc(int64_t realtime_us, char *out, size_t bytes)
{
    time_t seconds = (time_t)(realtime_us / 1000000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    size_t n = strftime(out, bytes, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(out + n, bytes - n, ".%03dZ", (int)(realtime_us / 1000 % 1000));
}
