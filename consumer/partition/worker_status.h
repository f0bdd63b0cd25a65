/* What a worker publishes of its partition: the state with its error, and the positions and counts
 * that go with them (shard.h).
 *
 * One thread, the worker's; other threads read the shard.
 */
#ifndef CONSUMER_PARTITION_WORKER_STATUS_H
#define CONSUMER_PARTITION_WORKER_STATUS_H

#include "consumer/partition/batch.h"
#include "consumer/partition/replica_pair.h"
#include "consumer/partition/shard.h"

struct worker_status {
    struct shard *shard;
    const struct replica_pair *replicas;
    int32_t partition;
    /* As published last. `counts`, `dead_letters` and `checkpoint` may be changed before
     * worker_status_publish(). */
    struct shard_status shown;
    /* The topic is another one than before, which is a loss (sequence_change_topic), and the
     * replica does not know it yet. */
    bool is_other_topic;
};

/* `shard` and `replicas` must outlive it. `owed_limit_s`: consumer.owed_incomplete_s. */
void worker_status_init(struct worker_status *status, struct shard *shard,
                        const struct replica_pair *replicas, int32_t partition,
                        int64_t owed_limit_s);

/* Publishes the positions as they are now, with the rest. The served replica must be open. */
void worker_status_publish(struct worker_status *status);

/* Before a batch is applied to the served replica: publishes which fields are no longer complete in
 * `next`, the sequence after the batch. The next publication of the positions ends this. */
void worker_status_lose(struct worker_status *status, const struct sequence *next,
                        const struct config_fields *fields);

/* Publishes another state or error, and logs it. `error`: terminated; "": no error. */
void worker_status_set(struct worker_status *status, enum shard_state state, const char *error);
/* Publishes why the replay does not continue, or ended, and logs it. "": it does, or nothing is
 * replayed. */
void worker_status_set_replay(struct worker_status *status, const char *note);
/* The partition is running or rebuilding, without an error. */
void worker_status_set_healthy(struct worker_status *status);
bool worker_status_is_waiting(const struct worker_status *status);

/* Adds a batch to the counts; the next publication shows them. */
void worker_status_count(struct worker_status *status, const struct batch_counts *batch);

#endif
