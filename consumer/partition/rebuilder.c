#include "consumer/partition/rebuilder.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/kafka/kafka_consumer.h"
#include "consumer/checkpoint/checkpoint_copy.h"
#include "consumer/partition/incomplete.h"

enum {
    READ_MS = 20,
    POLL_MS = 20,
    REOPEN_US = US_PER_S,
    QUIET_SAVE_US = US_PER_S, /* how long a position without data may wait for a frame */
};

static const char *const area = "replay";

void
rebuilder_init(struct rebuilder *rebuilder, const struct rebuilder_options *options)
{
    CHECK(options->feed != NULL);
    CHECK(options->replicas != NULL);
    *rebuilder = (struct rebuilder){.options = *options};
}

static void
rebuilder_close(struct rebuilder *rebuilder)
{
    if (rebuilder->reader == NULL)
        return;
    intake_free(&rebuilder->intake);
    rebuilder->reader->destroy(rebuilder->reader);
    rebuilder->reader = NULL;
}

void
rebuilder_free(struct rebuilder *rebuilder)
{
    rebuilder_close(rebuilder);
}

/* What a new rebuild begins with. */
static void
rebuilder_reset(struct rebuilder *rebuilder)
{
    rebuilder_close(rebuilder);
    rebuilder->opened_us = 0;
    rebuilder->is_idle = rebuilder->is_lost = false;
    rebuilder->stuck.code = 0;
}

static struct replica *
rebuilder_replica(const struct rebuilder *rebuilder)
{
    CHECK(replica_pair_is_rebuilding(rebuilder->options.replicas));
    return rebuilder->options.replicas->rebuilt;
}

int
rebuilder_begin(struct rebuilder *rebuilder, int64_t offset, bool accepts_loss,
                struct error *unanswered, struct error *err)
{
    struct replica_pair *replicas = rebuilder->options.replicas;
    int64_t now_ms = clock_realtime_us() / US_PER_MS;
    int64_t last = replica_pair_replay(replicas);
    CHECK(offset < replica_next_offset(replicas->served));
    rebuilder_reset(rebuilder);
    worker_status_set_replay(rebuilder->options.status, "");
    int rc = replica_pair_begin_rebuild(replicas, offset, now_ms > last ? now_ms : last + 1, err);
    if (rc == 0 && accepts_loss)
        rc = partition_dir_accept_loss(&replicas->directory, err);
    if (rc != 0)
        return rc;
    unanswered->code = 0;
    rc = committer_commit(rebuilder->options.committer, replica_pair_replay(replicas), unanswered);
    if (rc != 0 && rc != ERR_RETRY) {
        *err = *unanswered;
        return rc;
    }
    log_info(area,
             "partition %d: a replay begins at offset %" PRId64 " beside the replica at %" PRId64,
             replicas->options.partition, replica_next_offset(replicas->rebuilt),
             replica_next_offset(replicas->served));
    return replica_pair_save_seed(replicas, err);
}

/* --- reading --------------------------------------------------------------------------------- */

static void
rebuilder_open(struct rebuilder *rebuilder)
{
    struct replica *replica = rebuilder_replica(rebuilder);
    struct feed *feed = rebuilder->options.feed;
    int64_t offset = replica_next_offset(replica);
    int64_t now_us = clock_monotonic_us();
    CHECK(feed->open_reader != NULL);
    if (rebuilder->opened_us != 0 && now_us - rebuilder->opened_us < REOPEN_US)
        return;
    rebuilder->opened_us = now_us;
    rebuilder->stuck.code = 0;
    if (feed->open_reader(feed, offset >= 0 ? offset : KAFKA_OFFSET_BEGINNING, &rebuilder->reader,
                          &rebuilder->stuck) == 0)
        intake_init(&rebuilder->intake, &rebuilder->options.intake, replica);
    else
        rebuilder->reader = NULL;
}

/* Messages were read since `begin_us`: freshness follows from where the partition ended then. */
static void
rebuilder_note_end(struct rebuilder *rebuilder, int64_t begin_us)
{
    const struct kafka_batch *read = rebuilder->intake.read;
    int64_t after_last = read->records[read->count - 1].offset + 1;
    int64_t low, high;
    rebuilder->reader->bounds(rebuilder->reader, &low, &high);
    replica_take_end(rebuilder_replica(rebuilder), read->records[0].offset,
                     high > after_last ? high : after_last, begin_us);
}

