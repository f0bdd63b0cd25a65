#include "common/base/rfc3339.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/check.h"
#include "common/base/clock.h"

enum { MINUTE_S = 60, HOUR_S = 3600 };

/* Reads `digits` digits. */
static bool
take_number(const char **at, int digits, int minimum, int maximum, int *number)
{
    CHECK(digits <= 4);
    *number = 0;
    for (int i = 0; i < digits; i++, ++*at) {
        if (**at < '0' || **at > '9')
            return false;
        *number = *number * 10 + (**at - '0');
    }
    return *number >= minimum && *number <= maximum;
}

static bool
take_character(const char **at, const char *allowed)
{
    if (**at == '\0' || strchr(allowed, **at) == NULL)
        return false;
    ++*at;
    return true;
}

/* Nothing, or a point and digits; those after the sixth are dropped. */
static bool
take_fraction(const char **at, int64_t *fraction_us)
{
    int64_t unit_us = US_PER_S;
    *fraction_us = 0;
    if (!take_character(at, "."))
        return true;
    const char *begin = *at;
    for (; **at >= '0' && **at <= '9'; ++*at) {
        unit_us /= 10;
        *fraction_us += unit_us * (**at - '0');
    }
    CHECK(*fraction_us < US_PER_S);
    return *at > begin;
}

static bool
take_offset(const char **at, int *offset_s)
{
    int hours, minutes;
    char sign = **at;
    *offset_s = 0;
    if (take_character(at, "Zz"))
        return true;
    if (!take_character(at, "+-") || !take_number(at, 2, 0, 23, &hours) ||
        !take_character(at, ":") || !take_number(at, 2, 0, 59, &minutes))
        return false;
    *offset_s = (hours * HOUR_S + minutes * MINUTE_S) * (sign == '-' ? -1 : 1);
    return true;
}

bool
rfc3339_parse(const char *text, int64_t *realtime_us)
{
    const char *at = text;
    struct tm tm = {0};
    int year, month, offset_s;
    int64_t fraction_us;
    if (!take_number(&at, 4, 1970, 9999, &year) || !take_character(&at, "-") ||
        !take_number(&at, 2, 1, 12, &month) || !take_character(&at, "-") ||
        !take_number(&at, 2, 1, 31, &tm.tm_mday) || !take_character(&at, "Tt ") ||
        !take_number(&at, 2, 0, 23, &tm.tm_hour) || !take_character(&at, ":") ||
        !take_number(&at, 2, 0, 59, &tm.tm_min) || !take_character(&at, ":") ||
        !take_number(&at, 2, 0, 60, &tm.tm_sec) || !take_fraction(&at, &fraction_us) ||
        !take_offset(&at, &offset_s) || *at != '\0')
        return false;
    if (tm.tm_sec == 60)
        tm.tm_sec = 59;
    int day = tm.tm_mday;
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    int64_t seconds = (int64_t)timegm(&tm);
    if (tm.tm_mday != day) /* 30 February */
        return false;
    *realtime_us = (seconds - offset_s) * US_PER_S + fraction_us;
    return *realtime_us >= 0;
}
