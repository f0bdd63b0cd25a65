#include "common/base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"

enum { LOG_LINE_BYTES = 4096, LOG_MESSAGE_BYTES = 1900 };

static _Atomic int log_threshold = LOG_INFO;
static const char *const level_names[] = {"debug", "info", "warn", "error"};

void
log_set_level(enum log_level level)
{
    atomic_store(&log_threshold, (int)level);
}

/* Copies `from` escaped for a quoted logfmt value; a message grows to twice its length at most. */
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
    return n;
}

void
log_write(enum log_level level, const char *area, const char *format, ...)
{
    if ((int)level < atomic_load(&log_threshold))
        return;
    char message[LOG_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);

    char line[LOG_LINE_BYTES], stamp[32];
    clock_format_utc(clock_realtime_us(), stamp, sizeof stamp);
    size_t n = (size_t)snprintf(line, 128, "time=%s level=%s area=%s message=\"", stamp,
                                level_names[level], area);
    n += log_escape(line + n, message);
    line[n++] = '"';
    line[n++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, n);
    (void)written; /* nobody is left to tell */
}
