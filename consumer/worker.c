/* Happy path: see worker.h.
 *
 * Failure: a WAL that cannot be opened, written or synced ends the process, and recovery decides
 * (worker_stop). All else is waited for in sight of people: an unknown schema, dead letters that
 * nobody acknowledges, a broker that is away. An offset that the topic does not have any more
 * stalls the partition until somebody decides.
 */
#include "consumer/worker.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/cli/stop.h"
#include "consumer/intake/dead_letters.h"
#include "consumer/intake/position.h"
#include "consumer/wal/wal.h"

enum {
    WAIT_MS = 100,
    RETRY_MS = 20,
    LONG_WAIT_US = 2 * 1000 * 1000, /* a wait that people are told of */
    QUIET_SAVE_US = 1000 * 1000,    /* how long a position without data may wait for a frame */
    METADATA_BYTES = 128,
};

static const char *const area = "worker";

struct worker {
    struct worker_options options;
    pthread_t thread;
    struct shard *shard;
    struct kafka_partition *partition;
    struct event_codec *codec;
    struct wal *wal;
    struct dead_letters *dead_letters;
    char *directory;

    /* Of the thread. */
    struct kafka_batch *read;
    struct batch batch;
    struct arena replay_arena;
    struct buffer position;
    struct sequence sequence;      /* behind the last batch */
    int64_t unsaved_from;          /* first offset that no frame covers; -1: none */
    int64_t next_offset;           /* one behind the last batch; -1: nothing was read yet */
    int64_t applied_offset;        /* one behind what the engine holds */
    int64_t saved_us;              /* when the last frame was written */
    int64_t committed_offset;      /* as this worker last asked for */
    int64_t committed_us;          /* when it did */
    char metadata[METADATA_BYTES]; /* of a commit: whose state it is, and how far it is durable */
    struct shard_status status;    /* as published */

    /* Between threads. */
    atomic_bool stopping;
    atomic_bool lost;
    atomic_bool recovered;
    atomic_llong heartbeat_us;
    struct error failure; /* read when the thread has ended */
};

static void
worker_beat(struct worker *worker)
{
    atomic_store(&worker->heartbeat_us, clock_monotonic_us());
}

static bool
worker_stopping(const struct worker *worker)
{
    return atomic_load(&worker->stopping);
}

static void
worker_publish(struct worker *worker)
{
    struct shard_status *status = &worker->status;
    status->sequence = worker->sequence;
    status->offset = worker->next_offset;
    if (worker->wal != NULL) {
        status->durable_offset = wal_durable_offset(worker->wal);
        status->wal_bytes = wal_bytes(worker->wal);
    }
    shard_publish(worker->shard, status);
}

/* Changes the state in sight of people; said once in the log. */
static void
worker_set_state(struct worker *worker, enum shard_state state, const char *trouble)
{
    struct shard_status *status = &worker->status;
    if (status->state == state && strcmp(status->trouble, trouble) == 0)
        return;
    enum log_level level =
        state == SHARD_RUNNING || state == SHARD_RECOVERING ? LOG_INFO : LOG_WARN;
    log_write(level, area, "partition %d: %s%s%s", worker->options.partition,
              shard_state_name(state), trouble[0] != '\0' ? ": " : "", trouble);
    status->state = state;
    snprintf(status->trouble, sizeof status->trouble, "%s", trouble);
    worker_publish(worker);
}

static void
worker_note_durable(struct worker *worker)
{
    snprintf(worker->metadata, sizeof worker->metadata, "bitdex1 %s %" PRId64 ".%" PRId64,
             worker->options.data_dir->id, worker->sequence.epoch, worker->sequence.seq);
}

static struct batch_context
worker_batch_context(const struct worker *worker)
{
    return (struct batch_context){
        .config = worker->options.config,
        .partition = worker->options.partition,
        .engine = shard_engine(worker->shard),
        .codec = worker->codec,
    };
}

/* --- recovery -------------------------------------------------------------------------------- */

static int
worker_replay(void *context, const struct wal_frame *frame, struct error *err)
{
    struct worker *worker = context;
    worker_beat(worker);
    if (worker_stopping(worker))
        return error_set(err, ERR_RETRY, "asked to stop");
    int rc = position_decode(frame->position, frame->position_bytes, &worker->sequence, err);
    if (rc != 0)
        return error_set(err, ERR_FATAL, "frame at offset %" PRId64 ": %s", frame->first_offset,
                         err->message);
    const struct batch_context batch = worker_batch_context(worker);
    const struct text payload = {frame->payload, frame->payload_bytes};
    struct engine *engine = shard_write_begin(worker->shard);
    rc = batch_replay(&batch, engine, payload, &worker->replay_arena, err);
    shard_write_end(worker->shard);
    return rc != 0 ? error_wrap(err, "frame at offset %" PRId64, frame->first_offset) : 0;
}

