/* What the items of lists have beside their settings: short forms, and values that follow from
 * others. Each function returns NULL, or what the item must be. Internal to the configuration.
 */
#ifndef COMMON_CONFIG_CONFIG_ITEMS_H
#define COMMON_CONFIG_CONFIG_ITEMS_H

#include "common/base/memory.h"
#include "common/config/config.h"

/* A text instead of a map; what it fills belongs to the arena, like `text`. */
/* "column", or "expression as target": struct config_tracked_field. */
const char *config_tracked_short(struct arena *arena, const char *text, void *item);
/* "expression as target": struct config_computed_field. */
const char *config_computed_short(struct arena *arena, const char *text, void *item);
/* "column": struct config_dump_field. */
const char *config_dump_field_short(struct arena *arena, const char *text, void *item);

/* Once all settings of an item are read. */
const char *config_tracked_complete(void *item);
const char *config_dump_field_complete(void *item);
const char *config_trigger_complete(void *item);

/* Settings of a trigger that its kind has no use for, one at a time: the first at or after
 * `*cursor`, which moves behind it; NULL when there are no more. */
const char *config_trigger_next_idle(const struct config_trigger *trigger, uint32_t *cursor);
/* "direct", "join", "fan-out", "fan-out per row" */
const char *config_trigger_kind_name(enum config_trigger_kind kind);

#endif
