/* One walk over a log, from its first segment to its last, for recovery and for the `wal` commands.
 *
 * A scan changes nothing and takes no lock. A scan beside the process that owns the log sees each
 * segment with the length that it had when the scan opened it, and does not see segments that are
 * created or removed meanwhile.
 *
 * A problem is a damaged frame, or a segment that is missing, cannot be read, or has another
 * identity (wal.h). An unfinished tail of the last segment is not a problem: a crash leaves one,
 * and so does a frame that is being written.
 */
#ifndef CONSUMER_WAL_WAL_SCAN_H
#define CONSUMER_WAL_WAL_SCAN_H

#include <stdbool.h>

#include "common/base/memory.h"
#include "common/files/files.h"
#include "consumer/wal/wal_format.h"

/* Which log, and what the reader needs of it. */
struct wal_place {
    struct files *files;
    const char *directory;
    struct text identity; /* NULL data: any; else that of all segments, but for lines of fields */
    int64_t begin_offset; /* what is missing below it is not a problem; 0: all must be there */
};

struct wal_segment {
    const char *path;
    struct text identity; /* in its header; empty before that was read, and if it is skipped */
    int64_t first_offset; /* its name */
    bool is_last;
    int64_t bytes;       /* of the file; 0: it could not be opened */
    int64_t frames;      /* read so far, as are the next two */
    int64_t next_offset; /* after the last frame; first_offset without frames */
    int64_t end_bytes;   /* where the next frame begins; after the scan of the segment, where the
                          * unfinished tail begins */
};

/* What a scan calls; NULL: nothing. All pointers are valid until the call returns. A return other
 * than 0 ends the scan, which returns it. */
struct wal_visitor {
    void *context;
    /* A name in the directory that is neither a segment nor "lock" nor "checkpoint". */
    int (*unknown)(void *context, const char *name, struct error *err);
    /* A whole frame, which begins at segment->end_bytes. A negative return is a problem of the
     * segment. */
    int (*frame)(void *context, const struct wal_segment *segment, const struct wal_frame *frame,
                 struct error *err);
    /* A segment that was read to its end. */
    int (*segment)(void *context, const struct wal_segment *segment, struct error *err);
    /* A segment that ends at or before begin_offset; it is not read. NULL: read it like the
     * others. */
    int (*skipped)(void *context, const struct wal_segment *segment, struct error *err);
    /* A segment that could not be read to its end; `problem` names its path and the byte. The scan
     * then continues with the next segment. NULL: the first problem ends the scan. */
    int (*problem)(void *context, const struct wal_segment *segment, const struct error *problem);
};

int wal_scan(const struct wal_place *place, const struct wal_visitor *visitor, struct error *err);

#endif
