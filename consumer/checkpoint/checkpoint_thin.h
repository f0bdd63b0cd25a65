/* Which checkpoints of a partition are kept: dense near the newest one, sparser further back. Pure.
 *
 * Ages are those of the source's clock, counted from the newest checkpoint; one that seems to be
 * newer than its successor has the age of the successor, because the clock of a source may go back.
 *
 *     the newest two                       always
 *     younger than `keep_us`               yes, but for the bound below
 *     the newest one that is not younger   too: every moment of `keep_us` has one before it
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
};

/* `points`: newest first, at most CHECKPOINTS_MAX; those that go are removed from it, and appended
 * to `doomed`. Returns how many stay. `keep_us` 0: only the newest two. */
int checkpoint_thin(struct checkpoint_point *points, int count, int64_t keep_us,
                    struct checkpoint_doomed *doomed);

/* Removes the oldest point, which is not one of the newest two, in the same way. */
int checkpoint_thin_oldest(struct checkpoint_point *points, int count,
                           struct checkpoint_doomed *doomed);

#endif
