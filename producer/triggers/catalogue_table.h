/* Tables and their indexes, as the catalogue has them. One thread, as the session. For this room
 * only. */
#ifndef PRODUCER_TRIGGERS_CATALOGUE_TABLE_H
#define PRODUCER_TRIGGERS_CATALOGUE_TABLE_H

#include <stdbool.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/config/config.h"
#include "common/pg/pg.h"
#include "producer/triggers/entry.h"

/* A field of a result, which is not null, as a text of the arena. */
const char *catalogue_text_copy(struct arena *arena, const struct pg_result *result, int row,
                                int column);

/* The text that a query yields in at most one row; NULL: no row, or null. */
int catalogue_name_read(struct pg *pg, struct arena *arena, const char *sql, int count,
                        const char *const *params, const char **name, struct error *err);

/* Fills `table` from its name in the configuration, "table" or "schema.table". ERR_USAGE: there is
 * no such table, which is reported as a mistake in `setting`. */
int catalogue_table_read(struct pg *pg, struct arena *arena, const struct entry *entry,
                         struct config_place place, const char *setting, const char *name,
                         struct entry_table *table, struct error *err);

/* Whether an index finds the rows of `table` by `column`, and whether it proves that no two of them
 * have the same value. Committed rows also keep a deferred constraint. */
int catalogue_indexes_read(struct pg *pg, const struct entry_table *table, const char *column,
                           bool *has_index, bool *is_unique, struct error *err);

#endif
