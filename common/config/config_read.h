/* Fills a section's struct from its node, as its settings table says: types, bounds, rules,
 * defaults, unknown and missing keys.
 *
 * A node remembers what it was read into, so that later checks, which see only the structs, can
 * name the place in the file.
 */
#ifndef COMMON_CONFIG_CONFIG_READ_H
#define COMMON_CONFIG_CONFIG_READ_H

#include "common/config/config_settings.h"
#include "common/config/config_yaml.h"

/* `base` is zeroed. What it points to afterwards belongs to reader->arena. ERR_USAGE. */
int config_read_section(const struct config_reader *reader, const struct section *section,
                        struct config_node *node, void *base);

/* The innermost node that was read into the bytes around `address`; else the root. */
const struct config_node *config_node_of(const struct config_reader *reader, const void *address);

/* A text as it is; NULL and ERR_USAGE when the node is something else. */
int config_read_text(const struct config_reader *reader, const struct config_node *node,
                     const char **text);

#endif
