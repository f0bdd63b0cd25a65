/* The two clocks: wall time for logs and freshness, monotonic time for intervals. Both in
 * microseconds. Any thread. */
#ifndef COMMON_BASE_CLOCK_H
#define COMMON_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

enum { US_PER_S = 1000000, US_PER_MS = 1000, NS_PER_US = 1000, MS_PER_S = 1000 };

/* Since 1970. */
int64_t clock_realtime_us(void);
int64_t clock_monotonic_us(void);
/* A signal does not cut the sleep short. */
void clock_sleep_ms(int ms);

enum { CLOCK_TEXT_BYTES = 32 };

/* "2026-11-23T10:00:00.123Z"; `bytes` >= CLOCK_TEXT_BYTES. */
void clock_format_utc(int64_t realtime_us, char *out, size_t bytes);

#endif
