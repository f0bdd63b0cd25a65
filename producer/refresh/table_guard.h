/* Are tables still those that a snapshot shows? A table that was rewritten or truncated after the
 * snapshot, and a partition that was attached or detached, shows the snapshot nothing of its rows,
 * or too much: what was read of it must not be used. One thread.
 */
#ifndef PRODUCER_REFRESH_TABLE_GUARD_H
#define PRODUCER_REFRESH_TABLE_GUARD_H

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/pg/pg.h"
#include "producer/load/load_plan.h"

/* Looks after the reading, in its transaction. `*is_whole`: nothing has happened to the tables of
 * the plan. Appends a signature, which is another one after a change of their columns, indexes or
 * partitions, and that of another table in the place of one. */
int table_guard_check(struct pg *pg, const struct load_plan *plan, bool *is_whole,
                      struct buffer *signature, struct error *err);

#endif
