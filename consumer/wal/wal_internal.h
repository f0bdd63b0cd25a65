/* What wal.c and wal_recovery.c share. */
#ifndef CONSUMER_WAL_WAL_INTERNAL_H
#define CONSUMER_WAL_WAL_INTERNAL_H

#include "common/base/memory.h"
#include "consumer/wal/wal.h"

struct wal {
    struct files *files;
    char *directory;
    struct text identity; /* owned */
    int64_t segment_bytes;
    int64_t frame_bytes;
    int lock;               /* its handle */
    int handle;             /* of the segment that grows; -1: the next append begins one */
    int64_t end_bytes;      /* of that segment: where the next frame goes */
    int64_t synced_bytes;   /* of that segment */
    int64_t closed_bytes;   /* of the segments before it, which are wholly durable */
    int64_t next_offset;    /* one behind the last frame; -1: the log is empty */
    int64_t durable_offset; /* the same of the last durable frame */
    struct buffer buffer;   /* the frame or header being written */
    struct error failure;   /* of a write or sync: final */
};

/* Finds the segments, replays them, cuts a torn tail, makes all of it durable, and leaves the last
 * one open in `wal`. */
int wal_recover(struct wal *wal, wal_replay replay, void *context, struct error *err);

#endif
