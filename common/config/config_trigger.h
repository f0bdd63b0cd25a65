/* What follows from an entry of `triggers`. Pure; any thread. */
#ifndef COMMON_CONFIG_CONFIG_TRIGGER_H
#define COMMON_CONFIG_CONFIG_TRIGGER_H

#include <stdbool.h>

#include "common/base/memory.h"
#include "common/config/config.h"

/* The settings that the kind of the trigger does not use, one at a time. Returns the first one at
 * or after `*cursor` and moves the cursor past it; NULL: there are no more. The first cursor is 0.
 * */
const char *config_trigger_next_unused(const struct config_trigger *trigger, uint32_t *cursor);

/* The last link of the path, whose rows have the slots; NULL: the entry has no path. */
const struct config_link *config_trigger_child(const struct config_trigger *trigger);

/* Whether the paths of both are the same. */
bool config_trigger_same_links(const struct config_trigger *a, const struct config_trigger *b);

/* The name of a table without the schema `public`; other schemas stay. */
const char *config_table_bare(const char *table);

/* Do both names mean the same table? `public` is the schema of a name without one. */
bool config_table_is(const char *table, const char *other);

/* "direct", "join", "fan-out", "fan-out per row" */
const char *config_trigger_kind_name(enum config_trigger_kind kind);

/* The conditions of a fan-out's query, one at a time: moves `*at` past the next one, and sets its
 * field and its operator, which point into the query. A query with placeholders cannot be parsed
 * further. False: there are no more. `*at` begins with the query, which is not empty. */
bool config_query_next(const char **at, struct text *field, struct text *operator);

/* Appends the beginning of the names of a table's triggers, "bitdex_TABLE_": as much of the name of
 * the table, without its schema, as leaves room for the rest of an identifier. */
void config_trigger_prefix(const char *table, struct buffer *out);

#endif