static void
rebuilder_read(struct rebuilder *rebuilder, int wait_ms)
{
    struct feed_reader *reader = rebuilder->reader;
    const struct kafka_batch *read = rebuilder->intake.read;
    int64_t begin_us = clock_monotonic_us();
    rebuilder->stuck.code = 0;
    int rc = reader->read(reader, wait_ms, rebuilder->intake.read, &rebuilder->stuck);
    CHECK(rc == 0 || read->count == 0);
    intake_begin(&rebuilder->intake);
    if (read->count > 0)
        rebuilder_note_end(rebuilder, begin_us);
    rebuilder->is_idle = rc == 0 && read->count == 0;
    rebuilder->is_lost = rc == ERR_DATA;
}

/* The log of the rebuilt replica may not grow any more. */
static bool
rebuilder_is_full(struct rebuilder *rebuilder)
{
    const struct config *config = rebuilder->options.intake.config;
    if (replica_wal_bytes(rebuilder_replica(rebuilder)) < config->consumer.wal_limit_bytes)
        return false;
    rebuilder->is_idle = false;
    error_set(&rebuilder->stuck, ERR_RETRY,
              "its log in %s has reached consumer.wal_limit_bytes (%" PRId64 ")",
              rebuilder->options.replicas->directory.rebuilt, config->consumer.wal_limit_bytes);
    return true;
}

static int
rebuilder_advance(struct rebuilder *rebuilder, int wait_ms, struct error *err)
{
    if (rebuilder->reader == NULL)
        rebuilder_open(rebuilder);
    if (rebuilder->reader == NULL || rebuilder_is_full(rebuilder))
        return 0;
    if (!intake_has_records(&rebuilder->intake))
        rebuilder_read(rebuilder, wait_ms);
    if (!intake_has_records(&rebuilder->intake))
        return 0;
    return intake_take(&rebuilder->intake, &rebuilder->stuck, err);
}

static int
rebuilder_save_quiet(struct rebuilder *rebuilder, struct error *err)
{
    struct replica *replica = rebuilder_replica(rebuilder);
    int64_t since_us = replica_unsaved_us(replica);
    if (since_us < 0 || clock_monotonic_us() - since_us < QUIET_SAVE_US)
        return 0;
    return replica_save(replica, err);
}

/* A failed checkpoint loses nothing; the next one is due when the log has grown as much again. */
static int
rebuilder_checkpoint(struct rebuilder *rebuilder, struct error *err)
{
    struct replica *replica = rebuilder_replica(rebuilder);
    struct error failure = {0};
    if (!replica_checkpoint_is_done(replica))
        return 0;
    replica_checkpoint_end(replica, &failure);
    if (failure.code == 0 && replica_checkpoint_is_due(replica) && !checkpoint_copy_exists()) {
        int rc = replica_save(replica, err);
        if (rc != 0)
            return rc;
        replica_checkpoint_begin(replica, &failure);
    }
    if (failure.code != 0)
        log_warn(area, "partition %d: %s", rebuilder->options.replicas->options.partition,
                 failure.message);
    return 0;
}

/* --- deciding -------------------------------------------------------------------------------- */

static struct replay_state
replay_state_of(const struct replica *replica, const struct config_fields *fields)
{
    return (struct replay_state){
        .next_offset = replica_next_offset(replica),
        .complete = incomplete_find_complete(&replica_position(replica)->sequence, fields),
    };
}

/* The bounds of the topic. Each client knows its end as of its last response, so the later one
 * counts: else a state would seem to have come to the end that is not as far as the other one. A
 * feed that is stalled gets no responses, and may know the end of a topic that was created again
 * since. */
static void
rebuilder_find_bounds(const struct rebuilder *rebuilder, int64_t *low, int64_t *high)
{
    struct feed_bounds bounds;
    *low = *high = -1;
    if (rebuilder->reader != NULL)
        rebuilder->reader->bounds(rebuilder->reader, low, high);
    if (rebuilder->options.status->shown.state == SHARD_STALLED || *high < 0)
        return;
    rebuilder->options.feed->bounds(rebuilder->options.feed, &bounds);
    if (bounds.high < 0 || bounds.high > *high)
        *high = bounds.high;
}

static struct replay_view
rebuilder_view(const struct rebuilder *rebuilder, const struct config_fields *fields)
{
    const struct replica_pair *replicas = rebuilder->options.replicas;
    int64_t low, high;
    rebuilder_find_bounds(rebuilder, &low, &high);
    return (struct replay_view){
        .serving = replay_state_of(replicas->served, fields),
        .rebuilt = replay_state_of(replicas->rebuilt, fields),
        .low = low,
        .high = high,
        .is_idle = rebuilder->is_idle,
        .is_stuck = rebuilder->stuck.code != 0,
        .is_lost = rebuilder->is_lost,
        .accepts_loss = replicas->directory.accepts_loss,
    };
}

