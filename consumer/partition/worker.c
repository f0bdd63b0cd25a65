/* Happy path: see worker.h.
 *
 * Failure: a log that cannot be opened, written or synced ends the process, and recovery decides
 * what was durable. Everything else is waited for and reported in the partition's state: an unknown
 * schema, dead letters that the broker does not acknowledge, a broker that does not answer. An
 * offset that the topic does not have any more stalls the partition until an operator decides.
 */
#include "consumer/partition/worker.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/shutdown.h"
#include "common/base/thread.h"
#include "common/kafka/kafka_consumer.h"
#include "consumer/dead_letter/dead_letter_topic.h"
#include "consumer/partition/checkpointer.h"
#include "consumer/partition/committer.h"
#include "consumer/partition/replica_pair.h"
#include "consumer/partition/resumer.h"
#include "consumer/partition/worker_control.h"
#include "consumer/partition/worker_phase.h"
#include "consumer/partition/worker_status.h"

enum {
    WAIT_MS = 100,
    RETRY_MS = 20,
    LONG_WAIT_US = 2 * US_PER_S, /* a wait that is published */
    REPORT_LETTERS_US = 60 * US_PER_S,
    QUIET_SAVE_US = US_PER_S, /* how long a position without data may wait for a frame */
};

static const char *const area = "worker";

struct worker {
    struct worker_options options;
    pthread_t thread;
    struct shard *shard;
    struct worker_control control; /* between threads */
    struct checkpointer checkpointer;

    /* Of the thread. */
    enum worker_phase phase;
    struct replica_pair replicas;
    struct worker_status status;
    struct committer committer;
    struct event_codec *codec;
    struct dead_letter_topic *dead_letter_topic;
    struct kafka_batch *read;
    struct batch batch;
    bool checks_message; /* the first one that is read may be the last one of before */
    bool is_other_topic; /* it was another one, and no batch has taken that yet */
    uint64_t reported_letters;
    int64_t report_letters_us; /* monotonic: no report before */

    struct error failure; /* read when the thread has ended */
};

/* The only function that changes the phase: what must hold in the next one is checked here. */
static void
worker_move(struct worker *worker, enum worker_phase to)
{
    bool is_rebuilding = replica_pair_is_rebuilding(&worker->replicas);
    worker_phase_move(&worker->phase, to);
    switch (to) {
    case WORKER_RUNNING:
        CHECK(!is_rebuilding);
        break;
    case WORKER_REBUILDING:
        CHECK(is_rebuilding);
        CHECK(!worker->checkpointer.is_active);
        break;
    case WORKER_LOST:
        CHECK(worker_control_is_lost(&worker->control));
        break;
    case WORKER_STOPPED:
        CHECK(!worker->checkpointer.is_active);
        break;
    default:
        break;
    }
    log_debug(area, "partition %d: phase %s", worker->options.partition, worker_phase_name(to));
}

static void
worker_observe(struct worker *worker, enum stage stage, int64_t begin_us)
{
    metrics_observe_us(&worker->options.times->stages[stage], clock_monotonic_us() - begin_us);
}

static struct replica *
worker_fed(const struct worker *worker)
{
    return replica_pair_fed(&worker->replicas);
}

static void
worker_heartbeat(struct worker *worker)
{
    worker_control_heartbeat(&worker->control);
    replica_pair_set_time(&worker->replicas);
}

/* A pause in which the worker cannot work, for the reason in its state. */
static void
worker_pause(struct worker *worker, int pause_ms)
{
    CHECK(worker->phase >= WORKER_RESUMING);
    CHECK(worker->phase <= WORKER_LOST);
    worker_heartbeat(worker);
    checkpointer_finish_if_done(&worker->checkpointer);
    if (worker_status_is_waiting(&worker->status))
        checkpointer_reject(&worker->checkpointer, worker->status.shown.error);
    clock_sleep_ms(pause_ms);
}

static void
worker_wait(void *context, const char *reason)
{
    struct worker *worker = context;
    CHECK(worker->phase == WORKER_RESUMING || worker->phase == WORKER_LOST);
    worker_status_set(&worker->status, SHARD_WAITING, reason);
    worker_pause(worker, WAIT_MS);
}

