#include "common/base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/clock.h"

enum { LOG_HEAD_BYTES = 128, LOG_MESSAGE_BYTES = 1900, LOG_ESCAPED_BYTES = 2 * LOG_MESSAGE_BYTES };

static _Atomic int log_threshold = LOG_INFO;
static const char *const level_names[] = {"debug", "info", "warn", "error"};

void
log_set_level(enum log_level level)
{
    CHECK(level >= LOG_DEBUG && level <= LOG_ERROR);
    atomic_store(&log_threshold, (int)level);
}

/* Copies `from` escaped for a quoted logfmt value; the result is at most twice as long. */
static size_t
log_escape(char *to, const char *from)
{
    size_t n = 0;
    for (; *from != '\0'; from++) {
        char c = *from;
        if (c == '"' || c == '\\')
            to[n++] = '\\';
        if (c == '\n' || c == '\r' || c == '\t') {
            to[n++] = '\\';
            c = c == '\n' ? 'n' : c == '\r' ? 'r' : 't';
        }
        to[n++] = (unsigned char)c < 0x20 ? '?' : c;
    }
    CHECK(n < LOG_ESCAPED_BYTES);
    return n;
}

void
log_write(enum log_level level, const char *area, const char *format, ...)
{
    CHECK(level >= LOG_DEBUG && level <= LOG_ERROR);
    if ((int)level < atomic_load(&log_threshold))
        return;
    char message[LOG_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);

    char line[LOG_HEAD_BYTES + LOG_ESCAPED_BYTES + 2], stamp[CLOCK_TEXT_BYTES];
    clock_format_utc(clock_realtime_us(), stamp, sizeof stamp);
    size_t n = (size_t)snprintf(line, LOG_HEAD_BYTES, "time=%s level=%s area=%s message=\"", stamp,
                                level_names[level], area);
    CHECK(n < LOG_HEAD_BYTES);
    n += log_escape(line + n, message);
    line[n++] = '"';
    line[n++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, n);
    (void)written; /* a log that cannot be written cannot be reported either */
}