/* What the log belongs to: another index or topic, or another configuration of the same, must not
 * go on with it. */
static void
worker_write_identity(const struct worker *worker, struct buffer *out)
{
    const struct config *config = worker->options.config;
    buffer_append_format(out, "format: 1\nindex: %s\ntopic: %s\npartition: %d of %d\n",
                         config->index, config->topic.name, worker->options.partition,
                         config->topic.partitions);
    config_index_identity(&config->index_config, out);
}

static int
worker_open_wal(struct worker *worker, struct error *err)
{
    const struct config_consumer *config = &worker->options.config->consumer;
    struct buffer identity;
    buffer_init(&identity);
    worker_write_identity(worker, &identity);
    char *directory = memory_format("%s/wal", worker->directory);
    const struct wal_options options = {
        .directory = directory,
        .identity = buffer_string(&identity),
        .segment_bytes = config->wal_segment_bytes,
        .frame_bytes = (int64_t)batch_payload_bytes_max(config),
    };
    int rc = wal_open(worker->options.data_dir->files, &options, worker_replay, worker,
                      &worker->wal, err);
    free(directory);
    buffer_free(&identity);
    return rc;
}

static int
worker_recover(struct worker *worker, struct error *err)
{
    int64_t begin_us = clock_monotonic_us();
    worker_set_state(worker, SHARD_RECOVERING, "");
    int rc = event_codec_create(&worker->codec, err);
    if (rc != 0)
        return rc;
    rc = worker_open_wal(worker, err);
    if (rc != 0)
        return rc;
    const struct batch_context context = worker_batch_context(worker);
    batch_init(&worker->batch, &context);
    worker->next_offset = wal_durable_offset(worker->wal);
    worker->applied_offset = worker->next_offset;
    worker_note_durable(worker);
    log_info(area, "partition %d: recovered %" PRId64 " bytes in %.1f s; next offset %" PRId64,
             worker->options.partition, wal_bytes(worker->wal),
             (double)(clock_monotonic_us() - begin_us) / 1e6, worker->next_offset);
    worker_set_state(worker, SHARD_RUNNING, "");
    atomic_store(&worker->recovered, true);
    return 0;
}

/* --- one batch ------------------------------------------------------------------------------- */

/* Waits until the letters of the batch are acknowledged, in sight of people when it takes long.
 * False: asked to stop before that. */
static bool
worker_deliver_letters(struct worker *worker)
{
    const struct letter_list *letters = &worker->batch.letters;
    int64_t begin_us = clock_monotonic_us();
    struct error err = {0};
    while (letters->count > 0 &&
           dead_letters_deliver(worker->dead_letters, letters, WAIT_MS, &err) != 0) {
        worker_beat(worker);
        if (worker_stopping(worker))
            return false;
        if (clock_monotonic_us() - begin_us > LONG_WAIT_US)
            worker_set_state(worker, SHARD_WAITING, err.message);
        clock_sleep_ms(RETRY_MS);
    }
    worker->status.letters += letters->count;
    return true;
}

/* Makes the position, and `payload` with it, durable as one frame. */
static int
worker_save(struct worker *worker, struct text payload, struct error *err)
{
    int64_t begin_us = clock_monotonic_us();
    buffer_clear(&worker->position);
    position_encode(&worker->sequence, &worker->position);
    const struct wal_frame frame = {
        .first_offset = worker->unsaved_from,
        .next_offset = worker->next_offset,
        .position = worker->position.data,
        .position_bytes = worker->position.bytes,
        .payload = payload.data,
        .payload_bytes = payload.bytes,
    };
    int rc = wal_append(worker->wal, &frame, err);
    if (rc == 0)
        rc = wal_sync(worker->wal, err);
    if (rc != 0)
        return rc;
    CHECK(wal_durable_offset(worker->wal) == worker->next_offset);
    worker_note_durable(worker);
    worker->unsaved_from = -1;
    worker->saved_us = clock_monotonic_us();
    metrics_observe_us(&worker->options.times->sync, worker->saved_us - begin_us);
    return 0;
}

/* Saves a position that has waited long enough for data to ride with. */
static int
worker_save_quiet(struct worker *worker, bool now, struct error *err)
{
    if (worker->unsaved_from < 0 ||
        (!now && clock_monotonic_us() - worker->saved_us < QUIET_SAVE_US))
        return 0;
    int rc = worker_save(worker, (struct text){NULL, 0}, err);
    if (rc == 0)
        worker->applied_offset = worker->next_offset;
    return rc;
}

