/* Recovery: brings the files of a log into the state from which wal.c appends. The caller holds the
 * lock of the directory. One thread.
 */
#ifndef CONSUMER_WAL_WAL_RECOVERY_H
#define CONSUMER_WAL_WAL_RECOVERY_H

#include "consumer/wal/wal_format.h"
#include "consumer/wal/wal_scan.h"
#include "consumer/wal/wal_segments.h"

/* Called for each frame after begin_offset, oldest first; the pointers of `frame` are valid until
 * it returns. A negative return ends recovery with that error. */
typedef int (*wal_replay)(void *context, const struct wal_frame *frame, struct error *err);
/* Called before the first of these frames in each segment: its identity. */
typedef int (*wal_configure)(void *context, struct text identity, struct error *err);

/* All of it is durable. */
struct wal_recovered {
    struct wal_segments segments;
    int handle;          /* of the last segment, open for writing; -1: the next frame needs a new
                          * segment */
    int64_t end_bytes;   /* of that segment: where the next frame goes; 0 without one */
    int64_t next_offset; /* after the last frame that was read; -1: none was read */
};

/* Finds the segments, replays them, cuts a torn tail, and makes everything durable. Leaves the last
 * segment open if its identity is that of `place` in every byte. `configure` may be NULL. The
 * caller owns what `recovered` holds (the handle and the segments), after an error as well. */
int wal_recover(const struct wal_place *place, wal_configure configure, wal_replay replay,
                void *context, struct wal_recovered *recovered, struct error *err);

#endif