static int
worker_save(struct worker *worker, struct error *err)
{
    CHECK(worker->phase != WORKER_LOST);
    int rc = replica_save(worker_fed(worker), err);
    if (rc == 0)
        worker_status_publish(&worker->status);
    return rc;
}

/* --- the dump registry ------------------------------------------------------------------------ */

/* Before the batch is durable: a mark that is registered and lost in a crash is read again. */
static int
worker_mark_dumps(struct worker *worker, struct error *err)
{
    const struct batch *batch = &worker->batch;
    CHECK(batch->is_closed);
    if (worker->options.dumps == NULL || batch->job_count == 0)
        return 0;
    return dump_registry_mark(worker->options.dumps, worker->options.partition, batch->jobs,
                              batch->job_count, err);
}

static int
worker_report_dumps(struct worker *worker, struct error *err)
{
    int64_t offset = replica_durable_offset(worker_fed(worker));
    if (worker->options.dumps == NULL || offset < 0)
        return 0;
    return dump_registry_durable(worker->options.dumps, worker->options.partition, offset, err);
}

/* `served`: how far the served log was durable before the group's offset was followed. A rebuilt
 * log may be further than that, and its marks are not read again. */
static int
worker_recover_dumps(struct worker *worker, int64_t served, struct error *err)
{
    int64_t offset = served >= 0 ? served : 0;
    CHECK(worker->phase == WORKER_RESUMING);
    if (worker->options.dumps == NULL)
        return 0;
    if (replica_pair_is_rebuilding(&worker->replicas)) {
        int64_t fed = replica_durable_offset(worker_fed(worker));
        offset = fed > offset ? fed : offset;
    }
    return dump_registry_recovered(worker->options.dumps, worker->options.partition, offset, err);
}

/* --- one batch ------------------------------------------------------------------------------- */

/* The first one is reported at once, later ones together after a while. */
static void
worker_warn_dead_letters(struct worker *worker)
{
    uint64_t written = worker->status.shown.dead_letters;
    int64_t now_us = clock_monotonic_us();
    CHECK(written >= worker->reported_letters);
    if (written == worker->reported_letters || now_us < worker->report_letters_us)
        return;
    log_warn("dead letters",
             "partition %" PRId32 ": %" PRIu64 " new: what they hold was not applied, and the index"
             " lacks it; bitdex-consumer dead-letters list prints them",
             worker->options.partition, written - worker->reported_letters);
    worker->reported_letters = written;
    worker->report_letters_us = now_us + REPORT_LETTERS_US;
}

/* Waits until the batch's dead letters are acknowledged; a long wait is published. False: asked to
 * stop before that. */
static bool
worker_deliver_dead_letters(struct worker *worker)
{
    const struct dead_letter_list *dead_letters = &worker->batch.dead_letters;
    if (worker->options.as_of_us != 0) /* they were delivered when they were new */
        return true;
    /* A stand-alone index has no such topic: POST /ops refuses what cannot be applied. */
    CHECK(dead_letters->count == 0 || worker->dead_letter_topic != NULL);
    int64_t begin_us = clock_monotonic_us();
    struct error err = {0};
    while (dead_letters->count > 0 &&
           dead_letter_topic_deliver(worker->dead_letter_topic, dead_letters, WAIT_MS, &err) != 0) {
        if (worker_control_is_stopping(&worker->control))
            return false;
        if (clock_monotonic_us() - begin_us > LONG_WAIT_US)
            worker_status_set(&worker->status, SHARD_WAITING, err.message);
        worker_pause(worker, RETRY_MS);
    }
    if (dead_letters->count > 0)
        worker_observe(worker, STAGE_DEAD_LETTERS, begin_us);
    worker->status.shown.dead_letters += dead_letters->count;
    worker_warn_dead_letters(worker);
    return true;
}

