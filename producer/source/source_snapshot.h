/* One look at the source: a snapshot, and what belongs to it. One thread. */
#ifndef PRODUCER_SOURCE_SOURCE_SNAPSHOT_H
#define PRODUCER_SOURCE_SOURCE_SNAPSHOT_H

#include "common/pg/pg.h"
#include "producer/source/snapshot.h"

struct source_snapshot {
    struct snapshot snapshot;
    int64_t clock_us; /* of the database, not after the snapshot; Unix microseconds */
};

/* `moment` is zero-initialised or was filled before; snapshot_free() releases it. */
int source_snapshot_read(struct pg *pg, struct source_snapshot *moment, struct error *err);

/* The greatest id that the outbox has given out: which rows are there, max(id) would tell, at the
 * price of a walk over all rows of an open transaction at the end of the table (F61). */
int source_snapshot_last_id(struct pg *pg, int64_t *row_id, struct error *err);

#endif
