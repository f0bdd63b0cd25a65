/* What the group's committed offset means to the member that is assigned the partition. Pure.
 *
 * Members commit with metadata that says whose log the offset belongs to:
 *
 *     bitdex1 {id of the data directory} {epoch}.{seq} {replay}
 *
 * where epoch and seq are those of the serving replica at the offset, and `replay` is the number of
 * the last reset to an earlier offset that the partition follows: the time of the reset in
 * milliseconds since 1970; 0: none. During a rebuild it is that of the rebuild, and each replica
 * has its own in its position.
 *
 * An offset without such metadata is a reset: an operator has set it, for example with
 * kafka-consumer-groups --reset-offsets. It is compared with the position that serves, whatever is
 * being rebuilt beside it:
 *
 *     before it         a replay: the partition is rebuilt, in the place of any earlier rebuild
 *     at or after it    takes a rebuild back; after it, reading continues at the offset, and the
 *                       messages between are missing
 *
 * Before it reads, the member acknowledges the reset by a commit of its own, so that no reset is
 * followed twice.
 *
 * From a member's metadata, the next member that is assigned the partition finds out that its own
 * replica is older than a reset, or that the reset that it is rebuilding for was taken back.
 *
 * An absent offset (expired, or never committed) means nothing. A member whose log is empty begins
 * where the topic does, whatever the offset is.
 */
#ifndef CONSUMER_PARTITION_RESUME_H
#define CONSUMER_PARTITION_RESUME_H

#include "common/base/memory.h"
#include "consumer/partition/position.h"

enum { RESUME_METADATA_BYTES = 128 };

/* Writes the metadata, terminated, for a commit at a position. `replay`: that the partition
 * follows. */
void resume_describe(const struct sequence *sequence, int64_t replay, const char *data_dir_id,
                     char out[static RESUME_METADATA_BYTES]);

enum resume_verdict {
    RESUME_CONTINUE, /* at the next offset of the serving log */
    RESUME_SKIP,     /* at the committed offset */
    RESUME_REBUILD,  /* the same, with a new rebuilt replica beside it */
};

struct resume_decision {
    enum resume_verdict verdict;
    bool gives_up;  /* the rebuild that is under way */
    int64_t replay; /* of the new rebuild; else of the serving replica */
    bool was_reset; /* an operator has set the offset */
    bool lost_tail; /* this data directory has committed an offset that its log no longer reaches */
};

/* What a member holds. */
struct resume_state {
    int64_t next_offset; /* of the serving log; -1: the log is empty */
    int64_t replay;      /* of the serving replica */
    bool is_rebuilding;
    int64_t rebuilt_replay; /* 0: nothing of the rebuilt replica is durable */
    const char *data_dir_id;
};

/* `committed`: -1 without an offset. `now_ms` names the reset if this is one. */
struct resume_decision resume_decide(const struct resume_state *state, int64_t committed,
                                     struct text metadata, int64_t now_ms);

#endif
