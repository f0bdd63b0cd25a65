#include "consumer/partition/shard.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/base/rwlock.h"
#include "consumer/partition/incomplete.h"

/* How long a query lets the writer wait, if its steps are short. */
enum { TURN_US = 10 * US_PER_MS };

/* The first three locks are taken in this order. */
struct shard {
    pthread_rwlock_t serve_lock;  /* of `engine`: a query holds it to its end, pauses included */
    pthread_rwlock_t engine_lock; /* of the engine's contents: a query yields it in a pause */
    pthread_mutex_t watch_lock;   /* of the engine's list of watches */
    struct engine *engine;        /* NULL: nothing to serve yet */
    bool is_written;              /* under engine_lock: the worker holds it */
    atomic_bool writer_waits;
    pthread_mutex_t verdicts_lock;   /* of the list too; taken alone */
    const struct verdicts *verdicts; /* NULL: nothing to serve yet */
    pthread_mutex_t proof_lock;      /* of the proof; taken alone */
    struct proof proof;
    struct config_fields fields;
    pthread_mutex_t status_lock; /* of what follows */
    struct shard_status status;
    struct field_set complete; /* by this status; each query wants it, twice */
};

struct shard *
shard_create(const struct config_fields *fields)
{
    struct shard *shard = memory_zalloc(sizeof *shard);
    rwlock_init(&shard->serve_lock);
    rwlock_init(&shard->engine_lock);
    mutex_init(&shard->watch_lock);
    mutex_init(&shard->verdicts_lock);
    mutex_init(&shard->proof_lock);
    proof_init(&shard->proof);
    mutex_init(&shard->status_lock);
    shard->status.verdicts.oldest_clock_us = -1;
    shard->status.offset = -1;
    shard->status.durable_offset = -1;
    shard->status.rebuild_offset = -1;
    config_fields_init(&shard->fields, fields->index);
    sequence_init(&shard->status.sequence, fields);
    return shard;
}

void
shard_destroy(struct shard *shard)
{
    if (shard == NULL)
        return;
    CHECK(!shard->is_written);
    rwlock_destroy(&shard->serve_lock);
    rwlock_destroy(&shard->engine_lock);
    mutex_destroy(&shard->watch_lock);
    mutex_destroy(&shard->verdicts_lock);
    mutex_destroy(&shard->proof_lock);
    proof_free(&shard->proof);
    mutex_destroy(&shard->status_lock);
    config_fields_free(&shard->fields);
    free(shard);
}

const char *
shard_state_name(enum shard_state state)
{
    static const char *const names[SHARD_STATES] = {
        [SHARD_RECOVERING] = "recovering", [SHARD_RUNNING] = "running",
        [SHARD_REBUILDING] = "rebuilding", [SHARD_WAITING] = "waiting",
        [SHARD_STALLED] = "stalled",       [SHARD_FULL] = "full",
    };
    CHECK(state < SHARD_STATES);
    return names[state];
}

void
shard_serve(struct shard *shard, struct engine *engine)
{
    CHECK(engine != NULL);
    rwlock_lock_write(&shard->serve_lock);
    CHECK(shard->engine != engine);
    CHECK(!shard->is_written);
    shard->engine = engine;
    rwlock_unlock(&shard->serve_lock);
}

void
shard_write_begin(struct shard *shard)
{
    atomic_store(&shard->writer_waits, true);
    rwlock_lock_write(&shard->engine_lock);
    atomic_store(&shard->writer_waits, false);
    CHECK(!shard->is_written);
    shard->is_written = true;
}

void
shard_write_end(struct shard *shard)
{
    CHECK(shard->is_written);
    shard->is_written = false;
    rwlock_unlock(&shard->engine_lock);
}

void
shard_publish(struct shard *shard, const struct shard_status *status)
{
    CHECK(status->state < SHARD_STATES);
    CHECK(status->durable_offset <= status->offset);
    CHECK(sequence_is_consistent(&status->sequence));
    const struct field_set complete = shard_find_complete(status, &shard->fields);
    mutex_lock(&shard->status_lock);
    CHECK(status->counts.records >= shard->status.counts.records);
    CHECK(status->checkpoint.answered >= shard->status.checkpoint.answered);
    shard->status = *status;
    shard->complete = complete;
    mutex_unlock(&shard->status_lock);
}

