/* Which checkpoints of a partition are kept: dense near the newest one, sparser further back. Pure.
 *
 * Replays and moments begin at one of them. So however often checkpoints are taken, the log after
 * the oldest one has `reach_bytes`, and those between it and the newest two are as many as are
 * needed for that to remain so.
 *
 * Ages are those of the source's clock, counted from the newest checkpoint; one that seems to be
 * newer than its successor has the age of the successor, because the clock of a source may go back.
 *
 *     the newest two                       always
 *     younger than `keep_us`               yes, but for the bound below
 *     the newest one that is not younger   too: every moment of `keep_us` has one before it
 *     the newest one with `reach_bytes` of log after it, if it is older than those
 *     newer than that one                  when the log between its neighbours has more than these
 *     any other                            no
 *
 * Of more than CHECKPOINTS_HISTORY, the one goes that is missed least: the one between whose
 * neighbours the least time passes, in relation to its age. Never the newest two, nor the oldest.
 */
#ifndef CONSUMER_CHECKPOINT_CHECKPOINT_THIN_H
#define CONSUMER_CHECKPOINT_CHECKPOINT_THIN_H

#include "consumer/checkpoint/checkpoint.h"

enum { CHECKPOINTS_HISTORY = 16 };

struct checkpoint_point {
    int64_t next_offset; /* names the checkpoint */
    int64_t clock_us;    /* of the last watermark before it; INT64_MAX: not known */
    int64_t log_bytes;   /* of the log after it */
};

struct checkpoint_keep {
    int64_t keep_us;
    int64_t reach_bytes;
};

/* `points`: newest first, at most CHECKPOINTS_MAX; those that go are removed from it, and appended
 * to `doomed`. Returns how many stay. */
int checkpoint_thin(struct checkpoint_point *points, int count, const struct checkpoint_keep *keep,
                    struct checkpoint_doomed *doomed);

/* Removes the oldest point, which is not one of the newest two, in the same way. */
int checkpoint_thin_oldest(struct checkpoint_point *points, int count,
                           struct checkpoint_doomed *doomed);

#endif
