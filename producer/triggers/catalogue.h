/* What an entry of the configuration means in this database: tables, keys, partitions, and the
 * types of its expressions, which Postgres itself checks. Reads only.
 */
#ifndef PRODUCER_TRIGGERS_CATALOGUE_H
#define PRODUCER_TRIGGERS_CATALOGUE_H

#include "common/pg/pg.h"
#include "producer/triggers/entry.h"

/* The outbox's schema, allocated from `arena`. ERR_FATAL: there is no outbox. */
int catalogue_find_outbox(struct pg *pg, struct arena *arena, const char **schema,
                          struct error *err);

/* Completes an entry that entry_create() made; entry->outbox_schema is set. ERR_USAGE with file,
 * line and column: what the entry names is not there, or Postgres refuses an expression, whose
 * message stands behind. Leaves the session's search_path as the trigger functions will have it. */
int catalogue_read(struct pg *pg, struct arena *arena, struct entry *entry, struct error *err);

#endif
