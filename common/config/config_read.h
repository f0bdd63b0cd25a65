/* Fills the struct of a section from its node by its settings table: types, bounds, rules,
 * defaults, unknown and missing keys. For this room only.
 */
#ifndef COMMON_CONFIG_CONFIG_READ_H
#define COMMON_CONFIG_CONFIG_READ_H

#include "common/config/config_node.h"
#include "common/config/config_settings.h"

/* `base` is zeroed. Its pointers point into reader->arena afterwards. ERR_USAGE. */
int config_read_section(const struct config_reader *reader, const struct section *section,
                        struct config_node *node, void *base);

#endif
