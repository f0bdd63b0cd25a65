/* What every loaded configuration guarantees, so that its readers need not check it. For this room
 * only.
 */
#ifndef COMMON_CONFIG_CONFIG_INVARIANTS_H
#define COMMON_CONFIG_CONFIG_INVARIANTS_H

#include "common/config/config.h"

/* Trips a CHECK when the settings tables and the rules have let a configuration pass that violates
 * an invariant. */
void config_invariants_check(const struct config *config, enum config_program program);

#endif
