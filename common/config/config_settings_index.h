/* The settings tables of what the index holds: triggers, dump phases, fields. Constant data; any
 * thread. For config_settings.c only, which also writes its tables with these macros.
 */
#ifndef COMMON_CONFIG_CONFIG_SETTINGS_INDEX_H
#define COMMON_CONFIG_CONFIG_SETTINGS_INDEX_H

#include <stddef.h>

#include "common/config/config_setting.h"

#define AT(type, member) \
    .offset = offsetof(struct type, member), .bytes = sizeof(((struct type *)0)->member)
#define COUNT_AT(type, member) .count_offset = offsetof(struct type, member)
#define SETTINGS(table) .settings = (table), .count = sizeof(table) / sizeof(table)[0]

extern const struct section config_trigger_section;
extern const struct section config_dump_section;
extern const struct section config_index_section;

#endif
