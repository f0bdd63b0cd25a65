/* Settings of the original system's files that have no meaning here. They are unknown settings that
 * are refused with a reason, and with what to do instead. Pure; any thread. For this room only.
 */
#ifndef COMMON_CONFIG_CONFIG_FOREIGN_H
#define COMMON_CONFIG_CONFIG_FOREIGN_H

#include "common/config/config_node.h"

/* Why the key of the node is refused; NULL: it is not one of the original system's. */
const char *config_foreign_reason(const struct config_node *node);

/* The setting that makes the whole map one that has no meaning here, "source: clickhouse"; NULL:
 * the map has no such setting. */
const struct config_node *config_foreign_find(const struct config_node *map);

#endif
