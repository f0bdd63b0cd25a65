/* The settings tables: one for each section. A setting has its type, bounds, default, unit and
 * meaning; reading, printing and the reference use the same table. Constant data; any thread. For
 * this room only.
 */
#ifndef COMMON_CONFIG_CONFIG_SETTINGS_H
#define COMMON_CONFIG_CONFIG_SETTINGS_H

#include "common/config/config_setting.h"

/* The whole file: struct config. */
extern const struct section config_settings;

/* Checks that all tables are consistent. */
void config_settings_check(void);

#endif
