/* The checkpoints of a replica (replica.h). */
#ifndef CONSUMER_PARTITION_REPLICA_CHECKPOINT_H
#define CONSUMER_PARTITION_REPLICA_CHECKPOINT_H

#include "common/base/error.h"
#include "consumer/partition/replica_options.h"

/* Takes the state for a checkpoint, unless the newest one is at the same offset, and returns. The
 * position must be saved, and no checkpoint be under way. On error, of this function or of the
 * next, the replica is unchanged. */
int replica_checkpoint_begin(struct replica *replica, struct error *err);
/* Is the checkpoint that was begun durable, or has it failed? True without one. */
bool replica_checkpoint_is_done(const struct replica *replica);
/* Waits for that, and trims the log. Does nothing without a checkpoint under way. */
int replica_checkpoint_end(struct replica *replica, struct error *err);
/* By consumer.checkpoint_bytes or checkpoint_interval_s (checkpoint_due.h). */
bool replica_checkpoint_is_due(const struct replica *replica);
/* The next offset of the newest checkpoint; -1: there is no checkpoint. */
int64_t replica_checkpoint_offset(const struct replica *replica);

/* The oldest checkpoint that the log has to reach back to, or POSITION_NONE. Only those up to the
 * newest one of this replica count: other files may have been put there by somebody else. `*count`
 * becomes the number of all. */
int replica_find_oldest(const struct replica *replica, int64_t *oldest, int *count,
                        struct error *err);

#endif
