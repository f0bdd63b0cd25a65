/* Items of lists: their short forms, and settings that follow from others. Each function returns
 * NULL, or a message that begins with "must". For this room only.
 */
#ifndef COMMON_CONFIG_CONFIG_ITEMS_H
#define COMMON_CONFIG_CONFIG_ITEMS_H

#include "common/base/memory.h"
#include "common/config/config.h"

/* Short forms: a text instead of a map. The item points into the arena, and to `text`. */
/* "column", or "expression as target": struct config_tracked_field. */
const char *config_tracked_short(struct arena *arena, const char *text, void *item);
/* "expression as target": struct config_computed_field. */
const char *config_computed_short(struct arena *arena, const char *text, void *item);
/* "column": struct config_dump_field. */
const char *config_dump_field_short(struct arena *arena, const char *text, void *item);

/* Called when all settings of an item are read. */
const char *config_tracked_complete(struct arena *arena, void *item);
const char *config_computed_complete(struct arena *arena, void *item); /* of a trigger */
const char *config_dump_computed_complete(struct arena *arena, void *item);
const char *config_dump_field_complete(struct arena *arena, void *item);
const char *config_trigger_complete(struct arena *arena, void *item);

#endif
