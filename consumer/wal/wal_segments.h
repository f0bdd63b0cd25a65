/* The segments of an open log, oldest first: offsets and sizes, no I/O. Only the last segment may
 * be open, that is, still be written. One thread.
 */
#ifndef CONSUMER_WAL_WAL_SEGMENTS_H
#define CONSUMER_WAL_WAL_SEGMENTS_H

#include <stdint.h>

enum { WAL_FILE_OPEN = -1 };

struct wal_file {
    int64_t first_offset;
    int64_t bytes; /* WAL_FILE_OPEN: not closed yet */
};

/* Zero-initialise. */
struct wal_segments {
    struct wal_file *items; /* ascending by first_offset */
    uint32_t count;
    uint32_t capacity;
    int64_t bytes; /* of all closed segments */
};

/* Appends an open segment; its first offset is above those of all others. */
void wal_segments_append(struct wal_segments *segments, int64_t first_offset);
/* The last segment is closed and has so many bytes. */
void wal_segments_close_last(struct wal_segments *segments, int64_t bytes);
/* Removes the first of at least two segments. */
void wal_segments_remove_first(struct wal_segments *segments);
void wal_segments_free(struct wal_segments *segments);

#endif
