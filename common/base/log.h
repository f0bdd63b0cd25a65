/* One-line structured logs (logfmt) on standard error: time, level, area, message.
 *
 *     time=2026-11-23T10:00:00.123Z level=info area=drain message="window 17 opened, 812 rows"
 *
 * Line breaks, quotes and control characters in a message are escaped, so a line is always one
 * record. Callers keep secrets out: connection strings are logged only through config_redact(). Any
 * thread; a line is one write().
 */
#ifndef COMMON_BASE_LOG_H
#define COMMON_BASE_LOG_H

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Lines below `level` are not written. The default is LOG_INFO. */
void log_set_level(enum log_level level);

void log_write(enum log_level level, const char *area, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_debug(area, ...) log_write(LOG_DEBUG, area, __VA_ARGS__)
#define log_info(area, ...) log_write(LOG_INFO, area, __VA_ARGS__)
#define log_warn(area, ...) log_write(LOG_WARN, area, __VA_ARGS__)
#define log_error(area, ...) log_write(LOG_ERROR, area, __VA_ARGS__)

#endif
