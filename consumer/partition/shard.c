#include "consumer/partition/shard.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/base/rwlock.h"

enum {
    TURN_US = 10 * 1000
}; /* how long a query keeps the writer waiting, if its steps are short */

/* Locks are taken in this order. */
struct shard {
    pthread_rwlock_t serve_lock;  /* which engine it is: for a whole query, its pauses included */
    pthread_rwlock_t engine_lock; /* what is in it */
    pthread_mutex_t watch_lock;   /* who watches it */
    struct engine *engine;        /* NULL: nothing to serve yet */
    atomic_bool writer_waits;
    pthread_mutex_t status_lock;
    struct shard_status status;
};

struct shard *
shard_create(void)
{
    struct shard *shard = memory_zalloc(sizeof *shard);
    rwlock_init(&shard->serve_lock);
    rwlock_init(&shard->engine_lock);
    mutex_init(&shard->watch_lock);
    mutex_init(&shard->status_lock);
    shard->status.offset = -1;
    shard->status.durable_offset = -1;
    shard->status.rebuild_offset = -1;
    sequence_init(&shard->status.sequence);
    return shard;
}

void
shard_destroy(struct shard *shard)
{
    if (shard == NULL)
        return;
    rwlock_destroy(&shard->serve_lock);
    rwlock_destroy(&shard->engine_lock);
    mutex_destroy(&shard->watch_lock);
    mutex_destroy(&shard->status_lock);
    free(shard);
}

const char *
shard_state_name(enum shard_state state)
{
    static const char *const names[] = {
        [SHARD_RECOVERING] = "recovering", [SHARD_RUNNING] = "running",
        [SHARD_REBUILDING] = "rebuilding", [SHARD_WAITING] = "waiting",
        [SHARD_STALLED] = "stalled",       [SHARD_FULL] = "full",
    };
    return names[state];
}

void
shard_serve(struct shard *shard, struct engine *engine)
{
    rwlock_lock_write(&shard->serve_lock);
    shard->engine = engine;
    rwlock_unlock(&shard->serve_lock);
}

void
shard_write_begin(struct shard *shard)
{
    atomic_store(&shard->writer_waits, true);
    rwlock_lock_write(&shard->engine_lock);
    atomic_store(&shard->writer_waits, false);
}

void
shard_write_end(struct shard *shard)
{
    rwlock_unlock(&shard->engine_lock);
}

void
shard_publish(struct shard *shard, const struct shard_status *status)
{
    mutex_lock(&shard->status_lock);
    shard->status = *status;
    mutex_unlock(&shard->status_lock);
}

void
shard_read_status(struct shard *shard, struct shard_status *status)
{
    mutex_lock(&shard->status_lock);
    *status = shard->status;
    mutex_unlock(&shard->status_lock);
}

bool
shard_complete(const struct shard_status *status, char *reason, size_t bytes)
{
    if (status->state == SHARD_RECOVERING)
        snprintf(reason, bytes, "recovering");
    else if (status->state == SHARD_STALLED)
        snprintf(reason, bytes, "%s", status->trouble);
    else
        sequence_describe(&status->sequence, reason, bytes);
    return reason[0] == '\0';
}

/* --- readers --------------------------------------------------------------------------------- */

static void
shard_read_begin(struct shard *shard)
{
    rwlock_lock_read(&shard->serve_lock);
    rwlock_lock_read(&shard->engine_lock);
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
    mutex_lock(&shard->watch_lock);
    change(shard->engine, watch);
    mutex_unlock(&shard->watch_lock);
}

static void
shard_let_writer_in(struct shard *shard, struct engine_watch *watch)
{
    shard_watch(shard, engine_watch_begin, watch);
    rwlock_unlock(&shard->engine_lock);
    rwlock_lock_read(&shard->engine_lock); /* behind the writer that waits */
    shard_watch(shard, engine_watch_end, watch);
}

static int
shard_ask(void *context, struct engine_watch *watch, struct error *err)
{
    struct shard_turn *turn = context;
    int64_t now_us = clock_monotonic_us();
    if (now_us >= turn->until_us)
        return error_set(err, ERR_RETRY, "the query takes too long");
    if (watch == NULL || now_us - turn->begin_us < TURN_US ||
        !atomic_load(&turn->shard->writer_waits))
        return 0;
    shard_let_writer_in(turn->shard, watch);
    turn->begin_us = clock_monotonic_us();
    return 0;
}

int
shard_query(struct shard *shard, const struct engine_query *query, int64_t until_us,
            struct engine_result *result, struct error *err)
{
    shard_read_begin(shard);
    struct shard_turn turn = {shard, clock_monotonic_us(), until_us};
    const struct engine_pause pause = {shard_ask, &turn};
    struct engine_query in_turns = *query;
    in_turns.pause = &pause;
    int rc = shard_ask(&turn, NULL, err);
    if (rc == 0)
        rc = engine_query(shard->engine, &in_turns, result, err);
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
    shard_read_end(shard);
}

void
shard_read_stats(struct shard *shard, struct engine_stats *stats)
{
    shard_read_begin(shard);
    engine_read_stats(shard->engine, stats);
    shard_read_end(shard);
}
