/* The recovery of a replica (replica.h) from its checkpoints and its log. */
#ifndef CONSUMER_PARTITION_REPLICA_RECOVERY_H
#define CONSUMER_PARTITION_REPLICA_RECOVERY_H

#include "common/base/error.h"
#include "consumer/partition/replica_options.h"

/* A log whose newest usable checkpoint up to an offset may be loaded into a replica that has no log
 * of its own yet. */
struct replica_seed {
    const char *directory; /* NULL: none */
    int64_t offset_max;
};

/* Locks the log and recovers. A checkpoint that is not usable is skipped with a warning, and
 * removed when recovery succeeds. */
int replica_open(struct replica *replica, const struct replica_seed *seed, struct error *err);

#endif