/* What the rebuilt state lacks, and the command that helps. */
static void
rebuilder_describe_lack(const struct rebuilder *rebuilder, const struct replay_view *view,
                        const struct config_fields *fields, char *out, size_t bytes)
{
    const struct field_set lacking = replay_find_lacking(view);
    char reason[INCOMPLETE_BYTES] = "it holds nothing, because the topic is empty";
    uint32_t number = field_set_next(&lacking, 0);
    if (view->rebuilt.next_offset >= 0 && number < FIELD_NUMBERS)
        incomplete_describe_field(&replica_position(rebuilder_replica(rebuilder))->sequence, fields,
                                  number, reason, sizeof reason);
    snprintf(out, bytes,
             "the rebuilt state proves less than the serving one, which stays: %s; "
             "bitdex-consumer replay --accept-loss serves it nevertheless, --abort gives it up",
             reason);
}

static void
rebuilder_show(const struct rebuilder *rebuilder, const struct replay_view *view,
               const struct config_fields *fields, enum replay_step step)
{
    char note[SHARD_REPLAY_BYTES] = "";
    if (step == REPLAY_WAIT)
        rebuilder_describe_lack(rebuilder, view, fields, note, sizeof note);
    else if (rebuilder->stuck.code != 0 && step != REPLAY_END)
        snprintf(note, sizeof note, "the replay cannot read on: %s", rebuilder->stuck.message);
    else if (step == REPLAY_END)
        snprintf(note, sizeof note,
                 "the replay has ended, and the serving state stays: offset %" PRId64
                 ", which it needed next, is not in the topic any more",
                 view->rebuilt.next_offset);
    worker_status_set_replay(rebuilder->options.status, note);
}

int
rebuilder_step(struct rebuilder *rebuilder, bool is_close, enum replay_step *step,
               struct error *err)
{
    bool waits = is_close || rebuilder_is_busy(rebuilder);
    int rc = rebuilder_advance(rebuilder, waits ? READ_MS : 0, err);
    if (rc == 0)
        rc = rebuilder_save_quiet(rebuilder, err);
    if (rc == 0)
        rc = rebuilder_checkpoint(rebuilder, err);
    if (rc != 0)
        return rc;
    const struct config_fields *fields = &rebuilder->options.replicas->fields;
    const struct replay_view view = rebuilder_view(rebuilder, fields);
    *step = replay_decide(&view);
    rebuilder_show(rebuilder, &view, fields, *step);
    return 0;
}

bool
rebuilder_is_busy(const struct rebuilder *rebuilder)
{
    return rebuilder->reader != NULL && !rebuilder->is_idle && !rebuilder->is_lost &&
           rebuilder->stuck.code == 0;
}

/* --- the end --------------------------------------------------------------------------------- */

int
rebuilder_end(struct rebuilder *rebuilder, struct error *err)
{
    struct replica_pair *replicas = rebuilder->options.replicas;
    int64_t replay = replica_position(replicas->served)->replay;
    CHECK(replica_pair_is_rebuilding(replicas));
    int rc = committer_commit(rebuilder->options.committer, replay, err);
    if (rc != 0)
        return rc;
    log_warn(area, "partition %d: the rebuild at offset %" PRId64 " is given up",
             replicas->options.partition, replica_next_offset(replicas->rebuilt));
    rebuilder_reset(rebuilder);
    return replica_pair_end_rebuild(replicas, err);
}

static void
rebuilder_finish_checkpoint(struct rebuilder *rebuilder)
{
    struct replica *replica = rebuilder_replica(rebuilder);
    struct error ignored; /* a failed checkpoint loses nothing */
    while (!replica_checkpoint_is_done(replica)) {
        worker_control_heartbeat(rebuilder->options.replicas->options.control);
        clock_sleep_ms(POLL_MS);
    }
    replica_checkpoint_end(replica, &ignored);
}

int
rebuilder_swap(struct rebuilder *rebuilder, struct error *err)
{
    rebuilder_finish_checkpoint(rebuilder);
    rebuilder_reset(rebuilder);
    worker_status_set_replay(rebuilder->options.status, "");
    return replica_pair_swap(rebuilder->options.replicas, err);
}

int
rebuilder_save(struct rebuilder *rebuilder, struct error *err)
{
    if (!replica_pair_is_rebuilding(rebuilder->options.replicas))
        return 0;
    rebuilder_finish_checkpoint(rebuilder);
    return replica_save(rebuilder_replica(rebuilder), err);
}