static void
worker_apply(struct worker *worker)
{
    CHECK(worker->next_offset <= wal_durable_offset(worker->wal));
    struct engine *engine = shard_write_begin(worker->shard);
    batch_apply(&worker->batch, engine);
    shard_write_end(worker->shard);
    worker->applied_offset = worker->next_offset;
}

static void
worker_count(struct worker *worker)
{
    const struct batch_counts *batch = &worker->batch.counts;
    struct batch_counts *sum = &worker->status.counts;
    sum->records += batch->records;
    sum->events += batch->events;
    sum->ops += batch->ops;
    sum->duplicates += batch->duplicates;
    sum->fenced += batch->fenced;
    sum->foreign += batch->foreign;
    sum->rejected += batch->rejected;
}

/* From letters to applied. When asked to stop before the letters are acknowledged, nothing of the
 * batch has happened. */
static int
worker_finish_batch(struct worker *worker, struct error *err)
{
    const struct batch *batch = &worker->batch;
    if (!worker_deliver_letters(worker))
        return 0;
    int64_t losses = batch->sequence.losses - worker->sequence.losses;
    worker->sequence = batch->sequence;
    worker->next_offset = batch->next_offset;
    if (worker->unsaved_from < 0)
        worker->unsaved_from = batch->first_offset;
    if (batch->event_count > 0) {
        const struct text payload = {(const char *)batch->payload.data, batch->payload.bytes};
        int rc = worker_save(worker, payload, err);
        if (rc != 0)
            return rc;
        worker_apply(worker);
    }
    worker_count(worker);
    if (losses > 0) {
        char reason[SEQUENCE_REASON_BYTES];
        sequence_describe(&worker->sequence, reason, sizeof reason);
        log_warn(area, "partition %d: loss proved before offset %" PRId64 ": %s",
                 worker->options.partition, worker->next_offset, reason);
    }
    worker_set_state(worker, SHARD_RUNNING, "");
    worker_publish(worker);
    return 0;
}

/* Makes a batch of what was read, from record `*next` on. Waits for a schema that is not known. */
static int
worker_take_batch(struct worker *worker, uint32_t *next, struct error *err)
{
    int64_t begin_us = clock_monotonic_us();
    struct batch *batch = &worker->batch;
    int rc = 0;
    batch_begin(batch, &worker->sequence);
    while (rc == 0 && *next < worker->read->count && !batch_full(batch)) {
        rc = batch_add(batch, &worker->read->records[*next], err);
        if (rc == 0)
            ++*next;
    }
    if (rc != 0 && batch->counts.records == 0) {
        worker_set_state(worker, SHARD_WAITING, err->message);
        clock_sleep_ms(WAIT_MS);
        return 0;
    }
    rc = worker_finish_batch(worker, err);
    metrics_observe_us(&worker->options.times->cycle, clock_monotonic_us() - begin_us);
    return rc;
}

/* --- offsets --------------------------------------------------------------------------------- */

static void
worker_commit(struct worker *worker, bool wait)
{
    int64_t offset = wal_durable_offset(worker->wal);
    if (offset <= worker->committed_offset || atomic_load(&worker->lost))
        return;
    CHECK(offset <= worker->applied_offset);
    struct error err = {0};
    if (kafka_consumer_commit(worker->options.consumer, worker->options.partition, offset,
                              worker->metadata, wait, &err) != 0)
        log_warn(area, "partition %d: offset %" PRId64 " is not committed: %s",
                 worker->options.partition, offset, err.message);
    worker->committed_offset = offset;
    worker->committed_us = clock_monotonic_us();
}

static void
worker_commit_when_due(struct worker *worker, bool idle)
{
    int64_t interval_us = (int64_t)worker->options.config->consumer.commit_interval_ms * 1000;
    if (idle || clock_monotonic_us() - worker->committed_us >= interval_us)
        worker_commit(worker, false);
}

/* --- the thread ------------------------------------------------------------------------------ */

/* The topic does not have the offset that comes next. */
static void
worker_stall(struct worker *worker)
{
    char trouble[ERROR_MESSAGE_BYTES];
    snprintf(trouble, sizeof trouble,
             "offset %" PRId64 " is not in the topic any more, so events are lost; to begin anew "
             "with what the topic has: stop, remove %s, start",
             worker->next_offset, worker->directory);
    worker_set_state(worker, SHARD_STALLED, trouble);
}

