/* What wal.c and wal_recovery.c share. */
#ifndef CONSUMER_WAL_WAL_INTERNAL_H
#define CONSUMER_WAL_WAL_INTERNAL_H

#include "common/base/memory.h"
#include "consumer/wal/wal.h"

struct wal_file { /* a segment */
    int64_t first_offset;
    int64_t bytes; /* once it is closed */
};

struct wal {
    struct files *files;
    char *directory;
    struct text identity; /* owned */
    int64_t segment_bytes;
    int64_t frame_bytes;
    int64_t begin_offset;
    struct buffer segments; /* struct wal_file each, ascending; the last one may be growing */
    int lock;               /* its handle */
    int handle;             /* of the segment that grows; -1: the next append begins one */
    int64_t end_bytes;      /* of that segment: where the next frame goes */
    int64_t synced_bytes;   /* of that segment */
    int64_t closed_bytes;   /* of the other segments, which are wholly durable */
    int64_t next_offset;    /* one behind the last frame; -1: the log is empty */
    int64_t durable_offset; /* the same of the last durable frame */
    struct buffer buffer;   /* the frame or header being written */
    struct error failure;   /* of a write or sync: final */
};

/* One more segment, behind the others. */
void wal_note_segment(struct wal *wal, int64_t first_offset, int64_t bytes);

/* Finds the segments, replays them, cuts a torn tail, makes all of it durable, and leaves the last
 * one open in `wal`. */
int wal_recover(struct wal *wal, wal_replay replay, void *context, struct error *err);

#endif
