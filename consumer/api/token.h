/* The bearer token for calls that change state: the content of consumer.token_file without blanks
 * and line breaks around it. */
#ifndef CONSUMER_API_TOKEN_H
#define CONSUMER_API_TOKEN_H

#include "common/base/error.h"

/* ERR_USAGE: the file cannot be read, or has no valid token. The caller frees `*token`. */
int token_read(const char *path, char **token, struct error *err);

#endif
