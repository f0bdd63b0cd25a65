/* Happy path: see worker.h.
 *
 * Failure: a log that cannot be opened, written or synced ends the process, and recovery decides
 * (worker_stop). All else is waited for in sight of people: an unknown schema, dead letters that
 * nobody acknowledges, a broker that is away. An offset that the topic does not have any more
 * stalls the partition until somebody decides.
 */
#include "consumer/partition/worker.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/shutdown.h"
#include "common/base/thread.h"
#include "common/kafka/kafka_consumer.h"
#include "consumer/dead_letter/dead_letter_topic.h"
#include "consumer/partition/partition_dir.h"
#include "consumer/partition/replica.h"
#include "consumer/partition/resume.h"

enum {
    WAIT_MS = 100,
    RETRY_MS = 20,
    LONG_WAIT_US = 2 * 1000 * 1000, /* a wait that people are told of */
    QUIET_SAVE_US = 1000 * 1000,    /* how long a position without data may wait for a frame */
};

static const char *const area = "worker";

struct worker {
    struct worker_options options;
    pthread_t thread;
    struct shard *shard;

    /* Of the thread. */
    struct partition_dir directory;
    struct replica *served;
    struct replica *built; /* beside it; NULL: none */
    struct event_codec *codec;
    struct dead_letter_topic *dead_letters;
    struct kafka_batch *read;
    struct batch batch;
    int64_t told_s;                     /* the second that the engines were told last */
    struct shard_status status;         /* as published */
    struct shard_checkpoint checkpoint; /* the one that was begun last */
    bool checkpointing;                 /* it is on its way */

    /* Between threads. */
    atomic_bool stopping;
    atomic_bool lost;
    atomic_bool ready;
    atomic_llong start_offset; /* once it is ready */
    atomic_llong heartbeat_us;
    atomic_llong checkpoints_asked; /* numbered from 1 */
    struct error failure;           /* read when the thread has ended */
};

static void
worker_beat(struct worker *worker)
{
    atomic_store(&worker->heartbeat_us, clock_monotonic_us());
}

static void
worker_time(struct worker *worker, enum stage stage, int64_t begin_us)
{
    metrics_observe_us(&worker->options.times->stages[stage], clock_monotonic_us() - begin_us);
}

static bool
worker_stopping(const struct worker *worker)
{
    return atomic_load(&worker->stopping);
}

static bool
worker_lost(const struct worker *worker)
{
    return atomic_load(&worker->lost);
}

/* The one that is fed. */
static struct replica *
worker_replica(const struct worker *worker)
{
    return worker->built != NULL ? worker->built : worker->served;
}

