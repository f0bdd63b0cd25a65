#include "consumer/shard.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "consumer/writer_first.h"

struct shard {
    pthread_rwlock_t engine_lock;
    const struct engine *engine; /* NULL: nothing to serve yet */
    pthread_mutex_t status_lock;
    struct shard_status status;
};

struct shard *
shard_create(void)
{
    struct shard *shard = memory_zalloc(sizeof *shard);
    writer_first_init(&shard->engine_lock);
    CHECK(pthread_mutex_init(&shard->status_lock, NULL) == 0);
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
    pthread_rwlock_destroy(&shard->engine_lock);
    pthread_mutex_destroy(&shard->status_lock);
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
shard_serve(struct shard *shard, const struct engine *engine)
{
    shard_write_begin(shard);
    shard->engine = engine;
    shard_write_end(shard);
}

void
shard_write_begin(struct shard *shard)
{
    writer_first_write(&shard->engine_lock);
}

void
shard_write_end(struct shard *shard)
{
    writer_first_release(&shard->engine_lock);
}

void
shard_publish(struct shard *shard, const struct shard_status *status)
{
    CHECK(pthread_mutex_lock(&shard->status_lock) == 0);
    shard->status = *status;
    CHECK(pthread_mutex_unlock(&shard->status_lock) == 0);
}

void
shard_read_status(struct shard *shard, struct shard_status *status)
{
    CHECK(pthread_mutex_lock(&shard->status_lock) == 0);
    *status = shard->status;
    CHECK(pthread_mutex_unlock(&shard->status_lock) == 0);
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

int
shard_query(struct shard *shard, const struct engine_query *query, struct engine_result *result,
            struct error *err)
{
    writer_first_read(&shard->engine_lock);
    int rc = engine_query(shard->engine, query, result, err);
    writer_first_release(&shard->engine_lock);
    return rc;
}

void
shard_entity_json(struct shard *shard, int64_t entity_id, struct buffer *out, bool *alive,
                  bool *visible)
{
    writer_first_read(&shard->engine_lock);
    engine_entity_json(shard->engine, entity_id, out, alive);
    *visible = engine_is_visible(shard->engine, entity_id);
    writer_first_release(&shard->engine_lock);
}

void
shard_read_stats(struct shard *shard, struct engine_stats *stats)
{
    writer_first_read(&shard->engine_lock);
    engine_read_stats(shard->engine, stats);
    writer_first_release(&shard->engine_lock);
}