static int
worker_read(struct worker *worker, struct error *err)
{
    const struct config_consumer *config = &worker->options.config->consumer;
    uint32_t records = (uint32_t)config->batch_rows;
    if (records > KAFKA_BATCH_RECORDS_MAX)
        records = KAFKA_BATCH_RECORDS_MAX;
    int rc = kafka_partition_read(worker->partition, WAIT_MS, records, (size_t)config->batch_bytes,
                                  worker->read, err);
    if (rc == ERR_DATA)
        worker_stall(worker);
    else if (rc == ERR_RETRY)
        worker_set_state(worker, SHARD_WAITING, err->message);
    else if (rc != 0)
        return rc;
    else if (worker->status.state == SHARD_WAITING)
        worker_set_state(worker, SHARD_RUNNING, "");
    if (rc != 0)
        clock_sleep_ms(WAIT_MS);
    return 0;
}

/* Reads once, and works until all that was read has been dealt with. */
static int
worker_round(struct worker *worker, struct error *err)
{
    uint32_t next = 0;
    int rc = worker_read(worker, err);
    do {
        worker_beat(worker);
        if (rc == 0 && next < worker->read->count)
            rc = worker_take_batch(worker, &next, err);
        if (rc == 0)
            rc = worker_save_quiet(worker, false, err);
        if (rc == 0)
            worker_commit_when_due(worker, worker->read->count == 0);
    } while (rc == 0 && next < worker->read->count && !worker_stopping(worker));
    return rc;
}

static int
worker_work(struct worker *worker, struct error *err)
{
    int rc = worker_recover(worker, err);
    while (rc == 0 && !worker_stopping(worker))
        rc = worker_round(worker, err);
    if (rc == 0)
        rc = worker_save_quiet(worker, true, err);
    if (rc == 0)
        worker_commit(worker, true);
    return rc;
}

static void *
worker_main(void *context)
{
    struct worker *worker = context;
    struct error err = {0};
    int rc = worker_work(worker, &err);
    if (rc != 0 && !(rc == ERR_RETRY && worker_stopping(worker))) {
        error_wrap(&err, "partition %d", worker->options.partition);
        worker->failure = err;
        stop_request();
    }
    return NULL;
}

/* --- for the main thread --------------------------------------------------------------------- */

static void
worker_free(struct worker *worker)
{
    if (worker->read != NULL)
        kafka_batch_release(worker->read);
    free(worker->read);
    if (worker->partition != NULL)
        kafka_partition_close(worker->partition);
    wal_close(worker->wal);
    batch_free(&worker->batch);
    event_codec_destroy(worker->codec);
    dead_letters_destroy(worker->dead_letters);
    arena_free(&worker->replay_arena);
    buffer_free(&worker->position);
    shard_destroy(worker->shard);
    free(worker->directory);
    free(worker);
}

int
worker_start(const struct worker_options *options, struct worker **worker, struct error *err)
{
    const struct config *config = options->config;
    struct worker *made = memory_zalloc(sizeof *made);
    made->options = *options;
    made->directory = memory_format("%s/%s-%d", config->consumer.data_dir, config->topic.name,
                                    options->partition);
    made->dead_letters = dead_letters_create(config);
    made->read = memory_zalloc(sizeof *made->read);
    made->unsaved_from = -1;
    made->next_offset = -1;
    made->applied_offset = -1;
    made->committed_offset = -1;
    made->status.durable_offset = -1;
    sequence_init(&made->sequence);
    arena_init(&made->replay_arena);
    buffer_init(&made->position);
    worker_beat(made);
    int rc = shard_create(config, options->partition, &made->shard, err);
    if (rc != 0) {
        worker_free(made);
        return rc;
    }
    made->partition = kafka_partition_open(options->consumer, options->partition);
    CHECK(pthread_create(&made->thread, NULL, worker_main, made) == 0);
    *worker = made;
    return 0;
}

bool
worker_recovered(struct worker *worker, int64_t *offset)
{
    if (!atomic_load(&worker->recovered))
        return false;
    struct shard_status status;
    shard_read_status(worker->shard, &status);
    *offset = status.offset >= 0 ? status.offset : KAFKA_OFFSET_BEGINNING;
    return true;
}

int64_t
worker_heartbeat_us(const struct worker *worker)
{
    return atomic_load(&worker->heartbeat_us);
}

struct shard *
worker_shard(struct worker *worker)
{
    return worker->shard;
}

void
worker_ask_to_stop(struct worker *worker, bool lost)
{
    if (lost)
        atomic_store(&worker->lost, true);
    atomic_store(&worker->stopping, true);
}

int
worker_stop(struct worker *worker, struct error *err)
{
    atomic_store(&worker->stopping, true);
    CHECK(pthread_join(worker->thread, NULL) == 0);
    int rc = worker->failure.code;
    if (rc != 0)
        *err = worker->failure;
    worker_free(worker);
    return rc;
}
