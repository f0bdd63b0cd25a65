/* Decides from the group's committed offset where a worker continues after recovery.
 *
 *     recover an interrupted rebuild
 *     read the committed offset            waits for the group
 *     decide what it means                 resume.h, pure
 *     follow the decision                  give a rebuild up; continue, skip, or begin a rebuild
 *     acknowledge a reset                  waits for the group: it must not be followed twice
 *     save the seed of a rebuild           the checkpoint that the rebuild began from, as one of
 *                                          the rebuilt replica
 *
 * After a crash before the acknowledgement, the reset is found again and followed again, from
 * where the served replica is then.
 *
 * One thread, the worker's.
 */
#ifndef CONSUMER_PARTITION_RESUMER_H
#define CONSUMER_PARTITION_RESUMER_H

#include "consumer/partition/committer.h"
#include "consumer/partition/replica_pair.h"
#include "consumer/partition/worker_control.h"
#include "consumer/partition/worker_status.h"

/* All pointers must outlive it. */
struct resumer {
    struct feed *feed;
    struct replica_pair *replicas;
    struct worker_status *status;
    const struct worker_control *control;
    const struct committer *committer;
    const char *data_dir_id;
    int32_t partition;
    /* Publishes `reason` as what the worker waits for, and pauses for a while. */
    void (*wait)(void *context, const char *reason);
    void *context;
};

/* Afterwards the served replica reads on at its next offset, or where the topic begins when it has
 * none; so does a rebuilt one. ERR_RETRY: the worker was asked to stop before that. */
int resumer_run(const struct resumer *resumer, struct error *err);

#endif
