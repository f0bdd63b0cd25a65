/* The replicas of one partition: the served one, which queries read, and during a rebuild a second
 * one, which is fed from the topic meanwhile.
 *
 *     no rebuild    {path}/wal        served and fed
 *     rebuild       {path}/wal.old    served, frozen
 *                   {path}/wal        rebuilt: fed
 *
 * A rebuild begins from a checkpoint of the old log, or from the topic's beginning. When the
 * rebuilt replica has read as much as the served one, or all that the topic has, it is served in
 * its place and the old log is removed. A restart continues an interrupted rebuild
 * (partition_dir.h).
 *
 * One thread, the worker's; other threads read the served engine through the shard.
 */
#ifndef CONSUMER_PARTITION_REPLICA_PAIR_H
#define CONSUMER_PARTITION_REPLICA_PAIR_H

#include "common/base/error.h"
#include "common/config/config.h"
#include "consumer/partition/feed.h"
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
    struct replica *served;
    struct replica *rebuilt;  /* NULL: no rebuild */
    struct replica_seed seed; /* of `rebuilt`, which is not open yet */
    int64_t now_s;            /* the time that the engines have */
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
/* Creates the rebuilt replica over the log that such a rebuild has left. */
int replica_pair_continue_rebuild(struct replica_pair *pair, struct error *err);
/* Sets the fed replica's log aside and creates a rebuilt replica with an empty log. A rebuild that
 * is under way is given up for it. `offset`: no checkpoint after that may be the beginning. */
int replica_pair_begin_rebuild(struct replica_pair *pair, int64_t offset, struct error *err);
/* Recovers the rebuilt replica. Loading a checkpoint may take long. */
int replica_pair_open_rebuilt(struct replica_pair *pair, struct error *err);
/* Writes what the rebuilt replica was begun from as a checkpoint of its own, and waits for it. */
int replica_pair_save_seed(struct replica_pair *pair, struct error *err);

/* The replica that is fed: the rebuilt one, else the served one. */
struct replica *replica_pair_fed(const struct replica_pair *pair);
bool replica_pair_is_rebuilding(const struct replica_pair *pair);

/* Has the rebuilt replica come as far as the served one, or as the topic? `is_idle`: the last read
 * found nothing. */
bool replica_pair_has_caught_up(const struct replica_pair *pair, const struct feed_bounds *bounds,
                                bool is_idle);
/* Serves the rebuilt replica in the place of the served one. */
int replica_pair_swap(struct replica_pair *pair, struct error *err);
/* After a swap: removes the old log. */
int replica_pair_remove_old(struct replica_pair *pair, struct error *err);

/* Shows what is due by now (engine_advance); once a second is enough, and more often is free. */
void replica_pair_set_time(struct replica_pair *pair);

#endif
