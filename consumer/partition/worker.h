/* The worker: one thread that owns everything of one partition, its feed, seq rule, log and shard.
 * Workers share nothing.
 *
 *     recover      the newest checkpoint, and the log after it (replica.h)
 *     resume       where to continue, by the group's committed offset (resumer.h)
 *     rounds of
 *       read         messages from there
 *       take         a batch: decode, seq rule, checks, compaction, dead letters, marks of loads
 *                    (dump_registry.h), one frame, fsync, then the engine, under the write lock
 *                    (intake.h, replica.h)
 *       report       the durable offset to the feed, which commits it to the group (committer.h),
 *                    and to the dump registry
 *       rebuild      the same for a rebuilt replica, and the end of a rebuild (rebuilder.h)
 *       checkpoint   when the log has grown enough, or on request (checkpointer.h)
 *       replay       begins, is accepted or is taken back, on request (replay_request.h)
 *     finish       save, commit, and a last checkpoint when the whole process stops
 *
 * worker_phase.h draws the phases. A batch with nothing to apply (marks, duplicates) moves the
 * position in memory only: the next frame includes it, or a frame of its own once a second.
 *
 * Law L5: checkpoint <= applied <= durable in the log; committed <= durable.
 *
 * Threads of the program: main polls the group (assignment.h); one per partition (this); those of
 * the HTTP server, which read shards. The main thread starts, watches and stops a worker.
 */
#ifndef CONSUMER_PARTITION_WORKER_H
#define CONSUMER_PARTITION_WORKER_H

#include "common/files/files.h"
#include "consumer/dumps/dump_registry.h"
#include "consumer/partition/data_dir.h"
#include "consumer/partition/feed.h"
#include "consumer/partition/rendezvous.h"
#include "consumer/partition/replay_request.h"
#include "consumer/partition/shard.h"
#include "consumer/partition/stage_times.h"

struct worker;

/* All but the feed, which the worker takes over, must outlive it. `dumps` and `rendezvous` may be
 * NULL. */
struct worker_options {
    const struct config *config;
    const struct data_dir *data_dir;
    struct feed *feed;
    struct stage_times *times;
    struct dump_registry *dumps; /* receives the marks of loads */
    struct rendezvous *rendezvous;
    int32_t partition;
    /* 0: none. Else the index is that of this moment (as_of.h): time stands there, nothing becomes
     * a dead letter, and there is no last checkpoint. */
    int64_t as_of_us;
};

/* Starts the thread; the caller owns `*worker`. */
int worker_start(const struct worker_options *options, struct worker **worker, struct error *err);

/* How many times the worker has found out where reading begins: once, and again when a rebuilt
 * replica needs other messages next than the one it has replaced. If it is not 0, `*offset` is a
 * message's offset or KAFKA_OFFSET_BEGINNING. */
int64_t worker_ready(struct worker *worker, int64_t *offset);
/* Reading begins for the `number`-th time, at that offset. */
void worker_begin_reading(struct worker *worker, int64_t number);

/* As feed.h says. Any thread, as long as the worker lives. */
void worker_bounds(struct worker *worker, struct feed_bounds *bounds);

/* Has the index as of a moment come there? True without one. Any thread, as long as the worker
 * lives. */
bool worker_has_arrived(struct worker *worker);

/* The time of the thread's last heartbeat, on the monotonic clock. A worker that is alive has one
 * at least once a second, except inside a batch. Any thread. */
int64_t worker_heartbeat_us(const struct worker *worker);

/* Any thread, as long as the worker lives. */
struct shard *worker_shard(struct worker *worker);

/* Requests a checkpoint as soon as one may be taken. Returns the number of the request, from 1. Any
 * thread, as long as the worker lives; so may the next function. */
int64_t worker_request_checkpoint(struct worker *worker);
/* The outcome of that checkpoint or of a later one. False: it is not known yet. */
bool worker_checkpoint_answer(struct worker *worker, int64_t request,
                              struct shard_checkpoint *answer);

/* Asks for a replay, or something of one that is under way. Returns the number of the request, from
 * 1; 0: another one is not answered yet. Any thread, as long as the worker lives; so may the next
 * function. */
int64_t worker_request_replay(struct worker *worker, const struct replay_request *request);
/* The answer to that request. False: it is not known yet. */
bool worker_replay_answer(struct worker *worker, int64_t request, struct replay_answer *answer);

/* Another member may own the partition already: the worker finishes its batch, and reads, writes
 * and commits nothing more. Its shard answers queries until the worker is stopped. Once. */
void worker_lose(struct worker *worker);
/* Asks the worker to finish its batch and end. */
void worker_request_stop(struct worker *worker);
/* Waits for the thread and frees everything. Returns the error, if any, that has ended the thread:
 * such a worker has asked the whole process to stop (shutdown_request), and recovery decides. */
int worker_stop(struct worker *worker, struct error *err);

#endif
