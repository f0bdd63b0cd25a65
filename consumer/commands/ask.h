/* Calls to the running consumer. Main thread. */
#ifndef CONSUMER_COMMANDS_ASK_H
#define CONSUMER_COMMANDS_ASK_H

#include "common/base/memory.h"
#include "common/config/config.h"

/* `body` NULL: GET. Appends the answer to `out`; an answer other than 200 is an error that carries
 * its text. */
int ask_consumer(const struct config *config, const char *path, const char *body,
                 struct buffer *out, struct error *err);

/* A POST with the token of consumer.token_file. Appends the answer, whatever its status is. */
int tell_consumer(const struct config *config, const char *path, int timeout_s, struct buffer *out,
                  int *status, struct error *err);

#endif
