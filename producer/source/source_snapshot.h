/* A source snapshot: a Postgres snapshot with the database's clock. One thread. */
#ifndef PRODUCER_SOURCE_SOURCE_SNAPSHOT_H
#define PRODUCER_SOURCE_SOURCE_SNAPSHOT_H

#include "common/event/snapshot.h"
#include "common/pg/pg.h"

struct source_snapshot {
    struct snapshot snapshot;
    int64_t clock_us; /* of the database, read before the snapshot; Unix microseconds */
    int64_t read_us;  /* of the monotonic clock here, before both */
};

/* `out` is zero-initialised or was filled before; snapshot_free() releases it. On error only its
 * clocks may have changed. */
int source_snapshot_read(struct pg *pg, struct source_snapshot *out, struct error *err);
/* Likewise, after the statements `before` (each with its ';') in the same message. The clock is
 * read before them. */
int source_snapshot_read_after(struct pg *pg, const char *before, struct source_snapshot *out,
                               struct error *err);

/* Reads the greatest id that the sequence of the outbox has given out. max(id) would be exact, but
 * walks over all rows of an open transaction at the end of the table (F61). */
int source_snapshot_last_id(struct pg *pg, int64_t *row_id, struct error *err);

#endif