static void
worker_warn_of_losses(struct worker *worker, int64_t losses_before)
{
    const struct sequence *sequence = &replica_position(worker_fed(worker))->sequence;
    CHECK(sequence->losses >= losses_before);
    if (sequence->losses == losses_before)
        return;
    char reason[SEQUENCE_REASON_BYTES];
    sequence_describe(sequence, sequence->reason, reason, sizeof reason);
    log_warn(area, "partition %d: loss proved before offset %" PRId64 ": %s: bitdex-producer load",
             worker->options.partition, worker->batch.next_offset, reason);
}

/* From dead letters to applied. When the worker is asked to stop before the dead letters are
 * acknowledged, the batch is dropped: its messages are read again. */
static int
worker_finish_batch(struct worker *worker, struct error *err)
{
    struct replica *replica = worker_fed(worker);
    int64_t losses = replica_position(replica)->sequence.losses;
    CHECK(worker->batch.context.engine == replica_engine(replica));
    if (!worker_deliver_dead_letters(worker))
        return 0;
    int rc = worker_mark_dumps(worker, err);
    if (rc == 0 && replica == worker->replicas.served)
        worker_status_lose(&worker->status, &worker->batch.sequence, &worker->batch.fields);
    if (rc == 0)
        rc = replica_advance(replica, &worker->batch, err);
    if (rc != 0)
        return rc;
    worker_status_count(&worker->status, &worker->batch.counts);
    worker_warn_of_losses(worker, losses);
    worker_status_set_healthy(&worker->status);
    worker_status_publish(&worker->status);
    return 0;
}

/* While a query wants one tick of all partitions, a batch ends at each proof. */
static bool
worker_batch_is_over(const struct worker *worker)
{
    const struct rendezvous *rendezvous = worker->options.rendezvous;
    return batch_full(&worker->batch) || (rendezvous != NULL && batch_at_proof(&worker->batch) &&
                                          rendezvous_is_wanted(rendezvous));
}

/* Makes a batch of the records that were read, from `*next` on. A record that cannot be taken yet
 * is waited for: one with an unknown schema, or the first one after a gap when an operator has to
 * decide. */
static int
worker_take_batch(struct worker *worker, uint32_t *next, struct error *err)
{
    int64_t begin_us = clock_monotonic_us();
    struct batch *batch = &worker->batch;
    uint32_t first = *next;
    int rc = 0;
    CHECK(*next < worker->read->count);
    CHECK(worker->read->count <= KAFKA_BATCH_RECORDS_MAX);
    batch_begin(batch, &replica_position(worker_fed(worker))->sequence,
                replica_record(worker_fed(worker)));
    batch_set_proof(batch, replica_proof(worker_fed(worker)));
    if (worker->is_other_topic)
        rc = batch_change_topic(batch, err);
    while (rc == 0 && *next < worker->read->count && !worker_batch_is_over(worker)) {
        rc = batch_add(batch, &worker->read->records[*next], err);
        if (rc == 0)
            ++*next;
    }
    if (rc != 0 && batch->counts.records == 0) {
        worker_status_set(&worker->status, rc == ERR_DATA ? SHARD_STALLED : SHARD_WAITING,
                          err->message);
        clock_sleep_ms(WAIT_MS);
        return 0;
    }
    CHECK(batch->counts.records > 0);
    CHECK(batch->counts.records == *next - first);
    batch_close(batch);
    worker_observe(worker, STAGE_DECODE, begin_us);
    rc = worker_finish_batch(worker, err);
    worker->is_other_topic = worker->is_other_topic && rc != 0;
    metrics_observe_us(&worker->options.times->cycle, clock_monotonic_us() - begin_us);
    return rc;
}

/* --- one round ------------------------------------------------------------------------------- */

/* Saves a position that has waited long enough for a frame with data. */
static int
worker_save_quiet(struct worker *worker, struct error *err)
{
    int64_t since_us = replica_unsaved_us(worker_fed(worker));
    if (since_us < 0 || clock_monotonic_us() - since_us < QUIET_SAVE_US)
        return 0;
    return worker_save(worker, err);
}

/* A failure is logged only: the next report includes this one. */
static void
worker_report_durable(struct worker *worker)
{
    struct error err = {0};
    if (committer_report(&worker->committer, &err) != 0)
        log_warn(area, "partition %d: %s", worker->options.partition, err.message);
}

