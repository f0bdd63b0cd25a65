#include "common/base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"

static void
error_format(struct error *err, int code, const char *suffix, const char *format, va_list args)
{
    CHECK(code >= ERR_USAGE && code <= ERR_RETRY);
    if (err == NULL)
        return;
    err->code = code;
    int used = vsnprintf(err->message, sizeof err->message, format, args);
    if (used < 0 || (size_t)used >= sizeof err->message || suffix == NULL)
        return;
    snprintf(err->message + used, sizeof err->message - (size_t)used, ": %s", suffix);
}

int
error_set(struct error *err, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    error_format(err, code, NULL, format, args);
    va_end(args);
    return code;
}

int
error_set_errno(struct error *err, int code, const char *format, ...)
{
    char reason[128];
    int saved = errno;
    va_list args;
    va_start(args, format);
    error_format(err, code, strerror_r(saved, reason, sizeof reason), format,
                 args); /* the GNU version */
    va_end(args);
    return code;
}

int
error_wrap(struct error *err, int code, const char *format, ...)
{
    CHECK(code >= ERR_USAGE && code <= ERR_RETRY);
    if (err == NULL)
        return code;
    CHECK(err->code != 0);
    char inner[ERROR_MESSAGE_BYTES];
    memcpy(inner, err->message, sizeof inner);
    va_list args;
    va_start(args, format);
    error_format(err, code, inner, format, args);
    va_end(args);
    return code;
}
