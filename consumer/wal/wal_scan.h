/* One walk over a log, from its first segment to its last, for recovery and for people who look.
 *
 * Nothing is changed and no lock is taken. A scan beside the process that owns the log sees every
 * segment as long as it was when the scan came to it, and not those that begin or go meanwhile.
 *
 * A problem is a damaged frame, a segment that is missing, belongs to something else or cannot be
 * read: see wal.h. An unfinished tail of the last segment is none: it is what a crash leaves, and
 * what a writer is writing.
 */
#ifndef CONSUMER_WAL_WAL_SCAN_H
#define CONSUMER_WAL_WAL_SCAN_H

#include <stdbool.h>

#include "common/base/memory.h"
#include "consumer/wal/wal.h"

struct wal_segment {
    const char *path;
    int64_t first_offset; /* its name */
    bool is_last;
    int64_t bytes;       /* of the file; 0: could not be opened */
    int64_t frames;      /* so far, as the next two */
    int64_t next_offset; /* one behind the last frame; first_offset when there is none */
    int64_t end_bytes;   /* where the next frame begins; at the end, what is behind is unfinished */
};

/* What a scan calls, each as often as it applies; NULL: nothing. All pointers die when the call
 * returns. 0: go on; anything else ends the scan, which returns it. */
struct wal_visitor {
    void *context;
    /* A name that is neither a segment nor the lock, nor "checkpoint". */
    int (*stranger)(void *context, const char *name, struct error *err);
    /* A whole frame, which begins at segment->end_bytes. Negative: a problem of the segment. */
    int (*frame)(void *context, const struct wal_segment *segment, const struct wal_frame *frame,
                 struct error *err);
    /* A segment that was read to its end. */
    int (*segment)(void *context, const struct wal_segment *segment, struct error *err);
    /* A segment that ends at begin_offset or before; it is not read. NULL: it is, as any other. */
    int (*passed)(void *context, const struct wal_segment *segment, struct error *err);
    /* A segment that was not read to its end; `problem` has its path and the byte. NULL:
     * the first one ends the scan. Otherwise it goes on with the next, whatever the one before
     * should have been. */
    int (*problem)(void *context, const struct wal_segment *segment, const struct error *problem);
};

/* `identity` with NULL data: whose log it is does not matter. `begin_offset`: what is missing below
 * it is no problem; 0: everything must be there. */
int wal_scan(struct files *files, const char *directory, struct text identity, int64_t begin_offset,
             const struct wal_visitor *visitor, struct error *err);

#endif
