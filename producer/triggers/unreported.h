/* Tables whose rows may have changed without a report: a trigger of ours was dropped, as DROP
 * COLUMN ... CASCADE and `triggers drop` do, or disabled, after a producer had relied on it. When
 * `triggers apply` creates it again, it also asks for all rows of the table.
 */
#ifndef PRODUCER_TRIGGERS_UNREPORTED_H
#define PRODUCER_TRIGGERS_UNREPORTED_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/pg/pg.h"
#include "producer/triggers/entry.h"
#include "producer/triggers/in_place.h"
#include "producer/triggers/object.h"

/* Quoted names of tables that some producer has watched. */
struct unreported_tables {
    const char *const *names;
    uint32_t count;
};

/* Reads those among the tables of the entries. None where the role of the session may not read what
 * producers keep, or before `init` has created it. One thread, as the session. */
int unreported_tables_read(struct pg *pg, const char *outbox_schema, const struct entry *entries,
                           uint32_t entry_count, struct arena *arena,
                           struct unreported_tables *tables, struct error *err);

/* The object is the first row trigger of such a table of which an event fires nothing in place: its
 * `whole` is due. Pure. */
bool unreported_begins(const struct unreported_tables *tables,
                       const struct trigger_objects *objects, const struct in_place *in_place,
                       const struct trigger_object *object);

#endif
