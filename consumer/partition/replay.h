/* The rules of a replay: which of the two states of a partition serves, and which of them reads.
 * Pure.
 *
 *     a state never takes the place of one that has come further, or that proves more
 *     an operator may accept that it proves less, and then it first comes as far
 *     meanwhile the serving state reads on
 *
 * A replay ends in one of three ways: the rebuilt state takes its place, the replay is taken back
 * (by command, or by a reset at or above the serving position: resume.h), or the topic loses what
 * the rebuilt state needs next.
 */
#ifndef CONSUMER_PARTITION_REPLAY_H
#define CONSUMER_PARTITION_REPLAY_H

#include "common/config/config_fields.h"

/* How far a state has come and what it proves. */
struct replay_state {
    int64_t next_offset;       /* -1: nothing was read yet */
    struct field_set complete; /* incomplete_find_complete() */
};

struct replay_view {
    struct replay_state serving;
    struct replay_state rebuilt;
    int64_t low; /* of the topic; -1: not known */
    int64_t high;
    bool is_idle;  /* the rebuilt state's last read found nothing, and no error */
    bool is_stuck; /* it cannot read on for now */
    bool is_lost;  /* the topic does not have its next offset */
    bool accepts_loss;
};

enum replay_step {
    REPLAY_READ,  /* both states read */
    REPLAY_CLOSE, /* the same, but the serving one pauses, so that the other one reaches it */
    REPLAY_WAIT,  /* for an operator, because it is close and proves less; both states read */
    REPLAY_SWAP,  /* the rebuilt state takes the place of the serving one */
    REPLAY_END,   /* it can never come as far */
};

enum replay_step replay_decide(const struct replay_view *view);

/* The fields that the serving state proves and the rebuilt one does not. */
struct field_set replay_find_lacking(const struct replay_view *view);

#endif