/* --- the message before the first one --------------------------------------------------------- */

/* Reading begins at the message before the next one, if it is there and known: it shows whether
 * the topic is the one that was read (F102). Retention may have removed it, which shows nothing.
 * ERR_RETRY only when the worker was asked to stop. */
static int
worker_find_begin(struct worker *worker, int64_t *offset, struct error *err)
{
    struct feed *feed = worker->options.feed;
    int64_t next = replica_next_offset(worker_fed(worker)), low = 0;
    int rc = 0;
    *offset = next >= 0 ? next : KAFKA_OFFSET_BEGINNING;
    if (feed->beginning == NULL || next <= 0 ||
        replica_position(worker_fed(worker))->sequence.last_message == 0)
        return 0;
    while ((rc = feed->beginning(feed, &low, err)) == ERR_RETRY &&
           !worker_control_is_stopping(&worker->control))
        worker_wait(worker, err->message);
    if (rc != 0)
        return rc;
    worker_status_set_healthy(&worker->status);
    worker->checks_message = low < next;
    *offset = worker->checks_message ? next - 1 : next;
    return 0;
}

/* `*next`: the first record for a batch. */
static void
worker_check_message(struct worker *worker, uint32_t *next)
{
    const struct kafka_record *record = &worker->read->records[0];
    const struct sequence *sequence = &replica_position(worker_fed(worker))->sequence;
    if (!worker->checks_message || worker->read->count == 0)
        return;
    worker->checks_message = false;
    if (record->offset >= replica_next_offset(worker_fed(worker)))
        return; /* it is gone */
    CHECK(record->offset == replica_next_offset(worker_fed(worker)) - 1);
    *next = 1;
    if (sequence_is_message(sequence, record->offset, batch_hash(record)))
        return;
    worker->is_other_topic = true;
    log_warn(area, "partition %d: another message than the one that was read is at offset %" PRId64,
             worker->options.partition, record->offset);
}

/* The topic does not have the offset that comes next. */
static void
worker_stall(struct worker *worker)
{
    char error[ERROR_MESSAGE_BYTES];
    snprintf(error, sizeof error,
             "offset %" PRId64 " is not in the topic any more, so events are lost; reset the "
             "group's offset to the earliest to continue there, then bitdex-producer load "
             "(docs/operations.md)",
             replica_next_offset(worker_fed(worker)));
    worker_status_set(&worker->status, SHARD_STALLED, error);
}

/* Messages were read since `begin_us`: freshness follows from where the partition ended then. */
static void
worker_note_end(struct worker *worker, int64_t begin_us)
{
    const struct kafka_batch *read = worker->read;
    struct feed_bounds bounds;
    CHECK(read->count > 0);
    worker_bounds(worker, &bounds);
    int64_t after_last = read->records[read->count - 1].offset + 1;
    int64_t high = bounds.high > after_last ? bounds.high : after_last;
    replica_take_end(worker_fed(worker), read->records[0].offset, high, begin_us);
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
    CHECK(worker->read->count <= records);
    CHECK(rc == 0 || worker->read->count == 0);
    if (rc == ERR_DATA)
        worker_stall(worker);
    else if (rc == ERR_RETRY)
        worker_status_set(&worker->status, SHARD_WAITING, err->message);
    else if (rc != 0)
        return rc;
    else if (worker_status_is_waiting(&worker->status))
        worker_status_set_healthy(&worker->status);
    if (worker->read->count > 0) {
        worker_observe(worker, STAGE_READ, begin_us);
        worker_note_end(worker, begin_us);
    }
    if (rc != 0)
        clock_sleep_ms(WAIT_MS);
    return 0;
}

/* The log may not grow any more: the partition is served and not read. */
static bool
worker_is_full(struct worker *worker)
{
    int64_t limit_bytes = worker->options.config->consumer.wal_limit_bytes;
    if (replica_wal_bytes(worker_fed(worker)) < limit_bytes)
        return false;
    char error[ERROR_MESSAGE_BYTES];
    snprintf(error, sizeof error,
             "the log in %s has reached consumer.wal_limit_bytes (%" PRId64 "): raise it, or build "
             "the index from what the topic has (docs/operations.md)",
             worker->replicas.directory.path, limit_bytes);
    worker_status_set(&worker->status, SHARD_FULL, error);
    return true;
}

