/* Which settings differ between two configurations, for a reload. Pure; any thread. */
#ifndef COMMON_CONFIG_CONFIG_DIFFERENCE_H
#define COMMON_CONFIG_CONFIG_DIFFERENCE_H

#include "common/base/memory.h"
#include "common/config/config.h"

/* Appends the names of the settings that differ, as "consumer.listen", separated by ", ": those
 * that a reload puts into effect to `reloaded`, the others to `fixed`. A list that differs in any
 * of its items is named as a whole. */
void config_difference(const struct config *a, const struct config *b, struct buffer *reloaded,
                       struct buffer *fixed);

#endif
