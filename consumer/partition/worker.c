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
#include "consumer/partition/intake.h"
#include "consumer/partition/rebuilder.h"
#include "consumer/partition/replica_pair.h"
#include "consumer/partition/resumer.h"
#include "consumer/partition/worker_control.h"
#include "consumer/partition/worker_phase.h"
#include "consumer/partition/worker_status.h"

enum {
    WAIT_MS = 100,
    RETRY_MS = 20,
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
    struct replay_slot replay; /* between threads */

    /* Of the thread. */
    enum worker_phase phase;
    struct replica_pair replicas;
    struct worker_status status;
    struct committer committer;
    struct event_codec *codec;
    struct dead_letter_topic *dead_letter_topic;
    struct intake intake;       /* of the served replica */
    struct rebuilder rebuilder; /* of the rebuilt one */
    bool checks_message;        /* the first one that is read may be the last one of before */
    bool is_close;              /* the served replica pauses for the rebuilt one */
    int64_t reported_losses;
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
worker_served(const struct worker *worker)
{
    return worker->replicas.served;
}

static void
worker_heartbeat(struct worker *worker)
{
    worker_control_heartbeat(&worker->control);
    replica_pair_set_time(&worker->replicas);
}

/* Answers an open request that cannot be followed. */
static void
worker_refuse_replay(struct worker *worker, const char *why)
{
    struct replay_answer answer = {.result = "refused", .offset = -1};
    CHECK(why[0] != '\0');
    snprintf(answer.error, sizeof answer.error, "%s", why);
    replay_slot_answer(&worker->replay, &answer);
}

/* A pause in which the worker cannot work, for the reason in its state. */
static void
worker_pause(struct worker *worker, int pause_ms)
{
    CHECK(worker->phase >= WORKER_RESUMING);
    CHECK(worker->phase <= WORKER_LOST);
    worker_heartbeat(worker);
    checkpointer_finish_if_done(&worker->checkpointer);
    if (worker_status_is_waiting(&worker->status)) {
        checkpointer_reject(&worker->checkpointer, worker->status.shown.error);
        worker_refuse_replay(worker, worker->status.shown.error);
    }
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
    int rc = replica_save(worker_served(worker), err);
    if (rc == 0)
        worker_status_publish(&worker->status);
    return rc;
}

/* --- the dump registry ------------------------------------------------------------------------ */

static int
worker_report_dumps(struct worker *worker, struct error *err)
{
    int64_t offset = replica_durable_offset(worker_served(worker));
    if (worker->options.dumps == NULL || offset < 0)
        return 0;
    return dump_registry_durable(worker->options.dumps, worker->options.partition, offset, err);
}

static int
worker_recover_dumps(struct worker *worker, struct error *err)
{
    int64_t offset = replica_durable_offset(worker_served(worker));
    CHECK(worker->phase == WORKER_RESUMING);
    if (worker->options.dumps == NULL)
        return 0;
    return dump_registry_recovered(worker->options.dumps, worker->options.partition,
                                   offset >= 0 ? offset : 0, err);
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

/* While dead letters are not acknowledged. */
static void
worker_wait_for_letters(void *context, const char *reason)
{
    struct worker *worker = context;
    if (reason[0] != '\0')
        worker_status_set(&worker->status, SHARD_WAITING, reason);
    worker_pause(worker, RETRY_MS);
}

static void
worker_warn_of_losses(struct worker *worker, const struct sequence *sequence)
{
    if (sequence->losses == worker->reported_losses)
        return;
    worker->reported_losses = sequence->losses;
    char reason[SEQUENCE_REASON_BYTES];
    sequence_describe(sequence, sequence->reason, reason, sizeof reason);
    log_warn(area, "partition %d: loss proved before offset %" PRId64 ": %s: bitdex-producer load",
             worker->options.partition, worker->intake.batch.next_offset, reason);
}

static void
worker_count(struct worker *worker, const struct batch *batch)
{
    worker_status_count(&worker->status, &batch->counts);
    worker->status.shown.dead_letters += batch->dead_letters.count;
    worker_warn_dead_letters(worker);
}

/* The status says so at once; the next batch makes it durable. */
static void
worker_set_other_topic(struct worker *worker, bool is_other)
{
    worker->intake.is_other_topic = worker->status.is_other_topic = is_other;
}

static void
worker_note_applying(void *context, const struct batch *batch)
{
    struct worker *worker = context;
    worker->reported_losses = replica_position(worker_served(worker))->sequence.losses;
    worker_status_lose(&worker->status, &batch->sequence, &batch->fields);
}

static void
worker_note_applied(void *context, const struct batch *batch)
{
    struct worker *worker = context;
    worker_set_other_topic(worker, false);
    worker_count(worker, batch);
    worker_warn_of_losses(worker, &replica_position(worker_served(worker))->sequence);
    worker_status_set_healthy(&worker->status);
    worker_status_publish(&worker->status);
}

/* A batch of the rebuilt replica. */
static void
worker_note_rebuilt(void *context, const struct batch *batch)
{
    struct worker *worker = context;
    worker_count(worker, batch);
    worker_status_publish(&worker->status);
}

/* How long the served replica may wait for messages. */
static int
worker_wait_ms(const struct worker *worker)
{
    return rebuilder_is_busy(&worker->rebuilder) ? 0 : WAIT_MS;
}

/* A record that cannot be taken yet is waited for. */
static int
worker_take(struct worker *worker, struct error *err)
{
    struct error stuck;
    int rc = intake_take(&worker->intake, &stuck, err);
    if (rc != 0 || stuck.code == 0)
        return rc;
    worker_status_set(&worker->status, stuck.code == ERR_DATA ? SHARD_STALLED : SHARD_WAITING,
                      stuck.message);
    clock_sleep_ms(worker_wait_ms(worker));
    return 0;
}

/* --- one round ------------------------------------------------------------------------------- */

/* Saves a position that has waited long enough for a frame with data. */
static int
worker_save_quiet(struct worker *worker, struct error *err)
{
    int64_t since_us = replica_unsaved_us(worker_served(worker));
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
 * A topic that ends before the next one gets no message there for long: reading at the next one
 * shows at once that it is gone. ERR_RETRY only when the worker was asked to stop. */
static int
worker_find_begin(struct worker *worker, int64_t *offset, struct error *err)
{
    struct feed *feed = worker->options.feed;
    int64_t next = replica_next_offset(worker_served(worker)), low = 0, high = 0;
    int rc = 0;
    *offset = next >= 0 ? next : KAFKA_OFFSET_BEGINNING;
    if (feed->extent == NULL || next <= 0 ||
        replica_position(worker_served(worker))->sequence.last_message == 0)
        return 0;
    while ((rc = feed->extent(feed, &low, &high, err)) == ERR_RETRY &&
           !worker_control_is_stopping(&worker->control))
        worker_wait(worker, err->message);
    if (rc != 0)
        return rc;
    worker_status_set_healthy(&worker->status);
    worker->checks_message = low < next && next <= high;
    *offset = worker->checks_message ? next - 1 : next;
    return 0;
}

/* Of what was read. */
static void
worker_check_message(struct worker *worker)
{
    const struct kafka_batch *read = worker->intake.read;
    const struct sequence *sequence = &replica_position(worker_served(worker))->sequence;
    if (!worker->checks_message || read->count == 0)
        return;
    const struct kafka_record *record = &read->records[0];
    worker->checks_message = false;
    if (record->offset >= replica_next_offset(worker_served(worker)))
        return; /* it is gone */
    CHECK(record->offset == replica_next_offset(worker_served(worker)) - 1);
    if (sequence_is_message(sequence, record->offset, batch_hash(record)))
        return;
    worker_set_other_topic(worker, true);
    log_warn(area, "partition %d: another message than the one that was read is at offset %" PRId64,
             worker->options.partition, record->offset);
    worker_status_publish(&worker->status);
}

/* The topic does not have the offset that comes next. */
static void
worker_stall(struct worker *worker)
{
    char error[ERROR_MESSAGE_BYTES];
    snprintf(
        error, sizeof error,
        "offset %" PRId64 " is not in the topic any more, so events are lost; to continue "
        "after them, stop the group and reset this partition alone: kafka-consumer-groups --group "
        "%s --topic %s:%d --reset-offsets --to-earliest --execute; then bitdex-producer load "
        "(docs/operations.md)",
        replica_next_offset(worker_served(worker)), worker->options.config->consumer.group,
        worker->options.config->topic.name, worker->options.partition);
    worker_status_set(&worker->status, SHARD_STALLED, error);
}

/* Reading begins again at the next offset; `feed->replace` has dropped what was fetched. */
static void
worker_read_again(struct worker *worker)
{
    int64_t offset = replica_next_offset(worker_served(worker));
    intake_drop(&worker->intake);
    worker_status_set_healthy(&worker->status);
    worker_control_set_ready(&worker->control, offset >= 0 ? offset : KAFKA_OFFSET_BEGINNING);
}

/* worker_find_begin() has found the message before the next one, and retention has removed it. */
static void
worker_skip_check(struct worker *worker)
{
    worker->checks_message = false;
    worker->options.feed->replace(worker->options.feed, true);
    worker_read_again(worker);
}

/* Messages were read since `begin_us`: freshness follows from where the partition ended then. */
static void
worker_note_end(struct worker *worker, int64_t begin_us)
{
    const struct kafka_batch *read = worker->intake.read;
    struct feed_bounds bounds;
    CHECK(read->count > 0);
    worker_bounds(worker, &bounds);
    int64_t after_last = read->records[read->count - 1].offset + 1;
    int64_t high = bounds.high > after_last ? bounds.high : after_last;
    replica_take_end(worker_served(worker), read->records[0].offset, high, begin_us);
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
    struct kafka_batch *read = worker->intake.read;
    int rc =
        feed->read(feed, worker_wait_ms(worker), records, (size_t)config->batch_bytes, read, err);
    CHECK(rc == 0 || read->count == 0);
    intake_begin(&worker->intake);
    if (rc == ERR_DATA && worker->checks_message)
        worker_skip_check(worker);
    else if (rc == ERR_DATA)
        worker_stall(worker);
    else if (rc == ERR_RETRY)
        worker_status_set(&worker->status, SHARD_WAITING, err->message);
    else if (rc != 0)
        return rc;
    else if (worker_status_is_waiting(&worker->status))
        worker_status_set_healthy(&worker->status);
    if (read->count > 0) {
        worker_observe(worker, STAGE_READ, begin_us);
        worker_note_end(worker, begin_us);
    }
    if (rc != 0)
        clock_sleep_ms(worker_wait_ms(worker));
    return 0;
}

/* The log may not grow any more: the partition is served and not read. */
static bool
worker_is_full(struct worker *worker)
{
    int64_t limit_bytes = worker->options.config->consumer.wal_limit_bytes;
    if (replica_wal_bytes(worker_served(worker)) < limit_bytes)
        return false;
    char error[ERROR_MESSAGE_BYTES];
    snprintf(error, sizeof error,
             "the log in %s has reached consumer.wal_limit_bytes (%" PRId64 "): raise it, or build "
             "the index from what the topic has (docs/operations.md)",
             worker->replicas.directory.path, limit_bytes);
    worker_status_set(&worker->status, SHARD_FULL, error);
    return true;
}

/* Reads or takes one batch. */
static int
worker_serve_step(struct worker *worker, bool is_full, struct error *err)
{
    if (is_full || !worker_control_is_reading(&worker->control)) {
        clock_sleep_ms(worker_wait_ms(worker));
        return 0;
    }
    int rc = 0;
    if (!intake_has_records(&worker->intake) && !worker->is_close)
        rc = worker_read(worker, err);
    if (rc == 0)
        worker_check_message(worker);
    return rc == 0 && intake_has_records(&worker->intake) ? worker_take(worker, err) : rc;
}

/* --- a rebuild ------------------------------------------------------------------------------- */

/* The phase and the state follow the replicas. */
static void
worker_follow_replicas(struct worker *worker)
{
    bool is_rebuilding = replica_pair_is_rebuilding(&worker->replicas);
    worker->is_close = false;
    if (is_rebuilding != (worker->phase == WORKER_REBUILDING))
        worker_move(worker, is_rebuilding ? WORKER_REBUILDING : WORKER_RUNNING);
    if (worker->status.shown.error[0] == '\0')
        worker_status_set_healthy(&worker->status);
    worker_status_publish(&worker->status);
}

static int
worker_swap(struct worker *worker, struct error *err)
{
    bool is_elsewhere =
        worker->status.shown.state == SHARD_STALLED ||
        replica_next_offset(worker->replicas.rebuilt) < replica_next_offset(worker_served(worker));
    checkpointer_finish(&worker->checkpointer);
    int rc = rebuilder_swap(&worker->rebuilder, err);
    if (rc != 0)
        return rc;
    log_info(area, "partition %d: the rebuilt replica is served, from offset %" PRId64,
             worker->options.partition, replica_next_offset(worker_served(worker)));
    worker->options.feed->replace(worker->options.feed, is_elsewhere);
    intake_feed(&worker->intake, worker_served(worker));
    worker->checks_message = false;
    worker_set_other_topic(worker, false);
    if (is_elsewhere)
        worker_read_again(worker);
    worker_follow_replicas(worker);
    return replica_pair_remove_old(&worker->replicas, err);
}

/* ERR_RETRY of the group: the next round tries again. */
static int
worker_end_rebuild(struct worker *worker, struct error *err)
{
    int rc = rebuilder_end(&worker->rebuilder, err);
    if (rc == 0)
        worker_follow_replicas(worker);
    return rc == ERR_RETRY ? 0 : rc;
}

static int
worker_rebuild_step(struct worker *worker, struct error *err)
{
    enum replay_step step;
    bool is_rebuilding = replica_pair_is_rebuilding(&worker->replicas);
    CHECK(is_rebuilding == (worker->phase == WORKER_REBUILDING));
    if (!is_rebuilding)
        return 0;
    int rc = rebuilder_step(&worker->rebuilder, worker->is_close, &step, err);
    if (rc != 0)
        return rc;
    worker->is_close = step == REPLAY_CLOSE;
    if (step == REPLAY_SWAP)
        return worker_swap(worker, err);
    return step == REPLAY_END ? worker_end_rebuild(worker, err) : 0;
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

/* Where the replay begins. ERR_USAGE: nowhere. */
static int
worker_find_replay(struct worker *worker, const struct replay_request *request, int64_t *offset,
                   struct error *err)
{
    struct feed *feed = worker->options.feed;
    int64_t serving = replica_next_offset(worker_served(worker));
    int rc = 0;
    CHECK(request->value >= 0);
    *offset = request->from == REPLAY_FROM_OFFSET ? request->value : 0;
    if (request->from == REPLAY_FROM_LAST && request->value < serving)
        *offset = serving - request->value;
    if (feed->open_reader == NULL)
        return error_set(err, ERR_USAGE, "a stand-alone index has no topic to replay");
    if (request->from == REPLAY_FROM_TIME)
        rc = feed->offset_at(feed, request->value, offset, err);
    if (rc == 0 && *offset < 0)
        return error_set(err, ERR_USAGE, "the topic has no message since that time");
    if (rc == 0 && *offset >= serving)
        return error_set(err, ERR_USAGE,
                         "offset %" PRId64 " is not before the serving position, %" PRId64
                         ": there is nothing to replay",
                         *offset, serving);
    return rc;
}

static int
worker_begin_replay(struct worker *worker, const struct replay_request *request,
                    struct replay_answer *answer, struct error *err)
{
    struct error refused = {0};
    int64_t offset;
    answer->result = "refused";
    int rc = worker_find_replay(worker, request, &offset, &refused);
    if (rc == 0) {
        rc = rebuilder_begin(&worker->rebuilder, offset, request->accepts_loss, &refused, err);
        if (rc != 0)
            return rc;
        answer->result = "begun";
        answer->offset = replica_next_offset(worker->replicas.rebuilt);
    }
    if (refused.code != 0)
        snprintf(answer->error, sizeof answer->error, "%s", refused.message);
    worker_follow_replicas(worker);
    return 0;
}

static int
worker_abort_replay(struct worker *worker, struct replay_answer *answer, struct error *err)
{
    int rc = rebuilder_end(&worker->rebuilder, err);
    if (rc != 0 && rc != ERR_RETRY)
        return rc;
    answer->result = rc == 0 ? "taken back" : "refused";
    if (rc == ERR_RETRY)
        snprintf(answer->error, sizeof answer->error, "%s", err->message);
    worker_follow_replicas(worker);
    worker_status_set_replay(&worker->status, "");
    return 0;
}

static int
worker_follow_request(struct worker *worker, struct error *err)
{
    struct replay_request request;
    struct replay_answer answer = {.result = "none", .offset = -1};
    if (!replay_slot_take(&worker->replay, &request))
        return 0;
    int rc = 0;
    bool is_rebuilding = replica_pair_is_rebuilding(&worker->replicas);
    if (request.action == REPLAY_BEGIN) {
        rc = worker_begin_replay(worker, &request, &answer, err);
    } else if (is_rebuilding && request.action == REPLAY_ABORT) {
        rc = worker_abort_replay(worker, &answer, err);
    } else if (is_rebuilding) {
        answer.result = "accepted";
        answer.offset = replica_next_offset(worker->replicas.rebuilt);
        rc = partition_dir_accept_loss(&worker->replicas.directory, err);
        worker_status_set_replay(&worker->status, ""); /* it waits for nothing now */
    }
    if (rc == 0)
        replay_slot_answer(&worker->replay, &answer);
    return rc;
}

/* Takes one batch of each replica, and follows what is asked. */
static int
worker_round(struct worker *worker, struct error *err)
{
    CHECK(worker->phase == WORKER_RUNNING || worker->phase == WORKER_REBUILDING);
    worker_heartbeat(worker);
    bool is_full = worker_is_full(worker);
    int rc = worker_serve_step(worker, is_full, err);
    if (rc == 0)
        rc = worker_save_quiet(worker, err);
    if (rc == 0)
        worker_report_durable(worker);
    if (rc == 0)
        rc = worker_report_dumps(worker, err);
    if (rc == 0)
        rc = worker_rebuild_step(worker, err);
    if (rc == 0)
        rc = is_full ? checkpointer_step_full(&worker->checkpointer, err)
                     : checkpointer_step(&worker->checkpointer, err);
    if (rc == 0)
        worker_visit_rendezvous(worker);
    return rc == 0 ? worker_follow_request(worker, err) : rc;
}

/* --- the thread ------------------------------------------------------------------------------ */

static int
worker_recover(struct worker *worker, struct error *err)
{
    CHECK(worker->phase == WORKER_RECOVERING);
    int rc = replica_pair_recover(&worker->replicas, err);
    if (rc != 0)
        return rc;
    intake_feed(&worker->intake, worker_served(worker)); /* recovery may replace the engine */
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
    int64_t offset;
    int rc = resumer_run(&resumer, err);
    if (rc == 0)
        rc = worker_find_begin(worker, &offset, err);
    if (rc == 0)
        rc = worker_recover_dumps(worker, err);
    if (rc != 0)
        return rc;
    bool is_rebuilding = replica_pair_is_rebuilding(&worker->replicas);
    worker_move(worker, is_rebuilding ? WORKER_REBUILDING : WORKER_RUNNING);
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
    if (replica_durable_offset(worker_served(worker)) < 0)
        return;
    if (committer_commit(&worker->committer, replica_pair_replay(&worker->replicas), &err) != 0)
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
    if (rc == 0 && !worker_control_is_lost(&worker->control))
        rc = rebuilder_save(&worker->rebuilder, err);
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
    rebuilder_free(&worker->rebuilder);
    intake_free(&worker->intake);
    worker->options.feed->destroy(worker->options.feed);
    event_codec_destroy(worker->codec);
    dead_letter_topic_destroy(worker->dead_letter_topic);
    shard_destroy(worker->shard);
    replica_pair_destroy(&worker->replicas);
    replay_slot_free(&worker->replay);
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
    struct config_fields fields;
    config_fields_init(&fields, &options->config->index_config);
    worker->shard = shard_create(&fields);
    config_fields_free(&fields);
    worker_control_init(&worker->control);
    replay_slot_init(&worker->replay);
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

static void
worker_prepare_intakes(struct worker *worker)
{
    const struct worker_options *options = &worker->options;
    struct intake_options intake = {
        .config = options->config,
        .control = &worker->control,
        .times = options->times,
        .codec = worker->codec,
        .dead_letter_topic = worker->dead_letter_topic,
        .dumps = options->dumps,
        .partition = options->partition,
        .is_as_of = options->as_of_us != 0,
        .rendezvous = options->rendezvous,
        .wait = worker_wait_for_letters,
        .applying = worker_note_applying,
        .applied = worker_note_applied,
        .context = worker,
    };
    intake_init(&worker->intake, &intake, worker_served(worker));
    intake.rendezvous = NULL;
    intake.applying = NULL;
    intake.applied = worker_note_rebuilt;
    const struct rebuilder_options rebuilder = {
        .feed = options->feed,
        .replicas = &worker->replicas,
        .committer = &worker->committer,
        .status = &worker->status,
        .intake = intake,
    };
    rebuilder_init(&worker->rebuilder, &rebuilder);
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
    worker_prepare_intakes(worker);
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

int64_t
worker_ready(struct worker *worker, int64_t *offset)
{
    return worker_control_is_ready(&worker->control, offset);
}

void
worker_begin_reading(struct worker *worker, int64_t number)
{
    worker_control_begin_reading(&worker->control, number);
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

int64_t
worker_request_replay(struct worker *worker, const struct replay_request *request)
{
    return replay_slot_put(&worker->replay, request);
}

bool
worker_replay_answer(struct worker *worker, int64_t request, struct replay_answer *answer)
{
    return replay_slot_find(&worker->replay, request, answer);
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