/* Serves the rebuilt replica when it has caught up. */
static int
worker_swap_when_due(struct worker *worker, struct error *err)
{
    struct feed_bounds bounds;
    bool is_rebuilding = replica_pair_is_rebuilding(&worker->replicas);
    CHECK(is_rebuilding == (worker->phase == WORKER_REBUILDING));
    if (!is_rebuilding)
        return 0;
    worker_bounds(worker, &bounds);
    if (!replica_pair_has_caught_up(&worker->replicas, &bounds, worker->read->count == 0))
        return 0;
    int rc = replica_pair_swap(&worker->replicas, err);
    if (rc != 0)
        return rc;
    log_info(area, "partition %d: the rebuilt replica is served, from offset %" PRId64,
             worker->options.partition, replica_next_offset(worker_fed(worker)));
    worker_move(worker, WORKER_RUNNING);
    worker_status_set_healthy(&worker->status);
    worker_status_publish(&worker->status);
    return replica_pair_remove_old(&worker->replicas, err);
}

static bool
worker_may_wait(void *context)
{
    struct worker *worker = context;
    worker_control_heartbeat(&worker->control);
    return !worker_control_is_stopping(&worker->control);
}

/* What is published is applied: queries that wait for it continue, or hold the worker here. */
static void
worker_visit_rendezvous(struct worker *worker)
{
    const struct proof *proof = replica_proof(worker->replicas.served);
    const struct sequence *sequence = &replica_position(worker->replicas.served)->sequence;
    struct rendezvous *rendezvous = worker->options.rendezvous;
    CHECK(worker->phase >= WORKER_RUNNING && worker->phase <= WORKER_LOST);
    if (rendezvous == NULL)
        return;
    const struct rendezvous_place place = {
        .epoch = proof->epoch,
        .tick = proof->tick,
        .is_exact =
            proof->epoch != 0 && proof->epoch == sequence->epoch && proof->tick == sequence->tick,
    };
    rendezvous_announce(rendezvous);
    rendezvous_visit(rendezvous, worker->options.partition, &place, worker_may_wait, worker);
}

/* Reads once, and works until every record that was read is in a batch. */
static int
worker_round(struct worker *worker, struct error *err)
{
    uint32_t next = 0;
    CHECK(worker->phase == WORKER_RUNNING || worker->phase == WORKER_REBUILDING);
    if (worker_is_full(worker)) {
        worker_heartbeat(worker);
        worker_visit_rendezvous(worker);
        clock_sleep_ms(WAIT_MS);
        return checkpointer_step_full(&worker->checkpointer, err);
    }
    int rc = worker_read(worker, err);
    if (rc == 0)
        worker_check_message(worker, &next);
    do {
        worker_heartbeat(worker);
        if (rc == 0 && next < worker->read->count)
            rc = worker_take_batch(worker, &next, err);
        if (rc == 0)
            rc = worker_save_quiet(worker, err);
        if (rc == 0)
            worker_report_durable(worker);
        if (rc == 0)
            rc = worker_report_dumps(worker, err);
        if (rc == 0)
            rc = worker_swap_when_due(worker, err);
        if (rc == 0)
            rc = checkpointer_step(&worker->checkpointer, err);
        if (rc == 0)
            worker_visit_rendezvous(worker);
    } while (rc == 0 && next < worker->read->count &&
             !worker_control_is_stopping(&worker->control) &&
             !worker_control_is_lost(&worker->control));
    return rc;
}

/* --- the thread ------------------------------------------------------------------------------ */

static int
worker_recover(struct worker *worker, struct error *err)
{
    CHECK(worker->phase == WORKER_RECOVERING);
    int rc = replica_pair_recover(&worker->replicas, err);
    if (rc != 0)
        return rc;
    if (!replica_pair_is_interrupted(&worker->replicas))
        worker_status_set_healthy(&worker->status);
    worker_move(worker, WORKER_RESUMING);
    return 0;
}