void
shard_read_status(struct shard *shard, struct shard_status *status)
{
    mutex_lock(&shard->status_lock);
    *status = shard->status;
    mutex_unlock(&shard->status_lock);
}

enum shard_state
shard_read_complete(struct shard *shard, struct field_set *complete)
{
    mutex_lock(&shard->status_lock);
    enum shard_state state = shard->status.state;
    *complete = shard->complete;
    mutex_unlock(&shard->status_lock);
    CHECK(state != SHARD_RECOVERING || field_set_is_empty(complete));
    return state;
}

void
shard_publish_proof(struct shard *shard, const struct proof *proof)
{
    mutex_lock(&shard->proof_lock);
    CHECK((proof->epoch == 0) == (proof->freshness.clock_us == 0));
    proof_copy(&shard->proof, proof);
    mutex_unlock(&shard->proof_lock);
}

void
shard_read_proof(struct shard *shard, void (*read)(void *context, const struct proof *proof),
                 void *context)
{
    mutex_lock(&shard->proof_lock);
    read(context, &shard->proof);
    mutex_unlock(&shard->proof_lock);
}

/* --- verdicts -------------------------------------------------------------------------------- */

void
shard_serve_verdicts(struct shard *shard, const struct verdicts *verdicts)
{
    mutex_lock(&shard->verdicts_lock);
    shard->verdicts = verdicts;
    mutex_unlock(&shard->verdicts_lock);
}

void
shard_verdicts_begin(struct shard *shard)
{
    mutex_lock(&shard->verdicts_lock);
    CHECK(shard->verdicts != NULL);
}

void
shard_verdicts_end(struct shard *shard)
{
    CHECK(verdicts_are_consistent(shard->verdicts));
    mutex_unlock(&shard->verdicts_lock);
}

void
shard_read_verdicts(struct shard *shard,
                    void (*read)(void *context, const struct verdicts *verdicts), void *context)
{
    mutex_lock(&shard->verdicts_lock);
    if (shard->verdicts != NULL)
        read(context, shard->verdicts);
    mutex_unlock(&shard->verdicts_lock);
}

/* --- completeness ---------------------------------------------------------------------------- */

/* Do watermarks owe answers for longer than they may? By the clock of the source, so that a stopped
 * producer changes nothing: what it has not sent shows in the age of the last watermark. */
static bool
shard_owes_too_long(const struct shard_status *status)
{
    const struct sequence_watermark *watermark = &status->sequence.watermark;
    CHECK(watermark->owed >= 0);
    CHECK(status->owed_limit_us >= 0);
    return status->owed_limit_us > 0 && watermark->owed > 0 &&
           watermark->newest_us - watermark->owed_since_us > status->owed_limit_us;
}

/* Why nothing of the shard is complete; "" unless it is recovering or stalled, or answers are owed
 * for too long. */
static void
shard_describe_state(const struct shard_status *status, char *reason, size_t bytes)
{
    CHECK(bytes >= ERROR_MESSAGE_BYTES);
    CHECK(bytes >= INCOMPLETE_BYTES);
    reason[0] = '\0';
    if (status->state == SHARD_RECOVERING)
        snprintf(reason, bytes, "recovering");
    else if (status->state == SHARD_STALLED)
        snprintf(reason, bytes, "%s", status->error);
    else if (shard_owes_too_long(status))
        incomplete_describe_owed(&status->sequence, reason, bytes);
}

/* Of fields that the batch being applied makes incomplete: the sequence has the reason after it. */
static const char losing_reason[] = "the batch that is being applied proves a loss";

bool
shard_complete(const struct shard_status *status, const struct config_fields *fields, char *reason,
               size_t bytes)
{
    shard_describe_state(status, reason, bytes);
    if (reason[0] == '\0')
        incomplete_describe(&status->sequence, fields, reason, bytes);
    if (reason[0] == '\0' && !field_set_is_empty(&status->losing))
        snprintf(reason, bytes, "%s", losing_reason);
    return reason[0] == '\0';
}

bool
shard_field_complete(const struct shard_status *status, const struct config_fields *fields,
                     uint32_t number, char *reason, size_t bytes)
{
    shard_describe_state(status, reason, bytes);
    if (reason[0] == '\0')
        incomplete_describe_field(&status->sequence, fields, number, reason, bytes);
    if (reason[0] == '\0' && field_set_has(&status->losing, number))
        snprintf(reason, bytes, "%s", losing_reason);
    return reason[0] == '\0';
}

