/* The path of an entry to the rows of its entities, as the catalogue has it: tables, the columns
 * that foreign keys refer to, and indexes. One thread, as the session. For this room only.
 */
#ifndef PRODUCER_TRIGGERS_CATALOGUE_LINKS_H
#define PRODUCER_TRIGGERS_CATALOGUE_LINKS_H

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/pg/pg.h"
#include "producer/triggers/entry.h"

/* Finds the tables of all links. ERR_USAGE with file, line and column, as the next one. */
int catalogue_links_find(struct pg *pg, struct arena *arena, struct entry *entry,
                         struct error *err);

/* Completes the links, whose tables are known, and the indexes of the slots. */
int catalogue_links_read(struct pg *pg, struct arena *arena, struct entry *entry,
                         struct error *err);

#endif