static int
worker_resume(struct worker *worker, struct error *err)
{
    const struct resumer resumer = {
        .feed = worker->options.feed,
        .replicas = &worker->replicas,
        .status = &worker->status,
        .control = &worker->control,
        .committer = &worker->committer,
        .data_dir_id = worker->options.data_dir->id,
        .partition = worker->options.partition,
        .wait = worker_wait,
        .context = worker,
    };
    CHECK(worker->phase == WORKER_RESUMING);
    int64_t served = replica_durable_offset(worker->replicas.served), offset;
    int rc = resumer_run(&resumer, err);
    if (rc == 0)
        rc = worker_find_begin(worker, &offset, err);
    if (rc == 0)
        rc = worker_recover_dumps(worker, served, err);
    if (rc != 0)
        return rc;
    bool is_rebuilding = replica_pair_is_rebuilding(&worker->replicas);
    worker_move(worker, is_rebuilding ? WORKER_REBUILDING : WORKER_RUNNING);
    worker->batch.context.engine = replica_engine(worker_fed(worker));
    worker_control_set_ready(&worker->control, offset);
    return 0;
}

/* Until the worker is asked to stop: reads the partition until it is lost, then only serves it,
 * until the group answers and the assignment decides. */
static int
worker_loop(struct worker *worker, struct error *err)
{
    int rc = 0;
    while (rc == 0 && !worker_control_is_stopping(&worker->control)) {
        if (worker->phase == WORKER_LOST) {
            worker_visit_rendezvous(worker);
            worker_wait(worker, "lost its place in the group, which does not answer");
        } else if (worker_control_is_lost(&worker->control)) {
            worker_move(worker, WORKER_LOST);
        } else {
            rc = worker_round(worker, err);
        }
    }
    return rc;
}

static void
worker_commit_last(struct worker *worker)
{
    struct error err = {0};
    CHECK(worker->phase == WORKER_STOPPING);
    if (replica_durable_offset(worker_fed(worker)) < 0)
        return;
    if (committer_commit(&worker->committer, &err) != 0)
        log_warn(area, "partition %d: %s", worker->options.partition, err.message);
}

/* `rc`: how the loop has ended. When the whole process stops, a last checkpoint shortens the next
 * recovery. */
static int
worker_finish(struct worker *worker, int rc, struct error *err)
{
    CHECK(worker->failure.code == 0);
    worker_move(worker, WORKER_STOPPING);
    if (worker->options.rendezvous != NULL)
        rendezvous_leave(worker->options.rendezvous, worker->options.partition);
    if (rc == 0 && !worker_control_is_lost(&worker->control))
        rc = worker_save(worker, err);
    if (rc == 0)
        worker_commit_last(worker);
    checkpointer_finish(&worker->checkpointer);
    if (rc == 0 && shutdown_requested() && !worker_control_is_lost(&worker->control) &&
        worker->options.as_of_us == 0)
        rc = checkpointer_begin(&worker->checkpointer, err);
    checkpointer_finish(&worker->checkpointer);
    worker_move(worker, WORKER_STOPPED);
    return rc;
}

