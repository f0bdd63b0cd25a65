/* One copy of a partition: an engine, and the log and checkpoints that it is rebuilt from, with the
 * position behind them.
 *
 *     create      an empty engine
 *     open        the newest usable checkpoint is loaded, and the log behind it replayed; the
 *                 position is that of the last frame
 *     advance     behind a batch, whose events become a frame, are synced, and then applied
 *     checkpoint  the whole state in one file, written while the replica goes on; then the log
 *                 before the older of two goes
 *
 * Checkpoints stand in {log}/checkpoint, so that one rename moves both.
 *
 * A position without events waits in memory for the next frame, or for replica_save(): a crash
 * makes its messages be read again, with the same result.
 *
 * Order of positions (law L5): the log's beginning <= kept checkpoints <= applied <= durable in the
 * log.
 *
 * One thread, the worker's; the engine may be read by others through a shard.
 */
#ifndef CONSUMER_PARTITION_REPLICA_H
#define CONSUMER_PARTITION_REPLICA_H

#include "common/files/files.h"
#include "consumer/partition/batch.h"
#include "consumer/partition/position.h"
#include "consumer/partition/shard.h"
#include "consumer/partition/stage_times.h"
#include "consumer/partition/worker_control.h"

struct replica;

/* All but `directory` must outlive it. */
struct replica_options {
    const struct config *config;
    struct files *files;
    int32_t partition;
    const char *directory; /* of the log */
    /* Gets a heartbeat for each frame and each piece of a checkpoint. When it says stop,
     * replica_open() ends with ERR_RETRY. */
    struct worker_control *control;
    struct stage_times *times;
};

/* ERR_USAGE: the index configuration asks for what the engine cannot do. The caller owns
 * `*replica`. */
int replica_create(const struct replica_options *options, struct replica **replica,
                   struct error *err);
/* NULL is nothing to do. No shard may serve its engine any more. */
void replica_destroy(struct replica *replica);

/* From now on others read the engine through `shard`, under whose lock it is written. */
void replica_serve(struct replica *replica, struct shard *shard);

/* A log that it may begin from: the newest usable one of its checkpoints up to an offset is loaded.
 * For a replica without a log of its own yet. */
struct replica_seed {
    const char *directory; /* NULL: none */
    int64_t offset_max;
};

/* Locks the log and recovers. A checkpoint that is not usable is passed over with a word, and goes
 * when the rest has made up for it. */
int replica_open(struct replica *replica, const struct replica_seed *seed, struct error *err);

/* Moves behind the batch; when it has events, they are durable and applied on return. After an
 * error the replica is of no use: the process ends and recovery decides. */
int replica_advance(struct replica *replica, const struct batch *batch, struct error *err);

/* Goes on at `offset`, ahead of where it stands: what lies between is missing. Durable. */
int replica_skip(struct replica *replica, int64_t offset, struct error *err);

/* It is `now_s`: shows what is due (engine_advance). */
void replica_set_time(struct replica *replica, int64_t now_s);

/* Makes the position durable, if it is not. */
int replica_save(struct replica *replica, struct error *err);
/* Copies the state for a checkpoint, unless the newest one stands here already, and returns; the
 * position must be saved, and no checkpoint be on its way. After an error, here or in the next, all
 * is as good as before. */
int replica_checkpoint_begin(struct replica *replica, struct error *err);
/* Is what was begun durable, or has it failed? */
bool replica_checkpoint_is_done(const struct replica *replica);
/* Waits for that, and trims the log. Without one on its way nothing is to do. */
int replica_checkpoint_end(struct replica *replica, struct error *err);
/* The log has grown enough for one. */
bool replica_checkpoint_is_due(const struct replica *replica);
/* Of the newest one; -1: there is none. */
int64_t replica_checkpoint_offset(const struct replica *replica);
/* Since when a position waits to be durable, on the monotonic clock; -1: none does. */
int64_t replica_unsaved_us(const struct replica *replica);

const struct engine *replica_engine(const struct replica *replica);
const struct position *replica_position(const struct replica *replica);
/* Of the state that comes out of this log, when it is begun. */
void replica_set_replay(struct replica *replica, int64_t replay);
/* Of the next message; -1: nothing was read yet. */
int64_t replica_next_offset(const struct replica *replica);
/* The same of what is durable, and the position there. */
int64_t replica_durable_offset(const struct replica *replica);
const struct position *replica_durable_position(const struct replica *replica);
int64_t replica_wal_bytes(const struct replica *replica);

#endif
