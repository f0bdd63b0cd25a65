/* What one section says about another: references to nothing, fields with two owners, and what each
 * program requires. Internal to the configuration.
 */
#ifndef COMMON_CONFIG_CONFIG_CHECK_H
#define COMMON_CONFIG_CONFIG_CHECK_H

#include "common/config/config.h"
#include "common/config/config_yaml.h"

/* ERR_USAGE for the first thing found. */
int config_check(const struct config_reader *reader, const struct config *config,
                 enum config_program program);

#endif