static void
worker_publish(struct worker *worker)
{
    struct shard_status *status = &worker->status;
    status->sequence = replica_position(worker->served)->sequence;
    status->offset = replica_next_offset(worker->served);
    status->rebuild_offset = worker->built != NULL ? replica_next_offset(worker->built) : -1;
    if (status->state != SHARD_RECOVERING) {
        status->durable_offset = replica_durable_offset(worker->served);
        status->wal_bytes = replica_wal_bytes(worker->served);
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
    enum log_level level = trouble[0] != '\0' ? LOG_WARN : LOG_INFO;
    log_write(level, area, "partition %d: %s%s%s", worker->options.partition,
              shard_state_name(state), trouble[0] != '\0' ? ": " : "", trouble);
    status->state = state;
    snprintf(status->trouble, sizeof status->trouble, "%s", trouble);
    worker_publish(worker);
}

static void
worker_set_well(struct worker *worker)
{
    worker_set_state(worker, worker->built != NULL ? SHARD_REBUILDING : SHARD_RUNNING, "");
}

/* Once a second: what is hidden until a time appears when it has come. */
static void
worker_tell_time(struct worker *worker)
{
    int64_t now_s = clock_realtime_us() / US_PER_S;
    if (now_s == worker->told_s)
        return;
    worker->told_s = now_s;
    replica_tell_time(worker->served, now_s);
    if (worker->built != NULL)
        replica_tell_time(worker->built, now_s);
}

static void
worker_come_by(struct worker *worker)
{
    worker_beat(worker);
    worker_tell_time(worker);
}

static int
worker_save(struct worker *worker, struct error *err)
{
    int rc = replica_save(worker_replica(worker), err);
    if (rc == 0)
        worker_publish(worker);
    return rc;
}

/* --- checkpoints ----------------------------------------------------------------------------- */

static bool
worker_checkpoint_is_asked(const struct worker *worker)
{
    return atomic_load(&worker->checkpoints_asked) > worker->checkpoint.answered;
}

/* Tells those who had asked by then how it ended. */
static void
worker_answer_checkpoint(struct worker *worker, const char *trouble)
{
    struct shard_checkpoint *checkpoint = &worker->checkpoint;
    checkpoint->offset = replica_checkpoint_offset(worker->served);
    snprintf(checkpoint->trouble, sizeof checkpoint->trouble, "%s", trouble);
    worker->status.checkpoint = *checkpoint;
    worker_publish(worker);
}

static void
worker_refuse_checkpoint(struct worker *worker, const char *why)
{
    if (!worker_checkpoint_is_asked(worker))
        return;
    worker->checkpoint.answered = atomic_load(&worker->checkpoints_asked);
    worker_answer_checkpoint(worker, why);
}

/* A failure loses nothing: the next one makes it good. */
static void
worker_conclude_checkpoint(struct worker *worker, const struct error *failure)
{
    worker->checkpointing = false;
    if (failure->code != 0)
        log_warn(area, "partition %d: %s", worker->options.partition, failure->message);
    worker_answer_checkpoint(worker, failure->message);
}

/* Waits for the one that is on its way, if there is any. */
static void
worker_end_checkpoint(struct worker *worker)
{
    struct error failure = {0};
    if (!worker->checkpointing)
        return;
    while (!replica_checkpoint_is_done(worker->served)) {
        worker_beat(worker);
        clock_sleep_ms(RETRY_MS);
    }
    replica_checkpoint_end(worker->served, &failure);
    worker_conclude_checkpoint(worker, &failure);
}

static void
worker_end_checkpoint_when_done(struct worker *worker)
{
    if (replica_checkpoint_is_done(worker->served))
        worker_end_checkpoint(worker);
}

/* Reading stands still until it returns. While a state is built anew none is taken: the one that is
 * served stands still, and the new one may yet be dropped. */
static int
worker_begin_checkpoint(struct worker *worker, struct error *err)
{
    struct error failure = {0};
    int64_t begin_us = clock_monotonic_us();
    if (worker->built != NULL) {
        worker_refuse_checkpoint(worker, "its state is being built anew");
        return 0;
    }
    worker->checkpoint.answered = atomic_load(&worker->checkpoints_asked);
    int rc = worker_save(worker, err);
    if (rc != 0)
        return rc;
    worker->checkpointing = true;
    rc = replica_checkpoint_begin(worker->served, &failure);
    worker->checkpoint.pause_us = clock_monotonic_us() - begin_us;
    if (rc != 0)
        worker_conclude_checkpoint(worker, &failure);
    return 0;
}

/* Begins one that is due or asked for, and ends the one that is done. */
static int
worker_mind_checkpoint(struct worker *worker, struct error *err)
{
    worker_end_checkpoint_when_done(worker);
    bool wanted = worker_checkpoint_is_asked(worker) || replica_checkpoint_is_due(worker->served);
    return wanted && !worker->checkpointing ? worker_begin_checkpoint(worker, err) : 0;
}

/* A while of what people are told in the state: the worker cannot work, and takes no checkpoint. */
static void
worker_wait(struct worker *worker, int wait_ms)
{
    worker_come_by(worker);
    worker_end_checkpoint_when_done(worker);
    if (worker->status.state == SHARD_WAITING && !worker->checkpointing)
        worker_refuse_checkpoint(worker, worker->status.trouble);
    clock_sleep_ms(wait_ms);
}

/* --- recovery -------------------------------------------------------------------------------- */

static bool
worker_goes_on(void *context)
{
    struct worker *worker = context;
    worker_beat(worker);
    return !worker_stopping(worker);
}

static int
worker_create_replica(struct worker *worker, const char *directory, struct replica **replica,
                      struct error *err)
{
    const struct replica_options options = {
        .config = worker->options.config,
        .files = worker->options.data_dir->files,
        .partition = worker->options.partition,
        .directory = directory,
        .go_on = worker_goes_on,
        .context = worker,
        .times = worker->options.times,
    };
    return replica_create(&options, replica, err);
}

/* The state that is being built, beside the one that is served, which answers meanwhile. */
static int
worker_open_built(struct worker *worker, const struct replica_seed *seed, struct error *err)
{
    int rc = worker_create_replica(worker, worker->directory.wal, &worker->built, err);
    if (rc != 0)
        return rc;
    worker_set_well(worker);
    return replica_open(worker->built, seed, err);
}

static int
worker_recover(struct worker *worker, struct error *err)
{
    static const struct replica_seed none;
    int rc = replica_open(worker->served, &none, err);
    if (rc != 0)
        return rc;
    worker_tell_time(worker);
    if (worker->directory.has_old)
        return worker_open_built(worker, &none, err);
    worker_set_well(worker);
    return 0;
}

/* --- where to go on -------------------------------------------------------------------------- */

/* Tells the feed how far the state is durable; with `now`, until that is known. */
static int
worker_tell_durable(struct worker *worker, bool now, struct error *err)
{
    const struct replica *replica = worker_replica(worker);
    char metadata[RESUME_METADATA_BYTES];
    int64_t offset = replica_durable_offset(replica);
    if (worker_lost(worker) || (offset < 0 && !now))
        return 0;
    resume_describe(replica_durable_position(replica), worker->options.data_dir->id, metadata);
    struct feed *feed = worker->options.feed;
    const struct sequence *sequence = &replica_durable_position(replica)->sequence;
    return feed->durable(feed, offset >= 0 ? offset : 0, sequence, metadata, now, err);
}

/* The same, when the next one makes a failure good. */
static void
worker_try_tell_durable(struct worker *worker, bool now)
{
    struct error err = {0};
    if (worker_tell_durable(worker, now, &err) != 0)
        log_warn(area, "partition %d: %s", worker->options.partition, err.message);
}

/* Waits for the group's answer. ERR_RETRY only when asked to stop. */
static int
worker_ask_committed(struct worker *worker, int64_t *offset, struct buffer *metadata,
                     struct error *err)
{
    struct feed *feed = worker->options.feed;
    int rc;
    while ((rc = feed->committed(feed, offset, metadata, err)) == ERR_RETRY &&
           !worker_stopping(worker)) {
        worker_set_state(worker, SHARD_WAITING, err->message);
        worker_wait(worker, WAIT_MS);
    }
    return rc;
}

/* What is fed becomes the old state, or goes when there is one already. The new one begins from a
 * checkpoint of the old one up to `offset`, if there is any. */
static int
worker_begin_anew(struct worker *worker, int64_t offset, struct error *err)
{
    replica_destroy(worker->built);
    worker->built = NULL;
    const struct replica_seed seed = {worker->directory.old, offset};
    int rc = partition_dir_begin_anew(&worker->directory, err);
    return rc == 0 ? worker_open_built(worker, &seed, err) : rc;
}

/* A reset may have been followed before, up to a crash that came before it was acknowledged: what
 * is built is empty still. */
static bool
worker_must_begin_anew(const struct worker *worker, const struct resume_decision *decision)
{
    return decision->verdict == RESUME_REBUILD ||
           (decision->was_reset && worker->built != NULL && replica_next_offset(worker->built) < 0);
}

static int
worker_follow(struct worker *worker, const struct resume_decision *decision, bool anew,
              int64_t committed, struct error *err)
{
    int32_t partition = worker->options.partition;
    int64_t held = replica_next_offset(worker_replica(worker));
    int rc = 0;
    if (decision->lost_tail)
        log_warn(area,
                 "partition %d: the log ends before offset %" PRId64 ", which it had reached and "
                 "committed: its end was lost, and is read from the topic again",
                 partition, committed);
    if (decision->verdict == RESUME_REBUILD) {
        log_warn(area,
                 "partition %d: %s: the state is built anew beside the one at offset %" PRId64,
                 partition,
                 decision->was_reset ? "its offset was reset to an earlier one"
                                     : "its state is older than a reset of its offset",
                 held);
    } else if (decision->verdict == RESUME_SKIP) {
        log_warn(area,
                 "partition %d: its offset was reset from %" PRId64 " to %" PRId64
                 ": what lies between is skipped",
                 partition, held, committed);
        rc = replica_skip(worker_replica(worker), committed, err);
    }
    if (anew)
        rc = worker_begin_anew(worker, decision->was_reset ? committed : 0, err);
    if (rc == 0)
        replica_set_replay(worker_replica(worker), decision->replay);
    return rc;
}

/* A reset must not be followed a second time. */
static int
worker_acknowledge(struct worker *worker, struct error *err)
{
    int rc;
    while ((rc = worker_tell_durable(worker, true, err)) == ERR_RETRY && !worker_stopping(worker)) {
        worker_set_state(worker, SHARD_WAITING, err->message);
        worker_wait(worker, WAIT_MS);
    }
    return rc;
}

static struct resume_decision
worker_decide(const struct worker *worker, int64_t committed, const struct buffer *metadata)
{
    const struct replica *replica = worker_replica(worker);
    const struct text text = {(const char *)metadata->data, metadata->bytes};
    return resume_decide(replica_next_offset(replica), replica_position(replica)->replay,
                         worker->options.data_dir->id, committed, text,
                         clock_realtime_us() / US_PER_MS);
}

/* What was loaded becomes a checkpoint of its own. */
static int
worker_seed(struct worker *worker, struct error *err)
{
    int rc = replica_checkpoint_begin(worker->built, err);
    while (rc == 0 && !replica_checkpoint_is_done(worker->built)) {
        worker_beat(worker);
        clock_sleep_ms(RETRY_MS);
    }
    return rc == 0 ? replica_checkpoint_end(worker->built, err) : rc;
}

static int
worker_resume(struct worker *worker, struct error *err)
{
    struct buffer metadata;
    int64_t committed;
    buffer_init(&metadata);
    int rc = worker_ask_committed(worker, &committed, &metadata, err);
    if (rc == 0) {
        const struct resume_decision decision = worker_decide(worker, committed, &metadata);
        bool anew = worker_must_begin_anew(worker, &decision);
        rc = worker_follow(worker, &decision, anew, committed, err);
        if (rc == 0 && decision.was_reset)
            rc = worker_acknowledge(worker, err);
        /* Not before, nor when nothing may be committed: with an offset of its own, what is built
         * would skip to the reset. */
        if (rc == 0 && anew && !worker_lost(worker))
            rc = worker_seed(worker, err);
    }
    buffer_free(&metadata);
    if (rc != 0)
        return rc;
    worker_set_well(worker);
    int64_t next_offset = replica_next_offset(worker_replica(worker));
    worker->batch.context.engine = replica_engine(worker_replica(worker));
    atomic_store(&worker->start_offset, next_offset >= 0 ? next_offset : KAFKA_OFFSET_BEGINNING);
    atomic_store(&worker->ready, true);
    return 0;
}

/* Has what is built come as far as what is served, or as the topic? */
static bool
worker_caught_up(struct worker *worker)
{
    int64_t built = replica_next_offset(worker->built);
    if (built >= replica_next_offset(worker->served))
        return true;
    struct feed_bounds bounds;
    worker_bounds(worker, &bounds);
    return worker->read->count == 0 && bounds.high >= 0 &&
           (built >= bounds.high || bounds.low == bounds.high);
}

/* What was built takes the place of what was served. */
static int
worker_swap_when_due(struct worker *worker, struct error *err)
{
    if (worker->built == NULL || !worker_caught_up(worker))
        return 0;
    int rc = replica_save(worker->built, err);
    if (rc != 0)
        return rc;
    replica_tell_time(worker->built, worker->told_s);
    replica_serve(worker->built, worker->shard);
    replica_destroy(worker->served);
    worker->served = worker->built;
    worker->built = NULL;
    log_info(area, "partition %d: what was built anew is served from offset %" PRId64,
             worker->options.partition, replica_next_offset(worker->served));
    worker_set_well(worker);
    worker_publish(worker);
    return partition_dir_drop_old(&worker->directory, err);
}

/* --- one batch ------------------------------------------------------------------------------- */

/* Waits until the letters of the batch are acknowledged, in sight of people when it takes long.
 * False: asked to stop before that. */
static bool
worker_deliver_letters(struct worker *worker)
{
    const struct dead_letter_list *letters = &worker->batch.letters;
    CHECK(letters->count == 0 || worker->dead_letters != NULL); /* refused when it was posted */
    int64_t begin_us = clock_monotonic_us();
    struct error err = {0};
    while (letters->count > 0 &&
           dead_letter_topic_deliver(worker->dead_letters, letters, WAIT_MS, &err) != 0) {
        if (worker_stopping(worker))
            return false;
        if (clock_monotonic_us() - begin_us > LONG_WAIT_US)
            worker_set_state(worker, SHARD_WAITING, err.message);
        worker_wait(worker, RETRY_MS);
    }
    if (letters->count > 0)
        worker_time(worker, STAGE_LETTERS, begin_us);
    worker->status.letters += letters->count;
    return true;
}

static void
worker_count(struct worker *worker)
{
    const struct batch_counts *batch = &worker->batch.counts;
    struct batch_counts *sum = &worker->status.counts;
    sum->records += batch->records;
    sum->bytes += batch->bytes;
    sum->events += batch->events;
    sum->ops += batch->ops;
    sum->compacted += batch->compacted;
    sum->duplicates += batch->duplicates;
    sum->fenced += batch->fenced;
    sum->foreign += batch->foreign;
    sum->rejected += batch->rejected;
}

static void
worker_warn_of_losses(struct worker *worker, int64_t losses_before)
{
    const struct sequence *sequence = &replica_position(worker_replica(worker))->sequence;
    if (sequence->losses == losses_before)
        return;
    char reason[SEQUENCE_REASON_BYTES];
    sequence_describe(sequence, reason, sizeof reason);
    log_warn(area, "partition %d: loss proved before offset %" PRId64 ": %s",
             worker->options.partition, worker->batch.next_offset, reason);
}

/* From letters to applied. When asked to stop before the letters are acknowledged, nothing of the
 * batch has happened. */
static int
worker_finish_batch(struct worker *worker, struct error *err)
{
    struct replica *replica = worker_replica(worker);
    int64_t losses = replica_position(replica)->sequence.losses;
    if (!worker_deliver_letters(worker))
        return 0;
    int rc = replica_advance(replica, &worker->batch, err);
    if (rc != 0)
        return rc;
    worker_count(worker);
    worker_warn_of_losses(worker, losses);
    worker_set_well(worker);
    worker_publish(worker);
    return 0;
}

/* Makes a batch of what was read, from record `*next` on. Waits for a schema that is not known, and
 * before a gap for an operator. */
static int
worker_take_batch(struct worker *worker, uint32_t *next, struct error *err)
{
    int64_t begin_us = clock_monotonic_us();
    struct batch *batch = &worker->batch;
    int rc = 0;
    batch_begin(batch, &replica_position(worker_replica(worker))->sequence);
    while (rc == 0 && *next < worker->read->count && !batch_full(batch)) {
        rc = batch_add(batch, &worker->read->records[*next], err);
        if (rc == 0)
            ++*next;
    }
    if (rc != 0 && batch->counts.records == 0) {
        worker_set_state(worker, rc == ERR_DATA ? SHARD_STALLED : SHARD_WAITING, err->message);
        clock_sleep_ms(WAIT_MS);
        return 0;
    }
    batch_close(batch);
    worker_time(worker, STAGE_DECODE, begin_us);
    rc = worker_finish_batch(worker, err);
    metrics_observe_us(&worker->options.times->cycle, clock_monotonic_us() - begin_us);
    return rc;
}

/* --- the thread ------------------------------------------------------------------------------ */

/* Saves a position that has waited long enough for data to ride with. */
static int
worker_save_quiet(struct worker *worker, struct error *err)
{
    int64_t since_us = replica_unsaved_us(worker_replica(worker));
    if (since_us < 0 || clock_monotonic_us() - since_us < QUIET_SAVE_US)
        return 0;
    return worker_save(worker, err);
}

/* The topic does not have the offset that comes next. */
static void
worker_stall(struct worker *worker)
{
    char trouble[ERROR_MESSAGE_BYTES];
    snprintf(trouble, sizeof trouble,
             "offset %" PRId64 " is not in the topic any more, so events are lost; reset the "
             "group's offset to the earliest to go on there, or remove %s to build the index from "
             "what the topic has (docs/operations.md)",
             replica_next_offset(worker_replica(worker)), worker->directory.path);
    worker_set_state(worker, SHARD_STALLED, trouble);
}

static int
worker_read(struct worker *worker, struct error *err)
{
    const struct config_consumer *config = &worker->options.config->consumer;
    struct feed *feed = worker->options.feed;
    uint32_t records = (uint32_t)config->batch_rows;
    if (records > KAFKA_BATCH_RECORDS_MAX)
        records = KAFKA_BATCH_RECORDS_MAX;
    int64_t begin_us = clock_monotonic_us();
    int rc = feed->read(feed, WAIT_MS, records, (size_t)config->batch_bytes, worker->read, err);
    if (rc == ERR_DATA)
        worker_stall(worker);
    else if (rc == ERR_RETRY)
        worker_set_state(worker, SHARD_WAITING, err->message);
    else if (rc != 0)
        return rc;
    else if (worker->status.state == SHARD_WAITING)
        worker_set_well(worker);
    if (worker->read->count > 0)
        worker_time(worker, STAGE_READ, begin_us);
    if (rc != 0)
        clock_sleep_ms(WAIT_MS);
    return 0;
}

/* The log may not grow any more: what is held is served, and nothing is read. */
static bool
worker_is_full(struct worker *worker)
{
    int64_t limit_bytes = worker->options.config->consumer.wal_limit_bytes;
    if (replica_wal_bytes(worker_replica(worker)) < limit_bytes)
        return false;
    char trouble[ERROR_MESSAGE_BYTES];
    snprintf(trouble, sizeof trouble,
             "the log in %s has reached consumer.wal_limit_bytes (%" PRId64 "): raise it, or build "
             "the index from what the topic has (docs/operations.md)",
             worker->directory.path, limit_bytes);
    worker_set_state(worker, SHARD_FULL, trouble);
    return true;
}

/* What is held is served until the group tells whose the partition is. */
static void
worker_idle(struct worker *worker)
{
    worker_set_state(worker, SHARD_WAITING, "lost its place in the group, which does not answer");
    worker_wait(worker, WAIT_MS);
}

/* Reads once, and works until all that was read has been dealt with. */
static int
worker_round(struct worker *worker, struct error *err)
{
    uint32_t next = 0;
    if (worker_is_full(worker)) {
        worker_come_by(worker);
        clock_sleep_ms(WAIT_MS);
        return worker_mind_checkpoint(worker, err);
    }
    int rc = worker_read(worker, err);
    do {
        worker_come_by(worker);
        if (rc == 0 && next < worker->read->count)
            rc = worker_take_batch(worker, &next, err);
        if (rc == 0)
            rc = worker_save_quiet(worker, err);
        if (rc == 0)
            worker_try_tell_durable(worker, false);
        if (rc == 0)
            rc = worker_swap_when_due(worker, err);
        if (rc == 0)
            rc = worker_mind_checkpoint(worker, err);
    } while (rc == 0 && next < worker->read->count && !worker_stopping(worker) &&
             !worker_lost(worker));
    return rc;
}

static int
worker_work(struct worker *worker, struct error *err)
{
    int rc = worker_recover(worker, err);
    if (rc == 0)
        rc = worker_resume(worker, err);
    while (rc == 0 && !worker_stopping(worker) && !worker_lost(worker))
        rc = worker_round(worker, err);
    while (rc == 0 && !worker_stopping(worker))
        worker_idle(worker);
    if (rc == 0 && !worker_lost(worker))
        rc = worker_save(worker, err);
    if (rc == 0 && replica_durable_offset(worker_replica(worker)) >= 0)
        worker_try_tell_durable(worker, true);
    worker_end_checkpoint(worker);
    if (rc == 0 && shutdown_requested() && !worker_lost(worker))
        rc = worker_begin_checkpoint(worker, err);
    worker_end_checkpoint(worker);
    return rc;
}

static void *
worker_main(void *context)
{
    struct worker *worker = context;
    struct error err = {0};
    int rc = worker_work(worker, &err);
    if (rc != 0 && !(rc == ERR_RETRY && worker_stopping(worker))) {
        error_wrap(&err, rc, "partition %d", worker->options.partition);
        worker->failure = err;
        shutdown_request();
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
    worker->options.feed->destroy(worker->options.feed);
    batch_free(&worker->batch);
    event_codec_destroy(worker->codec);
    dead_letter_topic_destroy(worker->dead_letters);
    shard_destroy(worker->shard);
    replica_destroy(worker->built);
    replica_destroy(worker->served);
    partition_dir_close(&worker->directory);
    free(worker);
}

static int
worker_prepare(struct worker *worker, struct error *err)
{
    const struct worker_options *options = &worker->options;
    const struct config *config = options->config;
    char *path = data_dir_partition_path(config->consumer.data_dir, config_log_name(config),
                                         options->partition);
    int rc = partition_dir_open(&worker->directory, options->data_dir->files, path, err);
    free(path);
    if (rc == 0)
        rc = event_codec_create(&worker->codec, err);
    if (rc != 0)
        return rc;
    const struct partition_dir *directory = &worker->directory;
    rc = worker_create_replica(worker, directory->has_old ? directory->old : directory->wal,
                               &worker->served, err);
    if (rc != 0)
        return rc;
    replica_serve(worker->served, worker->shard);
    const struct batch_context context = {
        .config = config,
        .partition = options->partition,
        .engine = replica_engine(worker->served),
        .codec = worker->codec,
    };
    batch_init(&worker->batch, &context);
    return 0;
}

int
worker_start(const struct worker_options *options, struct worker **worker, struct error *err)
{
    struct worker *made = memory_zalloc(sizeof *made);
    made->options = *options;
    if (options->config->kafka.present)
        made->dead_letters = dead_letter_topic_create(options->config);
    made->read = memory_zalloc(sizeof *made->read);
    made->shard = shard_create();
    worker_beat(made);
    char name[THREAD_NAME_BYTES];
    snprintf(name, sizeof name, "partition %d", options->partition);
    int rc = worker_prepare(made, err);
    if (rc == 0)
        rc = thread_start(&made->thread, name, worker_main, made, err);
    if (rc != 0) {
        worker_free(made);
        return rc;
    }
    *worker = made;
    return 0;
}

bool
worker_ready(struct worker *worker, int64_t *offset)
{
    if (!atomic_load(&worker->ready))
        return false;
    *offset = atomic_load(&worker->start_offset);
    return true;
}

void
worker_bounds(struct worker *worker, struct feed_bounds *bounds)
{
    worker->options.feed->bounds(worker->options.feed, bounds);
}

int64_t
worker_heartbeat_us(const struct worker *worker)
{
    return atomic_load(&worker->heartbeat_us);
}

int64_t
worker_ask_checkpoint(struct worker *worker)
{
    return atomic_fetch_add(&worker->checkpoints_asked, 1) + 1;
}

bool
worker_checkpoint_answer(struct worker *worker, int64_t request, struct shard_checkpoint *answer)
{
    struct shard_status status;
    shard_read_status(worker->shard, &status);
    *answer = status.checkpoint;
    if (answer->answered >= request)
        return true;
    bool is_known = request <= atomic_load(&worker->checkpoints_asked);
    if (!is_known)
        snprintf(answer->trouble, sizeof answer->trouble, "the partition was given away and back");
    return !is_known;
}

struct shard *
worker_shard(struct worker *worker)
{
    return worker->shard;
}

void
worker_lose(struct worker *worker)
{
    atomic_store(&worker->lost, true);
}

void
worker_ask_to_stop(struct worker *worker)
{
    atomic_store(&worker->stopping, true);
}

int
worker_stop(struct worker *worker, struct error *err)
{
    atomic_store(&worker->stopping, true);
    thread_join(worker->thread);
    int rc = worker->failure.code;
    if (rc != 0)
        *err = worker->failure;
    worker_free(worker);
    return rc;
}
