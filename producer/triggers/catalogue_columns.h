/* The columns of a table and its keys, as the catalogue has them. One thread, as the session. For
 * this room only.
 */
#ifndef PRODUCER_TRIGGERS_CATALOGUE_COLUMNS_H
#define PRODUCER_TRIGGERS_CATALOGUE_COLUMNS_H

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/pg/pg.h"
#include "producer/triggers/entry.h"

/* Completes a table that has its name, in the order of its columns. */
int catalogue_columns_read(struct pg *pg, struct arena *arena, struct entry_table *table,
                           struct error *err);

#endif
