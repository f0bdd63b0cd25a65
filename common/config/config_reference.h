/* The reference of all settings, docs/configuration.md, from the settings tables. */
#ifndef COMMON_CONFIG_CONFIG_REFERENCE_H
#define COMMON_CONFIG_CONFIG_REFERENCE_H

#include "common/base/memory.h"

/* Appends the page in Markdown. */
void config_reference(struct buffer *out);

#endif
