/* The worker: one thread that owns everything of one partition, its feed, seq rule, log and shard.
 * Workers share nothing.
 *
 *     recover    the newest checkpoint and the log behind it (replica.h)
 *     resume     what the group's committed offset says (intake/offsets.h): go on, skip, build anew
 *     read       messages from there
 *     batch      decode, seq rule, checks, compaction; its dead letters are acknowledged
 *     advance    one frame, fsync, then the engine, under the write lock (replica.h)
 *     durable    the feed is told, which commits the offset to the group now and then
 *     checkpoint when the log has grown enough, when asked for, and when the process is to stop
 *
 * A batch without anything to apply (marks, duplicates) moves the position in memory, and rides in
 * the next frame, or in one of its own once a second.
 *
 * Building anew: the old state is served, and stands still, while a second replica reads the topic
 * from a checkpoint before the reset, or its beginning; when that one has come as far, it takes the
 * old one's place. A restart goes on with both (intake/partition_dir.h).
 *
 * Order of positions (law L5): checkpoint <= applied <= durable in the log; committed <= durable.
 *
 * Threads of the program: main polls the group (assignment.h); one per partition (this); those of
 * the HTTP server, which read shards. A worker is started, watched and stopped by main.
 */
#ifndef CONSUMER_PARTITION_WORKER_H
#define CONSUMER_PARTITION_WORKER_H

#include "common/files/files.h"
#include "consumer/partition/data_dir.h"
#include "consumer/partition/feed.h"
#include "consumer/partition/shard.h"
#include "consumer/partition/stage_times.h"

struct worker;

/* All but the feed, which the worker takes over, must outlive it. */
struct worker_options {
    const struct config *config;
    const struct data_dir *data_dir;
    struct feed *feed;
    struct stage_times *times;
    int32_t partition;
};

/* Starts the thread; the caller owns `*worker`. */
int worker_start(const struct worker_options *options, struct worker **worker, struct error *err);

/* May reading begin? Then `*offset` is where: of a message, or KAFKA_OFFSET_BEGINNING. */
bool worker_ready(struct worker *worker, int64_t *offset);

/* As feed.h says. Any thread, as long as the worker lives. */
void worker_bounds(struct worker *worker, struct feed_bounds *bounds);

/* When the thread last came by, on the monotonic clock. A worker that is alive does so at least
 * once a second, except inside a batch. Any thread. */
int64_t worker_heartbeat_us(const struct worker *worker);

/* Any thread, as long as the worker lives. */
struct shard *worker_shard(struct worker *worker);

/* Asks for a checkpoint as soon as it may be taken. Returns the number of the request. Any thread,
 * as long as the worker lives, as the next one. */
int64_t worker_ask_checkpoint(struct worker *worker);
/* What became of it, or of a later one. False: that is not known yet. */
bool worker_checkpoint_answer(struct worker *worker, int64_t request,
                              struct shard_checkpoint *answer);

/* Another member may have the partition already: what is in hand is finished, and nothing more is
 * read, written or committed; the shard goes on answering until the worker is stopped. */
void worker_lose(struct worker *worker);
/* Asks it to finish what is in hand. */
void worker_ask_to_stop(struct worker *worker);
/* Waits for the thread and frees everything. Returns the error, if any, that has ended the thread:
 * such a worker has asked the whole process to stop (shutdown_request), and recovery decides. */
int worker_stop(struct worker *worker, struct error *err);

#endif
