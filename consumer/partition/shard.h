/* The shard: one partition's part of the index. It is the engine under a readers-writer lock, and
 * the partition's published status.
 *
 * The partition's worker is the only writer. It applies whole batches, so queries see whole
 * batches. A waiting writer goes before new readers, and a long query yields to it between two
 * steps (engine_pause): queries cannot starve ingestion. The status is a copy under a lock of its
 * own, which is held for as long as copying takes.
 *
 * Any thread, except where the worker is named.
 */
#ifndef CONSUMER_PARTITION_SHARD_H
#define CONSUMER_PARTITION_SHARD_H

#include "common/base/error.h"
#include "common/config/config_fields.h"
#include "consumer/engine/engine.h"
#include "consumer/partition/batch.h"
#include "consumer/partition/proof.h"
#include "consumer/partition/sequence.h"
#include "consumer/partition/verdicts.h"

struct shard;

enum shard_state {
    SHARD_RECOVERING, /* replays its log; no query is answered yet */
    SHARD_RUNNING,
    SHARD_REBUILDING, /* answers from the served replica while another one is rebuilt */
    SHARD_WAITING,    /* for what `error` names; continues by itself */
    SHARD_STALLED,    /* events are missing; an operator must do what `error` names */
    SHARD_FULL,       /* the log may not grow; the same, but no events are missing */
    SHARD_STATES
};

/* The outcome of the last requested checkpoints. */
struct shard_checkpoint {
    int64_t answered;                /* the number of the last request (worker.h) it answers */
    int64_t offset;                  /* of the newest checkpoint; -1: there is no checkpoint */
    int64_t pause_us;                /* how long reading was paused */
    char error[ERROR_MESSAGE_BYTES]; /* why it was not taken; "": it was */
};

enum { SHARD_REPLAY_BYTES = 1280 };

struct shard_status {
    enum shard_state state;
    char error[ERROR_MESSAGE_BYTES]; /* "": no error */
    struct sequence sequence;        /* of the served replica, as are the next two */
    struct field_set losing;         /* fields that the batch being applied makes incomplete */
    int64_t offset;                  /* of the next message; -1: nothing was read yet */
    int64_t durable_offset;          /* after the last frame; -1: the log is empty */
    int64_t rebuild_offset;          /* of the rebuilt replica's next message; -1: no rebuild */
    char replay
        [SHARD_REPLAY_BYTES]; /* why the last replay does not continue, or ended; "": it does */
    int64_t wal_bytes;
    struct batch_counts counts; /* of this ownership */
    uint64_t dead_letters;      /* of this ownership */
    int64_t open_letters;       /* of the served replica (unanswered.h) */
    int64_t owed_limit_us;      /* consumer.owed_incomplete_s; 0: none */
    struct verdicts_summary verdicts;
    struct shard_checkpoint checkpoint;
};

/* Serves nothing yet. `fields`: of the index, as in all functions below. NULL may be destroyed. */
struct shard *shard_create(const struct config_fields *fields);
void shard_destroy(struct shard *shard);

/* "recovering", "running", ... */
const char *shard_state_name(enum shard_state state);

/* The worker: queries read this engine from now on. The worker still owns it. When the function
 * returns, no thread reads the previous engine. */
void shard_serve(struct shard *shard, struct engine *engine);
/* The worker: between begin and end no other thread reads the engine. */
void shard_write_begin(struct shard *shard);
void shard_write_end(struct shard *shard);
void shard_publish(struct shard *shard, const struct shard_status *status);
/* The worker: the proof of what the engine holds, after it was applied. */
void shard_publish_proof(struct shard *shard, const struct proof *proof);
/* The worker: verdicts are read from this list from now on. The worker still owns it, and changes
 * it between begin and end. The list must outlive the shard, or be replaced. */
void shard_serve_verdicts(struct shard *shard, const struct verdicts *verdicts);
void shard_verdicts_begin(struct shard *shard);
void shard_verdicts_end(struct shard *shard);

void shard_read_status(struct shard *shard, struct shard_status *status);
/* Calls `read`, which takes no long time, with the proof. An answer that is made of the engine
 * afterwards holds the snapshot. */
void shard_read_proof(struct shard *shard, void (*read)(void *context, const struct proof *proof),
                      void *context);

/* Is the shard recovered, not stalled, not owed answers for too long (consumer.owed_incomplete_s),
 * and complete in existence and all fields (coverage.h)? If not, `reason` says why, and what to do;
 * else it is "". `bytes` >= ERROR_MESSAGE_BYTES. */
bool shard_complete(const struct shard_status *status, const struct config_fields *fields,
                    char *reason, size_t bytes);
/* The same of one field, FIELD_ALIVE or a computed field too. */
bool shard_field_complete(const struct shard_status *status, const struct config_fields *fields,
                          uint32_t number, char *reason, size_t bytes);
/* All fields that are complete so, and stay it through the batch that is being applied. An answer
 * that is made of the engine is complete in the fields that are complete before and after it. */
struct field_set shard_find_complete(const struct shard_status *status,
                                     const struct config_fields *fields);
/* The same of the status that was published last, without a copy of it; returns its state. */
enum shard_state shard_read_complete(struct shard *shard, struct field_set *complete);

/* As the functions of engine.h. The query's `pause` is NULL; the shard sets its own. ERR_RETRY: the
 * query did not end before `until_us` of the monotonic clock. */
int shard_query(struct shard *shard, const struct engine_query *query, int64_t until_us,
                struct engine_result *result, struct error *err);
/* As shard_query(). If the query succeeds, calls `read` with its result while the engine is still
 * as it was for that result; an error of `read` is the function's, and there is no result then. */
int shard_query_read(struct shard *shard, const struct engine_query *query, int64_t until_us,
                     int (*read)(void *context, const struct engine *engine,
                                 const struct engine_result *result, struct error *err),
                     void *context, struct engine_result *result, struct error *err);
/* Calls `read`, which takes no long time, with the engine, which does not change meanwhile. */
int shard_read(struct shard *shard,
               int (*read)(void *context, const struct engine *engine, struct error *err),
               void *context, struct error *err);
void shard_entity_json(struct shard *shard, int64_t entity_id, struct buffer *out, bool *alive,
                       bool *visible);
void shard_read_stats(struct shard *shard, struct engine_stats *stats);
/* Calls `read` with the verdicts, which the worker does not change meanwhile; not at all while
 * nothing is served yet. */
void shard_read_verdicts(struct shard *shard,
                         void (*read)(void *context, const struct verdicts *verdicts),
                         void *context);

#endif
