/* What the group's committed offset means to the member that is assigned the partition. Pure.
 *
 * Members commit with metadata that says whose log the offset belongs to:
 *
 *     bitdex1 {id of the data directory} {epoch}.{seq} {replay}
 *
 * An offset without such metadata is a reset: an operator has set it, for example with
 * kafka-consumer-groups --reset-offsets. If it is before the end of the member's log, the partition
 * is rebuilt. If it is after, reading continues there, and the messages between are missing. Before
 * it reads, the member acknowledges the reset by a commit of its own, so that no reset is followed
 * twice.
 *
 * `replay` is the number of the last reset to an earlier offset that a replica has followed: the
 * time of the reset in milliseconds since 1970; 0: none. It is part of the metadata and of every
 * partition position. From the metadata, the next member that is assigned the partition finds out
 * that its own replica is older than a reset.
 *
 * An absent offset (expired, or never committed) means nothing. A member whose log is empty begins
 * where the topic does, whatever the offset is.
 */
#ifndef CONSUMER_PARTITION_RESUME_H
#define CONSUMER_PARTITION_RESUME_H

#include "common/base/memory.h"
#include "consumer/partition/position.h"

enum { RESUME_METADATA_BYTES = 128 };

/* Writes the metadata, terminated, for a commit at this position. */
void resume_describe(const struct position *position, const char *data_dir_id,
                     char out[static RESUME_METADATA_BYTES]);

enum resume_verdict {
    RESUME_CONTINUE, /* at the next offset of the log */
    RESUME_SKIP,     /* at the committed offset */
    RESUME_REBUILD,  /* in a rebuilt replica */
};

struct resume_decision {
    enum resume_verdict verdict;
    int64_t replay; /* of the replica that continues to read */
    bool was_reset; /* an operator has set the offset */
    bool lost_tail; /* this data directory has committed an offset that its log no longer reaches */
};

/* What a member holds. */
struct resume_state {
    int64_t next_offset; /* of its log; -1: the log is empty */
    int64_t replay;      /* of its replica */
    const char *data_dir_id;
};

/* `committed`: -1 without an offset. `now_ms` names the reset if this is one. */
struct resume_decision resume_decide(const struct resume_state *state, int64_t committed,
                                     struct text metadata, int64_t now_ms);

#endif
