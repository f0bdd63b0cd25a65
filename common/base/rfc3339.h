/* A moment as text, by RFC 3339: "2026-11-30T14:00:00Z", "2026-11-30T16:00:00.25+02:00". The clock
 * formats it (clock_format_utc). Pure; any thread. */
#ifndef COMMON_BASE_RFC3339_H
#define COMMON_BASE_RFC3339_H

#include <stdbool.h>
#include <stdint.h>

/* `*realtime_us`: microseconds since 1970, rounded down. False: the text is not a moment, or has a
 * year before 1970. A leap second is the one before it. */
bool rfc3339_parse(const char *text, int64_t *realtime_us);

#endif
