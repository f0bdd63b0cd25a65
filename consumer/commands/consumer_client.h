/* Calls to the running consumer over HTTP, for the commands that need it. Main thread. */
#ifndef CONSUMER_COMMANDS_CONSUMER_CLIENT_H
#define CONSUMER_COMMANDS_CONSUMER_CLIENT_H

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/config/config.h"

/* A GET, or a POST of `body` unless that is NULL. Appends the answer to `out`. An answer whose
 * status is not 200 is an error with the text of the answer. */
int consumer_client_call(const struct config *config, const char *path, const char *body,
                         struct buffer *out, struct error *err);

/* A POST with the token of consumer.token_file. Appends the answer to `out`; 0 with any status. */
int consumer_client_post(const struct config *config, const char *path, int timeout_s,
                         struct buffer *out, int *status, struct error *err);

#endif
