/* One look at the source: a snapshot, and what belongs to it. One thread. */
#ifndef PRODUCER_SOURCE_MOMENT_H
#define PRODUCER_SOURCE_MOMENT_H

#include "common/pg/pg.h"
#include "producer/source/snapshot.h"

struct moment {
    struct snapshot snapshot;
    int64_t clock_us;   /* of the database, not after the snapshot; Unix microseconds */
    int64_t max_row_id; /* greatest in the outbox; 0: it is empty */
};

/* `moment` is zero-initialised or was filled before; snapshot_free() releases it. */
int moment_look(struct pg *pg, struct moment *moment, struct error *err);

/* Only that, of now. */
int moment_max_row_id(struct pg *pg, int64_t *max_row_id, struct error *err);

#endif
