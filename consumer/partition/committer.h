/* Reports to the feed how far the served replica is durable, which commits the offset to the group.
 *
 * A lost partition reports nothing: its offset belongs to another member. One thread, the worker's.
 */
#ifndef CONSUMER_PARTITION_COMMITTER_H
#define CONSUMER_PARTITION_COMMITTER_H

#include "consumer/partition/feed.h"
#include "consumer/partition/replica_pair.h"
#include "consumer/partition/worker_control.h"

/* All pointers must outlive it. */
struct committer {
    struct feed *feed;
    const struct replica_pair *replicas;
    const struct worker_control *control;
    const char *data_dir_id;
    int32_t partition;
};

/* Reports the durable offset, if there is one: the feed commits it when it is time to. */
int committer_report(const struct committer *committer, struct error *err);
/* Reports the durable offset, or 0 without one, and waits until it is committed. `replay`: the
 * number of the last reset that the partition follows. ERR_RETRY: it may not be committed. */
int committer_commit(const struct committer *committer, int64_t replay, struct error *err);

#endif
