/* Completes an entry of `triggers` from the database: tables, keys, partitions, and the types of
 * its expressions, which Postgres itself checks. Only reads. One thread, as the session.
 */
#ifndef PRODUCER_TRIGGERS_CATALOGUE_H
#define PRODUCER_TRIGGERS_CATALOGUE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/pg/pg.h"
#include "producer/triggers/entry.h"

/* The schema of the outbox, allocated from `arena`. ERR_FATAL: there is no outbox. */
int catalogue_find_outbox(struct pg *pg, struct arena *arena, const char **schema,
                          struct error *err);

/* Completes an entry that entry_create() filled, with entry->outbox_schema set. ERR_USAGE with
 * file, line and column: something that the entry names does not exist, or Postgres refuses an
 * expression, whose message is included. Sets the session's search_path to that of the trigger
 * functions and leaves it so. */
int catalogue_read(struct pg *pg, struct arena *arena, struct entry *entry, struct error *err);

/* How values of a type are written and read: fills value->form and value->wire. */
int catalogue_read_type(struct pg *pg, int64_t type_id, struct entry_value *value, bool *is_integer,
                        struct error *err);

#endif
