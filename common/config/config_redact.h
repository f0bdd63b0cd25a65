/* Connection strings without their secrets. Pure; any thread. */
#ifndef COMMON_CONFIG_CONFIG_REDACT_H
#define COMMON_CONFIG_CONFIG_REDACT_H

#include "common/base/memory.h"

/* Appends a connection string (keywords or URI) with "***" in place of its password and other
 * secrets, and in place of every part that cannot be parsed. */
void config_redact(const char *connection_string, struct buffer *out);

#endif
