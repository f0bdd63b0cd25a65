/* One HTTP request from the command line to a running program. Owner of the client library. Any
 * thread. */
#ifndef COMMON_HTTP_CLIENT_H
#define COMMON_HTTP_CLIENT_H

#include "common/base/error.h"
#include "common/base/memory.h"

/* `listen` is "host:port", `path` begins with '/' and is sent as it is; `body` NULL means GET, else
 * POST of JSON, with `token` (NULL: none) as the bearer's. Appends the answer's body to `out` (at
 * most 64 MiB) and sets `*status`, whatever the status is.
 *
 * ERR_RETRY when nobody answers within `timeout_s`, with the address in the message; ERR_DATA when
 * the answer is too large or not HTTP; ERR_USAGE when `listen` is not an address. An error leaves
 * `out` as it was. */
int http_client_call(const char *listen, const char *path, const char *body, const char *token,
                     int timeout_s, struct buffer *out, int *status, struct error *err);

#endif