struct field_set
shard_find_complete(const struct shard_status *status, const struct config_fields *fields)
{
    static const struct field_set none;
    if (status->state == SHARD_RECOVERING || status->state == SHARD_STALLED ||
        shard_owes_too_long(status))
        return none;
    struct field_set complete = incomplete_find_complete(&status->sequence, fields);
    field_set_remove_all(&complete, &status->losing);
    return complete;
}

/* --- readers --------------------------------------------------------------------------------- */

static void
shard_read_begin(struct shard *shard)
{
    rwlock_lock_read(&shard->serve_lock);
    rwlock_lock_read(&shard->engine_lock);
    CHECK(shard->engine != NULL);
    CHECK(!shard->is_written);
}

static void
shard_read_end(struct shard *shard)
{
    rwlock_unlock(&shard->engine_lock);
    rwlock_unlock(&shard->serve_lock);
}

struct shard_turn {
    struct shard *shard;
    int64_t begin_us;
    int64_t until_us;
};

static void
shard_watch(struct shard *shard, void change(struct engine *, struct engine_watch *),
            struct engine_watch *watch)
{
    CHECK(shard->engine != NULL);
    mutex_lock(&shard->watch_lock);
    change(shard->engine, watch);
    mutex_unlock(&shard->watch_lock);
}

/* The writer that waits gets the engine, and this query continues after it. */
static void
shard_yield_to_writer(struct shard *shard, struct engine_watch *watch)
{
    shard_watch(shard, engine_watch_begin, watch);
    rwlock_unlock(&shard->engine_lock);
    rwlock_lock_read(&shard->engine_lock); /* the writer goes first */
    CHECK(!shard->is_written);
    shard_watch(shard, engine_watch_end, watch);
}

static int
shard_pause(void *context, struct engine_watch *watch, struct error *err)
{
    struct shard_turn *turn = context;
    int64_t now_us = clock_monotonic_us();
    if (now_us >= turn->until_us)
        return error_set(err, ERR_RETRY, "the query takes too long");
    if (watch == NULL || now_us - turn->begin_us < TURN_US ||
        !atomic_load(&turn->shard->writer_waits))
        return 0;
    shard_yield_to_writer(turn->shard, watch);
    turn->begin_us = clock_monotonic_us();
    return 0;
}

int
shard_query_read(struct shard *shard, const struct engine_query *query, int64_t until_us,
                 int (*read)(void *context, const struct engine *engine,
                             const struct engine_result *result, struct error *err),
                 void *context, struct engine_result *result, struct error *err)
{
    CHECK(query->pause == NULL);
    shard_read_begin(shard);
    struct shard_turn turn = {shard, clock_monotonic_us(), until_us};
    const struct engine_pause pause = {shard_pause, &turn};
    struct engine_query in_turns = *query;
    in_turns.pause = &pause;
    int rc = shard_pause(&turn, NULL, err);
    if (rc == 0)
        rc = engine_query(shard->engine, &in_turns, result, err);
    if (rc == 0 && read != NULL) {
        rc = read(context, shard->engine, result, err);
        if (rc != 0)
            engine_result_free(result);
    }
    shard_read_end(shard);
    return rc;
}

int
shard_query(struct shard *shard, const struct engine_query *query, int64_t until_us,
            struct engine_result *result, struct error *err)
{
    return shard_query_read(shard, query, until_us, NULL, NULL, result, err);
}

int
shard_read(struct shard *shard,
           int (*read)(void *context, const struct engine *engine, struct error *err),
           void *context, struct error *err)
{
    shard_read_begin(shard);
    int rc = read(context, shard->engine, err);
    shard_read_end(shard);
    return rc;
}

void
shard_entity_json(struct shard *shard, int64_t entity_id, struct buffer *out, bool *alive,
                  bool *visible)
{
    shard_read_begin(shard);
    engine_entity_json(shard->engine, entity_id, out, alive);
    *visible = engine_is_visible(shard->engine, entity_id);
    CHECK(*alive || !*visible);
    shard_read_end(shard);
}

void
shard_read_stats(struct shard *shard, struct engine_stats *stats)
{
    shard_read_begin(shard);
    engine_read_stats(shard->engine, stats);
    CHECK(stats->visible_slots <= stats->alive_slots);
    shard_read_end(shard);
}
