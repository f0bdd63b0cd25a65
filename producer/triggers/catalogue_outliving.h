/* Which entries have rows that may outlive their entity: those without a foreign key to the direct
 * table that is validated and never deferred. One thread, as the session. For this room only.
 */
#ifndef PRODUCER_TRIGGERS_CATALOGUE_OUTLIVING_H
#define PRODUCER_TRIGGERS_CATALOGUE_OUTLIVING_H

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/pg/pg.h"
#include "producer/triggers/entry.h"

/* Completes the direct entries among all entries of a configuration, which have been read. */
int catalogue_outliving_read(struct pg *pg, struct arena *arena, struct entry *entries,
                             uint32_t count, struct error *err);

#endif