static void *
worker_main(void *context)
{
    struct worker *worker = context;
    struct error err = {0};
    int rc = worker_recover(worker, &err);
    if (rc == 0)
        rc = worker_resume(worker, &err);
    if (rc == 0)
        rc = worker_loop(worker, &err);
    rc = worker_finish(worker, rc, &err);
    if (rc != 0 && !(rc == ERR_RETRY && worker_control_is_stopping(&worker->control))) {
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
    CHECK(worker->phase == WORKER_RECOVERING || worker->phase == WORKER_STOPPED);
    kafka_batch_release(worker->read);
    free(worker->read);
    worker->options.feed->destroy(worker->options.feed);
    batch_free(&worker->batch);
    event_codec_destroy(worker->codec);
    dead_letter_topic_destroy(worker->dead_letter_topic);
    shard_destroy(worker->shard);
    replica_pair_destroy(&worker->replicas);
    free(worker);
}

/* Everything that cannot fail. */
static void
worker_init(struct worker *worker, const struct worker_options *options)
{
    CHECK(options->feed != NULL);
    CHECK(options->data_dir != NULL);
    CHECK(options->times != NULL);
    CHECK(options->partition >= 0);
    CHECK(options->partition < options->config->topic.partitions);
    worker->options = *options;
    worker->phase = WORKER_RECOVERING;
    if (options->config->kafka.present && options->as_of_us == 0)
        worker->dead_letter_topic = dead_letter_topic_create(options->config);
    worker->read = memory_zalloc(sizeof *worker->read);
    struct config_fields fields;
    config_fields_init(&fields, &options->config->index_config);
    worker->shard = shard_create(&fields);
    config_fields_free(&fields);
    worker_control_init(&worker->control);
    worker_status_init(&worker->status, worker->shard, &worker->replicas, options->partition,
                       options->config->consumer.owed_incomplete_s);
    checkpointer_init(&worker->checkpointer, &worker->replicas, &worker->control, &worker->status);
    worker->committer = (struct committer){
        .feed = options->feed,
        .replicas = &worker->replicas,
        .control = &worker->control,
        .data_dir_id = options->data_dir->id,
        .partition = options->partition,
    };
}

static int
worker_prepare(struct worker *worker, struct error *err)
{
    const struct worker_options *options = &worker->options;
    const struct replica_pair_options pair_options = {
        .config = options->config,
        .files = options->data_dir->files,
        .shard = worker->shard,
        .control = &worker->control,
        .times = options->times,
        .partition = options->partition,
        .as_of_us = options->as_of_us,
    };
    int rc = replica_pair_create(&worker->replicas, &pair_options, err);
    if (rc == 0)
        rc = event_codec_create(&worker->codec, err);
    if (rc != 0)
        return rc;
    const struct batch_context context = {
        .config = options->config,
        .partition = options->partition,
        .engine = replica_engine(worker->replicas.served),
        .codec = worker->codec,
    };
    batch_init(&worker->batch, &context);
    return 0;
}

int
worker_start(const struct worker_options *options, struct worker **worker, struct error *err)
{
    struct worker *made = memory_zalloc(sizeof *made);
    char name[THREAD_NAME_BYTES];
    snprintf(name, sizeof name, "partition %d", options->partition);
    worker_init(made, options);
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
    return worker_control_is_ready(&worker->control, offset);
}

void
worker_bounds(struct worker *worker, struct feed_bounds *bounds)
{
    worker->options.feed->bounds(worker->options.feed, bounds);
}

bool
worker_has_arrived(struct worker *worker)
{
    struct shard_status status;
    struct feed_bounds bounds;
    if (worker->options.as_of_us == 0)
        return true;
    worker_bounds(worker, &bounds);
    shard_read_status(worker->shard, &status);
    return bounds.high >= 0 && status.offset >= bounds.high;
}

int64_t
worker_heartbeat_us(const struct worker *worker)
{
    return worker_control_heartbeat_us(&worker->control);
}

int64_t
worker_request_checkpoint(struct worker *worker)
{
    return checkpointer_request(&worker->checkpointer);
}

bool
worker_checkpoint_answer(struct worker *worker, int64_t request, struct shard_checkpoint *answer)
{
    struct shard_status status;
    CHECK(request > 0);
    shard_read_status(worker->shard, &status);
    *answer = status.checkpoint;
    if (answer->answered >= request)
        return true;
    if (checkpointer_has_request(&worker->checkpointer, request))
        return false;
    snprintf(answer->error, sizeof answer->error, "the partition was revoked and assigned again");
    return true;
}

struct shard *
worker_shard(struct worker *worker)
{
    return worker->shard;
}

void
worker_lose(struct worker *worker)
{
    worker_control_lose(&worker->control);
}

void
worker_request_stop(struct worker *worker)
{
    worker_control_stop(&worker->control);
}

int
worker_stop(struct worker *worker, struct error *err)
{
    worker_request_stop(worker);
    thread_join(worker->thread);
    CHECK(worker->phase == WORKER_STOPPED);
    int rc = worker->failure.code;
    if (rc != 0)
        *err = worker->failure;
    worker_free(worker);
    return rc;
}
