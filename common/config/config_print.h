/* The effective configuration as YAML. */
#ifndef COMMON_CONFIG_CONFIG_PRINT_H
#define COMMON_CONFIG_CONFIG_PRINT_H

#include "common/base/memory.h"
#include "common/config/config.h"

/* Appends the configuration with its defaults, and with "***" in place of secrets. It loads as the
 * same configuration again, except for the secrets. */
void config_print(const struct config *config, struct buffer *out);

#endif
