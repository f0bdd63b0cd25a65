/* The checkpoints of a worker: which one is due, and what became of those that were requested.
 *
 *     idle --begin--> active --finish--> idle
 *
 * Beginning one pauses reading until a copy of the process exists (checkpoint_write.h); one that is
 * due waits while another partition has the copy. checkpointer_step() finishes it later. They are
 * those of the served replica; a rebuilt one has its own (rebuilder.h).
 *
 * A failed checkpoint loses nothing, so it ends no worker: the failure is logged and reported to
 * whoever requested it.
 *
 * One thread, the worker's, except for checkpointer_request().
 */
#ifndef CONSUMER_PARTITION_CHECKPOINTER_H
#define CONSUMER_PARTITION_CHECKPOINTER_H

#include <stdatomic.h>

#include "consumer/partition/replica_pair.h"
#include "consumer/partition/worker_control.h"
#include "consumer/partition/worker_status.h"

struct checkpointer {
    struct replica_pair *replicas;
    struct worker_control *control;
    struct worker_status *status;
    struct shard_checkpoint last; /* the one that was begun or rejected last */
    bool is_active;
    int64_t full_us;        /* when one was begun last because the log was full; 0: never */
    atomic_llong requested; /* number of the last request, from 1 */
};

/* All pointers must outlive it. */
void checkpointer_init(struct checkpointer *checkpointer, struct replica_pair *replicas,
                       struct worker_control *control, struct worker_status *status);

/* Requests a checkpoint. Returns the number of the request, which shard_checkpoint.answered reaches
 * when its outcome is published. Any thread. */
int64_t checkpointer_request(struct checkpointer *checkpointer);
/* Has the request with that number been made here? Any thread. */
bool checkpointer_has_request(const struct checkpointer *checkpointer, int64_t number);

/* Finishes the active checkpoint if it is done, and begins one that is due or requested. */
int checkpointer_step(struct checkpointer *checkpointer, struct error *err);

/* For a partition whose log is full and that reads nothing: also begins a checkpoint when nothing
 * was lately tried, because it may shorten the log. */
int checkpointer_step_full(struct checkpointer *checkpointer, struct error *err);

/* Saves the position and begins a checkpoint; none must be active. An error is one of the log,
 * which is final. */
int checkpointer_begin(struct checkpointer *checkpointer, struct error *err);
/* Waits for the active checkpoint; does nothing when none is. */
void checkpointer_finish(struct checkpointer *checkpointer);
void checkpointer_finish_if_done(struct checkpointer *checkpointer);

/* Answers the open requests with `why`, unless a checkpoint is active, whose end answers them. */
void checkpointer_reject(struct checkpointer *checkpointer, const char *why);

#endif
