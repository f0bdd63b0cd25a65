/* Tables with inheritance children that are not partitions. A trigger of such a table does not fire
 * for the rows of its children, and readers do not read these rows. One thread, as the session.
 */
#ifndef PRODUCER_TRIGGERS_INHERITED_H
#define PRODUCER_TRIGGERS_INHERITED_H

#include <stdint.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/pg/pg.h"
#include "producer/triggers/entry.h"
#include "producer/triggers/refusal.h"

/* A refusal for each entry and table, of entries that have been read from the catalogue. NULL in
 * `*refusals`: no table has such children. */
int inherited_find(struct pg *pg, const struct entry *entries, uint32_t count, struct arena *arena,
                   struct refusal **refusals, struct error *err);

#endif
