/* Names of entries of `triggers`, by which requests refer to them, and the fields of an entry.
 *
 *     TABLE.FIELD    an entry that owns the field: writes it
 *     TABLE          an entry without fields, which only sets alive
 *
 * TABLE is the entry's `table`; `public` is the schema of a name without one. The triggers of one
 * table may write a field in several ways: "#2" at the end of the name is the second of these
 * entries, and the first one has no number. Of an entry with a path of links, "/1" at the end is
 * the table of the first link, "/2" that of the second, up to the one before the last: a row of
 * that table changed, whose key is the column that the next link refers to. Pure; any thread.
 */
#ifndef COMMON_CONFIG_CONFIG_ENTRY_H
#define COMMON_CONFIG_CONFIG_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/memory.h"
#include "common/config/config.h"

/* The `number`-th field that entry `index` owns, from 0; NULL: it has no more. */
const char *config_entry_field(const struct config *config, uint32_t index, uint32_t number);

bool config_entry_owns(const struct config *config, uint32_t index, struct text field);
/* The first entry that owns the field; -1: none does. */
int32_t config_entry_owner(const struct config *config, struct text field);

/* The index of the entry in config->triggers; -1: no entry has this name. `*level` is the table of
 * its path that the name means: 0 its own. */
int32_t config_entry_find_level(const struct config *config, struct text name, uint32_t *level);
/* The same of any level. */
int32_t config_entry_find(const struct config *config, struct text name);

/* Appends the name of entry `index` with its first field; config_entry_find() finds it. */
void config_entry_append_name(const struct config *config, uint32_t index, struct buffer *out);
/* Appends the end of a name, "/LEVEL", for a level > 0. */
void config_entry_append_level(uint32_t level, struct buffer *out);

#endif
