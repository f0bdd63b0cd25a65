/* Settings that have no effect beside others. Pure; any thread. */
#ifndef COMMON_CONFIG_CONFIG_UNUSED_H
#define COMMON_CONFIG_CONFIG_UNUSED_H

#include <stdbool.h>
#include <stdint.h>

#include "common/config/config.h"

/* Fills `what` with the next finding (terminated, one line) and returns true; false: there are no
 * more. The first cursor is 0. */
bool config_next_unused(const struct config *config, uint32_t *cursor, char *what,
                        uint32_t what_bytes);

#endif
