#include "consumer/replica.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "consumer/wal/wal.h"

struct replica {
    struct replica_options options;
    char *directory;
    struct engine *engine;
    struct shard *shard; /* that serves the engine; NULL: nobody reads it */
    struct wal *wal;
    struct position position; /* behind the last batch */
    struct position durable;  /* behind the last frame */
    struct buffer encoded;    /* the same as bytes */
    int64_t unsaved_from;     /* first offset that no frame covers; -1: none */
    int64_t unsaved_us;       /* since when */
    int64_t next_offset;      /* one behind the last batch; -1: nothing was read yet */
    int64_t applied_offset;   /* one behind what the engine holds */
    /* While the log is replayed: */
    struct event_codec *codec;
    struct arena arena;
    bool (*replayed)(void *context);
    void *context;
};

int
replica_create(const struct replica_options *options, struct replica **replica, struct error *err)
{
    const struct engine_options engine_options = {
        .index = &options->config->index_config,
        .partition = options->partition,
        .partitions = options->config->topic.partitions,
        .max_slots = options->config->topic.max_slots,
    };
    struct engine *engine;
    int rc = engine_create(&engine_options, &engine, err);
    if (rc != 0)
        return rc;
    struct replica *made = memory_zalloc(sizeof *made);
    made->options = *options;
    made->directory = memory_strdup(options->directory);
    made->engine = engine;
    made->unsaved_from = -1;
    made->next_offset = -1;
    made->applied_offset = -1;
    position_init(&made->position);
    if (!options->config->kafka.present)
        sequence_init_alone(&made->position.sequence);
    buffer_init(&made->encoded);
    arena_init(&made->arena);
    *replica = made;
    return 0;
}

void
replica_destroy(struct replica *replica)
{
    if (replica == NULL)
        return;
    wal_close(replica->wal);
    engine_destroy(replica->engine);
    arena_free(&replica->arena);
    buffer_free(&replica->encoded);
    free(replica->directory);
    free(replica);
}

void
replica_serve(struct replica *replica, struct shard *shard)
{
    replica->shard = shard;
    shard_serve(shard, replica->engine);
}

static struct engine *
replica_write_begin(struct replica *replica)
{
    if (replica->shard != NULL)
        shard_write_begin(replica->shard);
    return replica->engine;
}

static void
replica_write_end(struct replica *replica)
{
    if (replica->shard != NULL)
        shard_write_end(replica->shard);
}

/* --- recovery -------------------------------------------------------------------------------- */

static int
replica_replay(void *context, const struct wal_frame *frame, struct error *err)
{
    struct replica *replica = context;
    if (!replica->replayed(replica->context))
        return error_set(err, ERR_RETRY, "asked to stop");
    int rc = position_decode(frame->position, frame->position_bytes, &replica->position, err);
    if (rc != 0)
        return error_set(err, ERR_FATAL, "frame at offset %" PRId64 ": %s", frame->first_offset,
                         err->message);
    const struct batch_context context_of_batch = {
        .config = replica->options.config,
        .partition = replica->options.partition,
        .engine = replica->engine,
        .codec = replica->codec,
    };
    const struct text payload = {frame->payload, frame->payload_bytes};
    struct engine *engine = replica_write_begin(replica);
    rc = batch_replay(&context_of_batch, engine, payload, &replica->arena, err);
    replica_write_end(replica);
    return rc != 0 ? error_wrap(err, "frame at offset %" PRId64, frame->first_offset) : 0;
}

static int
replica_open_wal(struct replica *replica, struct error *err)
{
    const struct config_consumer *config = &replica->options.config->consumer;
    struct buffer identity;
    buffer_init(&identity);
    config_partition_identity(replica->options.config, replica->options.partition, &identity);
    const struct wal_options options = {
        .directory = replica->directory,
        .identity = buffer_string(&identity),
        .segment_bytes = config->wal_segment_bytes,
        .frame_bytes = (int64_t)batch_payload_bytes_max(config),
    };
    int rc =
        wal_open(replica->options.files, &options, replica_replay, replica, &replica->wal, err);
    buffer_free(&identity);
    return rc;
}

int
replica_open(struct replica *replica, bool (*replayed)(void *context), void *context,
             struct error *err)
{
    int64_t begin_us = clock_monotonic_us();
    replica->replayed = replayed;
    replica->context = context;
    int rc = event_codec_create(&replica->codec, err);
    if (rc != 0)
        return rc;
    rc = replica_open_wal(replica, err);
    event_codec_destroy(replica->codec);
    if (rc != 0)
        return rc;
    replica->next_offset = wal_durable_offset(replica->wal);
    replica->applied_offset = replica->next_offset;
    replica->durable = replica->position;
    log_info("replica", "%s: recovered %" PRId64 " bytes in %.1f s; next offset %" PRId64,
             replica->directory, wal_bytes(replica->wal),
             (double)(clock_monotonic_us() - begin_us) / 1e6, replica->next_offset);
    return 0;
}

