/* One HTTP request from the command line to a running program. The only user of libcurl. Any
 * thread. */
#ifndef COMMON_HTTP_CLIENT_H
#define COMMON_HTTP_CLIENT_H

#include "common/base/error.h"
#include "common/base/memory.h"

/* `listen` is "host:port". `path` begins with '/' and is sent unchanged. Without a `body` the
 * request is a GET, else a POST of JSON with the bearer token `token`, unless that is NULL. Appends
 * the body of the answer to `out` (at most 64 MiB) and sets `*status`; every status is a success.
 *
 * ERR_RETRY when there is no answer within `timeout_s`, with the address in the message; ERR_DATA
 * when the answer is too large or is not HTTP; ERR_USAGE when `listen` is not an address. On error
 * `out` is unchanged. */
int http_client_call(const char *listen, const char *path, const char *body, const char *token,
                     int timeout_s, struct buffer *out, int *status, struct error *err);

#endif
