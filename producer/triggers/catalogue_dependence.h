/* What an expression depends on beside its row: other tables, the clock, volatile functions. No
 * trigger reports that these have changed. One thread, as the session. For this room only.
 */
#ifndef PRODUCER_TRIGGERS_CATALOGUE_DEPENDENCE_H
#define PRODUCER_TRIGGERS_CATALOGUE_DEPENDENCE_H

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/pg/pg.h"
#include "producer/triggers/entry.h"

/* Fills `dependence` of the filter and of every value whose expression is more than a column. They
 * are found by their names, in the schemas of the session's search_path. A function of Postgres'
 * own that is stable, and a function that is immutable, count as reading nothing: a function that
 * is declared wrongly is not found. */
int catalogue_dependence_read(struct pg *pg, struct arena *arena, struct entry *entry,
                              struct error *err);

#endif
