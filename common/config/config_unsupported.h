/* Parts of the configuration that this version does not support, or that have no effect. */
#ifndef COMMON_CONFIG_CONFIG_UNSUPPORTED_H
#define COMMON_CONFIG_CONFIG_UNSUPPORTED_H

#include <stdbool.h>
#include <stdint.h>

#include "common/config/config.h"

/* Fills `what` with the next finding (terminated, one line) and returns true; false: there are no
 * more. The first cursor is 0. */
bool config_next_unsupported(const struct config *config, uint32_t *cursor, char *what,
                             uint32_t what_bytes);

#endif
