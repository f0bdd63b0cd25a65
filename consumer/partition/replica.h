/* A replica: one copy of a partition. It is an engine, the log and checkpoints that the engine
 * recovers from, and the partition position.
 *
 *     create      an empty engine
 *     open        loads the newest usable checkpoint and replays the log after it; the position is
 *                 that of the last frame, and the record (unanswered.h) is the checkpoint's after
 *                 the changes of all frames
 *     advance     makes the events of a batch one frame, syncs it, and applies it to the engine
 *     checkpoint  copies the whole state to one file, which is written while the replica
 *                 advances; afterwards the log before the oldest kept checkpoint is removed
 *
 * The checkpoints are in {log}/checkpoint, so that one rename moves both.
 *
 * The fields of index_config may differ from those that a log or a checkpoint was written with
 * (recorded_config.h). Recovery replays each part of the log under its own configuration, and takes
 * existence and the unchanged fields over into the next one; the other fields begin empty and
 * incomplete (coverage_change). The next frame goes into a segment of the present configuration.
 * Until there is one, each start does the same again.
 *
 * A position without events waits in memory for the next frame, or for replica_save(): after a
 * crash its messages are read again, with the same result.
 *
 * Law L5: the beginning of the log <= kept checkpoints <= applied <= durable in the log
 * (position_order.h).
 *
 * One thread, the worker's; other threads may read the engine through a shard.
 */
#ifndef CONSUMER_PARTITION_REPLICA_H
#define CONSUMER_PARTITION_REPLICA_H

#include "consumer/partition/batch.h"
#include "consumer/partition/position.h"
#include "consumer/partition/replica_checkpoint.h"
#include "consumer/partition/replica_options.h"
#include "consumer/partition/replica_recovery.h"
#include "consumer/partition/shard.h"

/* ERR_USAGE: the index configuration asks for what the engine cannot do. The caller owns
 * `*replica`. */
int replica_create(const struct replica_options *options, struct replica **replica,
                   struct error *err);
/* Waits for a checkpoint that is being written. No shard may serve the engine any more. NULL is
 * allowed. */
void replica_destroy(struct replica *replica);

/* From now on other threads read the engine through `shard`, and it is written under the shard's
 * lock. */
void replica_serve(struct replica *replica, struct shard *shard);

/* The directory of the log has another name now. No checkpoint may be under way. */
void replica_rename(struct replica *replica, const char *directory);

/* Moves after the batch; its events are durable and applied on return. After an error the replica
 * must not be used: the process ends and recovery decides what was durable. */
int replica_advance(struct replica *replica, const struct batch *batch, struct error *err);

/* Moves to `offset`, which is after the next one: the messages between are skipped, which is a loss
 * (sequence_skip). Durable. */
int replica_skip(struct replica *replica, int64_t offset, struct error *err);

/* It is `now_s`: shows what is due (engine_advance). */
void replica_set_time(struct replica *replica, int64_t now_s);

/* Makes the position durable, if it is not. */
int replica_save(struct replica *replica, struct error *err);

/* When the position began to wait for a frame, on the monotonic clock; -1: it is durable. */
int64_t replica_unsaved_us(const struct replica *replica);

/* Of the comparisons with the source. */
const struct verdicts_summary *replica_verdicts(const struct replica *replica);
const struct engine *replica_engine(const struct replica *replica);
/* After the last batch, like the next. */
const struct position *replica_position(const struct replica *replica);
const struct unanswered *replica_record(const struct replica *replica);
/* After the last batch; of the epoch of the position. */
const struct proof *replica_proof(const struct replica *replica);
/* A read since `begin_us` of the monotonic clock has returned messages: as freshness_take_end().
 * Before the batches of these messages. */
void replica_take_end(struct replica *replica, int64_t first, int64_t high, int64_t begin_us);
/* Names the last reset that the replica has followed (resume.h). */
void replica_set_replay(struct replica *replica, int64_t replay);
/* The offset of the next message to read; -1: nothing was read yet. */
int64_t replica_next_offset(const struct replica *replica);
/* The offset and the position after the last frame. */
int64_t replica_durable_offset(const struct replica *replica);
const struct position *replica_durable_position(const struct replica *replica);
int64_t replica_wal_bytes(const struct replica *replica);

#endif
