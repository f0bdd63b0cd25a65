/* What a group's committed offset says to the member that gets the partition. Pure.
 *
 * Members commit with metadata that tells whose state the offset belongs to:
 *
 *     bitdex1 {id of the data directory} {epoch}.{seq} {replay}
 *
 * An offset without it was set by an operator, with kafka-consumer-groups --reset-offsets or the
 * like. Back of what the member holds, it asks for the state to be built anew; ahead of it, for
 * reading on from there, with what lies between missing. Before anything is read, the member
 * acknowledges the reset by a commit of its own, so that none is followed twice.
 *
 * `replay` names the last reset of the first kind that a state has followed, by the time when (in
 * milliseconds since 1970; 0: none). It travels in the metadata and in every position, so that
 * another member that gets the partition later learns that its own state is older than a reset.
 *
 * An offset that is absent (expired, or never committed) says nothing. A member without state
 * begins where the topic does, whatever the offset says.
 */
#ifndef CONSUMER_PARTITION_RESUME_H
#define CONSUMER_PARTITION_RESUME_H

#include "common/base/memory.h"
#include "consumer/partition/position.h"

enum { RESUME_METADATA_BYTES = 128 };

/* Writes the metadata, terminated. */
void resume_describe(const struct position *position, const char *data_dir_id,
                     char out[static RESUME_METADATA_BYTES]);

enum resume_verdict {
    RESUME_CONTINUE, /* read on behind what is held */
    RESUME_SKIP,     /* read on from the committed offset */
    RESUME_REBUILD,  /* build the state anew, as replay `replay` */
};

struct resume_decision {
    enum resume_verdict verdict;
    int64_t replay; /* of the state that comes out */
    bool was_reset; /* an operator has set the offset */
    bool lost_tail; /* this very directory had come further than it has */
};

/* `held`: one behind the last message in the log, -1 without any. `replay`: of that state.
 * `committed`: -1 for none. `now_ms`: the clock. */
struct resume_decision resume_decide(int64_t held, int64_t replay, const char *data_dir_id,
                                     int64_t committed, struct text metadata, int64_t now_ms);

#endif