/* --- going on -------------------------------------------------------------------------------- */

static void
replica_time(struct replica *replica, enum stage stage, int64_t *since_us)
{
    int64_t now_us = clock_monotonic_us();
    metrics_observe_us(&replica->options.times->stages[stage], now_us - *since_us);
    *since_us = now_us;
}

/* Makes the position, and `payload` with it, durable as one frame. */
static int
replica_write(struct replica *replica, struct text payload, struct error *err)
{
    int64_t since_us = clock_monotonic_us();
    buffer_clear(&replica->encoded);
    position_encode(&replica->position, &replica->encoded);
    const struct wal_frame frame = {
        .first_offset = replica->unsaved_from,
        .next_offset = replica->next_offset,
        .position = replica->encoded.data,
        .position_bytes = replica->encoded.bytes,
        .payload = payload.data,
        .payload_bytes = payload.bytes,
    };
    int rc = wal_append(replica->wal, &frame, err);
    if (rc != 0)
        return rc;
    replica_time(replica, STAGE_WRITE, &since_us);
    rc = wal_sync(replica->wal, err);
    if (rc != 0)
        return rc;
    replica_time(replica, STAGE_SYNC, &since_us);
    CHECK(wal_durable_offset(replica->wal) == replica->next_offset);
    replica->durable = replica->position;
    replica->unsaved_from = -1;
    return 0;
}

int
replica_advance(struct replica *replica, const struct batch *batch, struct error *err)
{
    CHECK(batch->first_offset >= replica->next_offset);
    replica->position.sequence = batch->sequence;
    replica->next_offset = batch->next_offset;
    if (replica->unsaved_from < 0) {
        replica->unsaved_from = batch->first_offset;
        replica->unsaved_us = clock_monotonic_us();
    }
    if (batch->event_count == 0)
        return 0;
    const struct text payload = {(const char *)batch->payload.data, batch->payload.bytes};
    int rc = replica_write(replica, payload, err);
    if (rc != 0)
        return rc;
    CHECK(replica->next_offset <= wal_durable_offset(replica->wal));
    int64_t since_us = clock_monotonic_us();
    struct engine *engine = replica_write_begin(replica);
    batch_apply(batch, engine);
    replica_write_end(replica);
    replica_time(replica, STAGE_APPLY, &since_us);
    replica->applied_offset = replica->next_offset;
    return 0;
}

void
replica_tell_time(struct replica *replica, int64_t now_s)
{
    if (replica->options.config->index_config.visible_from == NULL)
        return;
    struct engine *engine = replica_write_begin(replica);
    engine_advance(engine, now_s);
    replica_write_end(replica);
}

int
replica_save(struct replica *replica, struct error *err)
{
    if (replica->unsaved_from < 0)
        return 0;
    int rc = replica_write(replica, (struct text){NULL, 0}, err);
    if (rc == 0)
        replica->applied_offset = replica->next_offset;
    return rc;
}

int
replica_skip(struct replica *replica, int64_t offset, struct error *err)
{
    CHECK(offset > replica->next_offset && replica->unsaved_from < 0);
    replica->unsaved_from = replica->next_offset;
    replica->next_offset = offset;
    return replica_save(replica, err);
}

int64_t
replica_unsaved_us(const struct replica *replica)
{
    return replica->unsaved_from < 0 ? -1 : replica->unsaved_us;
}

const struct engine *
replica_engine(const struct replica *replica)
{
    return replica->engine;
}

const struct position *
replica_position(const struct replica *replica)
{
    return &replica->position;
}

void
replica_set_replay(struct replica *replica, int64_t replay)
{
    replica->position.replay = replay;
    replica->durable.replay = replay;
}

int64_t
replica_next_offset(const struct replica *replica)
{
    return replica->next_offset;
}

int64_t
replica_durable_offset(const struct replica *replica)
{
    CHECK(replica->applied_offset <= wal_durable_offset(replica->wal));
    return wal_durable_offset(replica->wal);
}

int64_t
replica_wal_bytes(const struct replica *replica)
{
    return wal_bytes(replica->wal);
}

const struct position *
replica_durable_position(const struct replica *replica)
{
    return &replica->durable;
}
