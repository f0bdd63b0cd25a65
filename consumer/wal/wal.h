/* The write-ahead log of one partition: frames appended to segment files, each frame one unit of
 * position and data.
 *
 * Why: a frame carries the Kafka offsets it covers, the position that holds after it, and the
 * events themselves, in one write with one checksum; so there is no second place that could
 * disagree (FAILURES F39, F43).
 *
 *   directory   {data_dir}/{topic}-{partition}/wal/{first offset, 20 digits}.wal, and a lock
 *               (what is named "checkpoint" there is the caller's)
 *   segment     a header that names the log's identity and the segment before; then frames
 *   frame       offsets, position, payload, CRC32C             (both drawn in wal_format.h)
 *
 * Happy path: wal_append() writes, wal_sync() makes everything appended durable. A frame's offsets
 * continue those of the frame before it (first >= previous next: compacted topics, control records
 * and transactions leave holes).
 *
 * Failure: a failed write or sync is final: that call and all that follow return ERR_FATAL, the
 * process exits and recovery decides. Recovery cuts a torn tail of the last segment (bytes that
 * were never durable) and says so in the log; damage anywhere else, a foreign identity, an unknown
 * version or a missing segment is refused (ERR_FATAL) with file and byte, and nothing is changed.
 *
 * The head of a log may go (wal_trim()) when its owner has the state behind it elsewhere; then the
 * log is opened with the offset that this state stands at, begin_offset. What a log lacks below
 * that is no damage.
 *
 * What the files alone cannot show: that the newest segment is gone, that the last frame was
 * damaged after it had been synced, and that the kernel dropped pages after a sync had failed. All
 * of them look like a log that ends earlier. The caller, who knows from elsewhere (the metadata of
 * the committed offset) how far the log had come, compares that with wal_durable_offset().
 *
 * One thread owns a wal.
 */
#ifndef CONSUMER_WAL_WAL_H
#define CONSUMER_WAL_WAL_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/files/files.h"

struct wal;

enum {
    WAL_SEGMENT_BYTES_MAX = 1 << 30,
    WAL_FRAME_BYTES_MAX = 1 << 30,
    WAL_IDENTITY_BYTES_MAX = 64 << 10,
};

/* Covers at least one offset: 0 <= first_offset < next_offset. */
struct wal_frame {
    int64_t first_offset; /* of the first Kafka message that the frame covers */
    int64_t next_offset;  /* one behind the last */
    const void *position; /* opaque to the log */
    size_t position_bytes;
    const void *payload; /* opaque to the log */
    size_t payload_bytes;
};

/* Copied by wal_open(). */
struct wal_options {
    const char *directory; /* created if missing */
    /* What this log belongs to (index, topic, partition, P, configuration), as lines of text for
     * people; compared byte by byte at open. At most WAL_IDENTITY_BYTES_MAX. */
    const char *identity;
    /* A new segment begins when the current one is larger; at most WAL_SEGMENT_BYTES_MAX. */
    int64_t segment_bytes;
    /* The largest position plus payload: a larger append is a programming error. At most
     * WAL_FRAME_BYTES_MAX. A frame on disk is bounded by its segment alone, so that a log that was
     * written under a higher limit can still be read. */
    int64_t frame_bytes;
    /* Where the caller's state stands, which is between two frames: only those behind it are
     * replayed. If the log ends before it, the next frame begins at it. 0: nowhere. */
    int64_t begin_offset;
};

/* Called at open for each frame behind begin_offset, oldest first; its pointers die when it
 * returns. A negative return aborts wal_open() with it. What was replayed before wal_open() failed
 * counts for nothing. */
typedef int (*wal_replay)(void *context, const struct wal_frame *frame, struct error *err);

/* Locks the directory against a second process (ERR_USAGE), recovers, replays, and stands ready to
 * append. What was replayed is durable when it returns. The caller owns `*wal`; `files` must
 * outlive it. */
int wal_open(struct files *files, const struct wal_options *options, wal_replay replay,
             void *context, struct wal **wal, struct error *err);

/* Writes one frame behind the last, in one write; not durable before wal_sync(). */
int wal_append(struct wal *wal, const struct wal_frame *frame, struct error *err);
int wal_sync(struct wal *wal, struct error *err);

/* Removes the oldest segments, as long as all of their frames lie below `offset`, and others are
 * left; one after the other, each durably, so that a crash leaves a log without its head. After an
 * error the log is as good as before. */
int wal_trim(struct wal *wal, int64_t offset, struct error *err);

/* One behind the last durable offset, begin_offset included; -1 when there is neither. */
int64_t wal_durable_offset(const struct wal *wal);
/* Bytes of all segments. */
int64_t wal_bytes(const struct wal *wal);

/* Does not sync: what was not synced may be lost, as in a crash. NULL is allowed. */
void wal_close(struct wal *wal);

#endif
