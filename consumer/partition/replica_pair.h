/* The replicas of one partition: the served one, which queries read, and during a rebuild a second
 * one. Both are fed.
 *
 *     {path}/wal        served
 *     {path}/wal.new    rebuilt
 *
 * A rebuild begins from a checkpoint of the served log, or from the topic's beginning. It ends when
 * the rebuilt replica is served in the place of the other one, or is given up (replay.h). A restart
 * continues an interrupted rebuild (partition_dir.h).
 *
 * One thread, the worker's; other threads read the served engine through the shard.
 */
#ifndef CONSUMER_PARTITION_REPLICA_PAIR_H
#define CONSUMER_PARTITION_REPLICA_PAIR_H

#include "common/base/error.h"
#include "common/config/config.h"
#include "consumer/partition/partition_dir.h"
#include "consumer/partition/replica.h"
#include "consumer/partition/shard.h"
#include "consumer/partition/stage_times.h"
#include "consumer/partition/worker_control.h"

/* All of it must outlive the pair. */
struct replica_pair_options {
    const struct config *config;
    struct files *files;
    struct shard *shard; /* serves the served replica's engine */
    struct worker_control *control;
    struct stage_times *times;
    int32_t partition;
    int64_t as_of_us; /* the time that the engines have; 0: that of the clock */
};

struct replica_pair {
    struct replica_pair_options options;
    struct partition_dir directory;
    struct config_fields fields; /* of the index */
    struct replica *served;
    struct replica *rebuilt; /* NULL: no rebuild */
    int64_t now_s;           /* the time that the engines have */
};

/* Opens the partition's directory and creates the served replica with an empty engine. To be
 * destroyed even after an error. */
int replica_pair_create(struct replica_pair *pair, const struct replica_pair_options *options,
                        struct error *err);
void replica_pair_destroy(struct replica_pair *pair);

/* Recovers the served replica. */
int replica_pair_recover(struct replica_pair *pair, struct error *err);

/* Did a rebuild begin in an earlier run that has not ended? */
bool replica_pair_is_interrupted(const struct replica_pair *pair);
/* Recovers the rebuilt replica that such a rebuild has left. */
int replica_pair_continue_rebuild(struct replica_pair *pair, struct error *err);
/* Begins a rebuild for the reset `replay` to `offset`, from the newest checkpoint of the served log
 * that is not after it. A rebuild that is under way is given up for it. Loading a checkpoint may
 * take long. */
int replica_pair_begin_rebuild(struct replica_pair *pair, int64_t offset, int64_t replay,
                               struct error *err);
/* Writes what the rebuilt replica was begun from as a checkpoint of its own, and waits for it. */
int replica_pair_save_seed(struct replica_pair *pair, struct error *err);
/* Gives the rebuilt replica up. */
int replica_pair_end_rebuild(struct replica_pair *pair, struct error *err);

bool replica_pair_is_rebuilding(const struct replica_pair *pair);
/* The number of the last reset that the partition follows (resume.h). */
int64_t replica_pair_replay(const struct replica_pair *pair);

/* Serves the rebuilt replica in the place of the served one, whose log is then to be removed. No
 * checkpoint of either may be under way. */
int replica_pair_swap(struct replica_pair *pair, struct error *err);
int replica_pair_remove_old(struct replica_pair *pair, struct error *err);

/* Shows what is due by now (engine_advance); once a second is enough, and more often is free. */
void replica_pair_set_time(struct replica_pair *pair);

#endif
