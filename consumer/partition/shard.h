/* One partition's share of the index: its engine behind a readers-writer lock, and what people may
 * know about it.
 *
 * The partition's worker is the only writer and applies whole batches, so readers see whole
 * batches. A waiting writer goes before new readers, and a query that takes long lets it in between
 * two steps (engine_pause): queries cannot starve ingestion. The status is a copy under a lock of
 * its own, which nobody holds for long.
 *
 * Any thread, except where the worker is named.
 */
#ifndef CONSUMER_PARTITION_SHARD_H
#define CONSUMER_PARTITION_SHARD_H

#include "common/config/config.h"
#include "consumer/engine/engine.h"
#include "consumer/partition/batch.h"
#include "consumer/partition/sequence.h"

struct shard;

enum shard_state {
    SHARD_RECOVERING, /* reading its WAL: not served yet */
    SHARD_RUNNING,
    SHARD_REBUILDING, /* answers from the old state, until the new one has come as far */
    SHARD_WAITING,    /* for what `trouble` names; goes on by itself */
    SHARD_STALLED,    /* something is missing; for an operator: `trouble` names the way out */
    SHARD_FULL,       /* the log may not grow; for an operator as well, but nothing is missing */
};

/* What became of the checkpoints that people have asked for. */
struct shard_checkpoint {
    int64_t answered; /* the number of the last request (worker.h) that this is of */
    int64_t offset;   /* where it stands; -1: nothing was read yet */
    int64_t pause_us; /* how long reading stood still */
    char trouble[ERROR_MESSAGE_BYTES]; /* why there is none; "" */
};

struct shard_status {
    enum shard_state state;
    char trouble[ERROR_MESSAGE_BYTES]; /* "" when there is none */
    struct sequence sequence;          /* of the state that is served, as are the offsets */
    int64_t offset;                    /* of the next message; -1: not known yet */
    int64_t durable_offset;            /* one behind the last message in the WAL; -1: it is empty */
    int64_t rebuild_offset; /* of the next message of the state that is being built; -1: none */
    int64_t wal_bytes;
    struct batch_counts counts; /* since this process owns the partition */
    uint64_t letters;
    struct shard_checkpoint checkpoint;
};

/* With nothing to serve yet. */
struct shard *shard_create(void);
void shard_destroy(struct shard *shard);

/* "recovering", "running", ... */
const char *shard_state_name(enum shard_state state);

/* The worker: from now on readers read this engine, which stays the worker's; when it returns,
 * nobody reads the one before. */
void shard_serve(struct shard *shard, struct engine *engine);
/* The worker. Between begin and end nobody reads the engine. */
void shard_write_begin(struct shard *shard);
void shard_write_end(struct shard *shard);
void shard_publish(struct shard *shard, const struct shard_status *status);

void shard_read_status(struct shard *shard, struct shard_status *status);

/* Is everything that counts here: recovered, and complete by the seq rule? Else `reason` says what
 * is wrong; `bytes` >= ERROR_MESSAGE_BYTES. */
bool shard_complete(const struct shard_status *status, char *reason, size_t bytes);

/* As engine.h says; the query asks nobody else. ERR_RETRY: the monotonic clock is at `until_us`. */
int shard_query(struct shard *shard, const struct engine_query *query, int64_t until_us,
                struct engine_result *result, struct error *err);
void shard_entity_json(struct shard *shard, int64_t entity_id, struct buffer *out, bool *alive,
                       bool *visible);
void shard_read_stats(struct shard *shard, struct engine_stats *stats);

#endif
