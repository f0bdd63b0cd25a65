/* The write-ahead log of one partition: frames appended to segment files. A frame is the unit of
 * durability: offsets, position and data in one write under one checksum.
 *
 * Why: a frame carries the Kafka offsets that it covers, the position that holds after it, and the
 * events themselves. Data and position are stored together, so they cannot disagree (F39, F43).
 *
 *   directory   {data_dir}/{topic}-{partition}/wal/{first offset, 20 digits}.wal, and a lock; the
 *               entry "checkpoint" in it belongs to the caller
 *   segment     a header with the identity of the log and the end of the previous segment; frames
 *   frame       offsets, position, payload, CRC32C (wal_format.h draws both layouts)
 *
 * Happy path: wal_append() writes a frame, wal_sync() makes all appended frames durable. A frame
 * begins at or after the next offset of the previous frame: compacted topics, control records and
 * transactions leave holes.
 *
 * Failure: a failed write or sync is final. That call and all later ones return ERR_FATAL, the
 * process exits, and recovery decides what was durable. Recovery cuts a torn tail of the last
 * segment (bytes that were never durable) with a warning. It refuses damage anywhere else, the
 * identity of another log, an unknown version and a missing segment (ERR_FATAL, with file and
 * byte), and changes nothing.
 *
 * wal_trim() removes the head of a log that the caller no longer needs because a checkpoint holds
 * its effect. The caller then opens the log with the offset of that checkpoint, begin_offset;
 * frames that are missing below begin_offset are not damage.
 *
 * Limits: the files alone do not show that the newest segment was removed, that the last frame was
 * damaged after it had been synced, or that the kernel dropped pages after a failed sync. Each
 * looks like a log that ends earlier. The caller knows from the metadata of the group's committed
 * offset how far the log had come, and compares that with wal_durable_offset().
 *
 * A wal belongs to one thread.
 */
#ifndef CONSUMER_WAL_WAL_H
#define CONSUMER_WAL_WAL_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/files/files.h"
#include "consumer/wal/wal_format.h"
#include "consumer/wal/wal_recovery.h"

struct wal;

enum { WAL_SEGMENT_BYTES_MAX = 1 << 30 };

/* Copied by wal_open(). */
struct wal_options {
    const char *directory; /* created if missing */
    /* What this log belongs to (index, topic, partition) and which fields it has, as lines of text
     * (wal_identity.h). At most WAL_IDENTITY_BYTES_MAX. Segments whose lines of fields differ are
     * replayed, and the next frame then goes into a new segment. */
    const char *identity;
    /* A new segment begins when the current one is larger; at most WAL_SEGMENT_BYTES_MAX. */
    int64_t segment_bytes;
    /* The largest position plus payload: a larger append is a programming error. At most
     * WAL_FRAME_BYTES_MAX. A frame on disk is bounded by its segment alone, so that a log that was
     * written under a higher limit can still be read. */
    int64_t frame_bytes;
    /* The next offset of the caller's state, which lies between two frames: only frames after it
     * are replayed. If the log ends before it, the next frame begins at it. 0: no state. */
    int64_t begin_offset;
    /* Is called with the identity of each segment before its first frame is replayed. NULL: the
     * identity has no lines of fields. */
    wal_configure configure;
};

/* Locks the directory against a second process (ERR_USAGE), recovers, and calls `replay` for each
 * frame after begin_offset. Everything replayed is durable when wal_open() returns; if it fails,
 * the caller discards what was replayed. The caller owns `*wal`; `files` must outlive it. */
int wal_open(struct files *files, const struct wal_options *options, wal_replay replay,
             void *context, struct wal **wal, struct error *err);

/* Writes a frame after the last one, in one write. The frame is not durable before wal_sync(). */
int wal_append(struct wal *wal, const struct wal_frame *frame, struct error *err);
int wal_sync(struct wal *wal, struct error *err);

/* Removes, oldest first, the segments whose frames all end at or before `offset`, except the last
 * segment. `offset` is durable. Each removal is durable before the next, so that after a crash only
 * a head of the log is missing. On error the remaining log is unchanged. */
int wal_trim(struct wal *wal, int64_t offset, struct error *err);

/* The next offset after the last durable frame, or begin_offset if that is greater; -1 without
 * either. */
int64_t wal_durable_offset(const struct wal *wal);
/* The first offset of the oldest segment, if wal_trim() has removed older ones since the log was
 * opened; else -1. */
int64_t wal_begin_offset(const struct wal *wal);
/* Bytes of all segments. */
int64_t wal_bytes(const struct wal *wal);
/* Bytes of those that wal_trim() with this offset would leave. */
int64_t wal_bytes_from(const struct wal *wal, int64_t offset);

/* The directory has another name now. */
void wal_rename(struct wal *wal, const char *directory);

/* Does not sync: frames that were not synced may be lost, as in a crash. NULL is allowed. */
void wal_close(struct wal *wal);

#endif
