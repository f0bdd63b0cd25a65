/* YAML to tree. The only user of libyaml. For this room only.
 *
 * The tree is bounded for every text: in depth, nodes, and keys of a map; anchors, aliases and tags
 * are refused. Environment variables are expanded here.
 */
#ifndef COMMON_CONFIG_CONFIG_YAML_H
#define COMMON_CONFIG_CONFIG_YAML_H

#include "common/config/config_node.h"

enum { CONFIG_FILE_BYTES_MAX = 1024 * 1024 };

/* Sets reader->root, which may be of any kind and lives in reader->arena. ERR_USAGE. */
int config_yaml_parse(struct config_reader *reader, struct text yaml);

#endif
