/* The error value of the whole project: a code that is its class, and a message for the operator.
 *
 * Every fallible function returns 0 or a negative ERR_* code and fills the caller's `struct error`.
 * The error owns no memory, so it may be copied, returned and dropped freely. Layers wrap outwards
 * ("could not open window: ..."), and the code that handles the error logs it, once. Not
 * thread-safe: an error belongs to the thread that declared it.
 */
#ifndef COMMON_BASE_ERROR_H
#define COMMON_BASE_ERROR_H

#include <stdbool.h>

enum {
    ERR_RETRY = -1, /* temporary: try again later (network, lock, server restarting) */
    ERR_DATA = -2,  /* the input is invalid and stays invalid: make a dead letter, continue */
    ERR_FATAL = -3, /* the program cannot continue: disk failure, broken invariant, refused guard */
    ERR_USAGE = -4, /* the command line or the configuration is invalid */
};

enum { ERROR_MESSAGE_BYTES = 1024 };

struct error {
    int code; /* 0 or one of the ERR_* values above */
    char message[ERROR_MESSAGE_BYTES];
};

/* Fills `err` (which may be NULL) and returns `code`, so that a function can end with
 * `return error_set(...)`. A message that is too long is cut. */
int error_set(struct error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As error_set, with ": <strerror(errno)>" appended. Reads errno on entry. */
int error_set_errno(struct error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "<text>: " before the message that `err` holds, and replaces its code with `code`, which is
 * also the result. `err` may be NULL, but not an error that holds nothing. */
int error_wrap(struct error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
