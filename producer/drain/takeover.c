#include "producer/drain/takeover.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/shutdown.h"
#include "producer/drain/trigger_reading.h"
#include "producer/sink/topic_check.h"
#include "producer/source/guards.h"
#include "producer/source/source_connection.h"

enum {
    LOCK_POLL_MS = 1000,
    READING_PAUSE_MS = 200,
    ORIGINAL_WAIT_MS = 3000, /* a producer writes marks once a second */
    ORIGINAL_AGE_S = 5,
};

static int
takeover_ask_guards(struct session *session, struct error *err)
{
    const struct config *config = session->config;
    CHECK(session->pg != NULL);
    return session->progress->shown.sessions > 1
               ? guards_check_next_session(session->pg, config, err)
               : guards_check_all(session->pg, config, err);
}

static int
takeover_lock(struct session *session, struct error *err)
{
    const char *name = session->config->producer.name;
    bool logged = false;
    CHECK(session->pg != NULL);
    for (;;) {
        bool locked;
        int rc = cursor_try_lock(session->pg, name, &locked, err);
        if (rc != 0 || locked)
            return rc;
        status_set_phase(session->status, STATUS_LOCK);
        if (!logged)
            log_info("drain", "standing by: another producer named \"%s\" is running", name);
        logged = true;
        rc = session_sleep(session, LOCK_POLL_MS);
        if (rc == 0)
            rc = takeover_ask_guards(session, err);
        if (rc != 0)
            return rc;
    }
}

static int
takeover_name_start(struct session *session, struct error *err)
{
    uint64_t number;
    if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
        return error_set_errno(err, ERR_FATAL, "cannot read random bytes");
    snprintf(session->start_name, sizeof session->start_name, "%016" PRIx64, number);
    return 0;
}

/* The outbox is drained also before `triggers apply` (F115). */
static void
takeover_warn_uncovered(const struct session *session)
{
    struct text first;
    uint32_t count = covered_fields_missing(&session->covered, session->config, &first);
    CHECK(session->config->trigger_count > 0);
    if (count == 0)
        return;
    if (first.bytes == 0)
        first = TEXT("whether an entity exists");
    log_warn("drain",
             "the triggers of the database do not write %u of the configured fields, such as %.*s:"
             " changes of these are not sent, and indexes are incomplete; run bitdex-producer"
             " triggers apply, then bitdex-producer load",
             count, TEXT_ARGS(first));
}

/* Which fields the triggers in place cover. */
static int
takeover_read_covered(struct session *session, struct error *err)
{
    struct trigger_reading reading;
    int readings = 1;
    CHECK(session->covered.count == 0);
    int rc = trigger_reading_read(session, &session->arena, &reading, err);
    while (rc == 0 && reading.is_unknown && readings++ < TRIGGER_READINGS_MAX) {
        rc = session_sleep(session, READING_PAUSE_MS);
        if (rc == 0)
            rc = trigger_reading_read(session, &session->arena, &reading, err);
    }
    if (rc != 0 || session->config->trigger_count == 0)
        return rc;
    session->covered = reading.covered;
    takeover_warn_uncovered(session);
    return 0;
}

static int
takeover_open_source(struct session *session, struct error *err)
{
    const struct config *config = session->config;
    const struct outbox_limits limits = {
        .chunk_rows = config->producer.chunk_rows,
        .chunk_bytes = config->producer.chunk_bytes,
        .row_bytes = config->producer.row_bytes,
    };
    CHECK(session->pg == NULL && session->outbox == NULL);
    status_set_phase(session->status, STATUS_DATABASE);
    int rc = source_connect(config->postgres, "bitdex-producer cursor", NULL, &session->pg, err);
    if (rc == 0)
        rc = takeover_ask_guards(session, err);
    if (rc == 0)
        rc = takeover_lock(session, err);
    if (rc == 0)
        rc = cursor_read_history(session->pg, &session->history, err);
    if (rc == 0)
        rc = outbox_open(config->postgres, &session->history, &limits, &session->outbox, err);
    session->reading = window_reading_create(config, &session->history);
    if (rc == 0)
        rc = takeover_name_start(session, err);
    return rc == 0 ? takeover_read_covered(session, err) : rc;
}

static int
takeover_describe_topic(struct session *session, struct error *err)
{
    struct kafka_topic topic;
    status_set_phase(session->status, STATUS_BROKER);
    int rc = topic_check_describe(session->config, &topic, err);
    if (rc == 0)
        session->message_bytes_max = topic.message_bytes_max;
    return rc;
}

static int
takeover_heartbeat(void *context)
{
    struct session *session = context;
    status_heartbeat(session->status);
    return shutdown_requested() ? SESSION_STOPPED : 0;
}

/* Explains a topic that does not agree with the cursor after a failover. */
static int
takeover_explain(const struct session *session, int rc, struct error *err)
{
    if (rc != ERR_FATAL || !cursor_timeline_is_new(&session->owner, &session->history))
        return rc;
    return error_wrap(err, rc,
                      "the database was restored or failed over since producer \"%s\" ran"
                      " (timeline %s, now %s), and rows that were sent may be lost",
                      session->owner.name, session->owner.timeline, session->history.timeline);
}

/* Everything on the topic must be of a generation before `generation`. Reads up to `fences`, or
 * without them (NULL) up to the end. */
static int
takeover_check_topic(struct session *session, int64_t generation, const int64_t *fences,
                     struct topic_mark *newest, struct error *err)
{
    const struct topic_expectation expected = {
        .source = session->owner.name,
        .topic_id = session->owner.topic_id,
        .start_name = session->start_name,
        .epoch = session->owner.epoch,
        .generation = generation,
        .tick = session->window.tick,
        .whole = cursor_timeline_is_new(&session->owner, &session->history),
        .newest = newest,
    };
    CHECK(generation >= 1);
    CHECK((fences != NULL) == (session->publisher != NULL)); /* ours are on the way or not */
    status_set_phase(session->status, STATUS_TOPIC);
    int rc = topic_check_content(session->config, &expected, session->checked_offsets, fences,
                                 takeover_heartbeat, session, err);
    return takeover_explain(session, rc, err);
}

/* Checks the cursor, as the last owner left it, against the database and the topic: after the lock
 * is taken, because another producer may have saved more while this one waited. */
static int
takeover_check_cursor(struct session *session, struct topic_mark *newest, struct error *err)
{
    struct cursor_history *history = &session->history;
    struct cursor_window *window = &session->window;
    bool found = false;
    int rc = cursor_read_history(session->pg, history, err);
    if (rc == 0)
        rc = cursor_check(session->pg, session->config, history, err);
    if (rc == 0)
        rc = cursor_find_owner(session->pg, session->config, &session->owner, &found, err);
    if (rc == 0 && found)
        rc = cursor_load(session->pg, &session->owner, window, err);
    if (rc != 0)
        return rc;
    for (int32_t i = 0; i < window->partitions; i++)
        session->checked_offsets[i] = found ? window->offsets[i] : -1;
    return takeover_check_topic(session, session->owner.generation + 1, NULL, newest, err);
}

/* A mark of a time when we hold the lock of this database was made in another one. (The marks of a
 * producer that has lost the lock are older, however late they arrive.) `since_us`: of that time,
 * and not before the marks that were on the topic already. */
static int
takeover_refuse_copy(const struct session *session, const struct topic_mark *newest,
                     int64_t since_us, struct error *err)
{
    const char *topic = session->config->topic.name;
    CHECK(newest->clock_us >= 0 && since_us > 0);
    if (newest->clock_us <= since_us)
        return 0;
    return error_set(err, ERR_FATAL,
                     "another producer of this name, start %s, is running and writes to topic %s:"
                     " this database is a copy of the one that it uses. Stop that producer first,"
                     " if this database is to replace the other one, or give this producer a name"
                     " and a topic of its own",
                     newest->start_name[0] != '\0' ? newest->start_name : "unknown", topic);
}

/* A copy of a quiet database has the same position as its original, whose producer would be fenced
 * off (F101). Waits for marks of the original where the database can be a copy: another server has
 * written the cursor, and that, or the newest mark on the topic, is young. */
static int
takeover_check_original(struct session *session, struct topic_mark *newest, struct error *err)
{
    int64_t before_us = newest->clock_us; /* 0: no mark is after the saved position */
    int64_t now_us = 0;
    int64_t saved_us = 0;
    bool may_be_copy = false;
    if (session->owner.generation == 0 || session->progress->shown.generation > 0)
        return 0; /* there was no producer, or it was this process */
    int rc = cursor_is_of_earlier_server(session->pg, session->owner.name, &may_be_copy, &now_us,
                                         &saved_us, err);
    may_be_copy =
        rc == 0 && (may_be_copy || cursor_timeline_is_new(&session->owner, &session->history));
    int64_t seen_us = before_us > saved_us ? before_us : saved_us;
    if (!may_be_copy || now_us - seen_us > ORIGINAL_AGE_S * US_PER_S)
        return rc;
    log_info("cursor",
             "another server has written the cursor: waiting %d s for marks of a"
             " producer that may still run there",
             ORIGINAL_WAIT_MS / MS_PER_S);
    rc = session_sleep(session, ORIGINAL_WAIT_MS);
    if (rc == 0)
        rc = takeover_check_topic(session, session->owner.generation + 1, NULL, newest, err);
    if (rc != 0)
        return rc;
    return takeover_refuse_copy(session, newest, now_us > before_us ? now_us : before_us, err);
}

static int
takeover_take_generation(struct session *session, struct error *err)
{
    struct topic_mark newest = {0};
    int rc = takeover_check_cursor(session, &newest, err);
    if (rc == 0)
        rc = takeover_check_original(session, &newest, err);
    if (rc != 0)
        return rc;
    rc = cursor_take_over(session->pg, session->config, &session->history, &session->owner, err);
    if (rc == 0)
        rc = cursor_load(session->pg, &session->owner, &session->window, err);
    if (rc != 0)
        return rc;
    session_set_loaded(session);
    log_info("cursor",
             "epoch %" PRId64 ", generation %" PRId64 ": continuing in window %" PRId64
             ", greatest row id sent %" PRId64 "; this start is %s",
             session->owner.epoch, session->owner.generation, session->window.tick,
             session->window.last_row_id, session->start_name);
    return 0;
}

static int
takeover_open_sink(struct session *session, int64_t event_bytes_max, struct error *err)
{
    const struct cursor_window *window = &session->window;
    const struct publisher_origin origin = {
        .source = session->owner.name,
        .epoch = session->owner.epoch,
        .generation = session->owner.generation,
        .topic_id = session->owner.topic_id,
        .start_name = session->start_name,
        .fields = session->covered.names,
        .field_count = session->covered.count,
        .voided = session->owner.voided,
        .message_bytes_max = session->message_bytes_max,
        .event_bytes_max = event_bytes_max,
    };
    const struct numbering numbering = {
        .partitions = window->partitions,
        .last_row_id = window->last_row_id,
        .seq = window->seq,
        .digest = window->digest,
        .content_digest = window->content_digest,
    };
    CHECK(session->publisher == NULL);
    return publisher_create(session->config, &origin, &numbering, &session->publisher, err);
}

/* The fence is acknowledged: nothing may be on the topic before it that is not ours. */
static int
takeover_check_fences(struct session *session, struct error *err)
{
    int32_t partitions = session->window.partitions;
    int64_t *fences = memory_alloc((size_t)partitions * sizeof *fences);
    CHECK(publisher_outstanding(session->publisher) == 0);
    for (int32_t i = 0; i < partitions; i++)
        fences[i] = publisher_acked_offset(session->publisher, i);
    int rc = takeover_check_topic(session, session->owner.generation, fences, NULL, err);
    free(fences);
    return rc;
}

/* The topic has shown that nothing that was sent is lost. */
static int
takeover_save_timeline(struct session *session, struct error *err)
{
    char before[CURSOR_TIMELINE_BYTES];
    if (!cursor_timeline_is_new(&session->owner, &session->history))
        return 0;
    snprintf(before, sizeof before, "%s", session->owner.timeline);
    int rc = cursor_save_timeline(session->pg, &session->owner, &session->history, err);
    if (rc != 0)
        return rc;
    log_info("cursor",
             "the database was restored or failed over (timeline %s, now %s) and has everything"
             " that was sent: epoch %" PRId64 " continues",
             before, session->owner.timeline, session->owner.epoch);
    return 0;
}

static int
takeover_fence(struct session *session, struct error *err)
{
    struct source_snapshot now = {0};
    CHECK(!session->window_pending); /* the fence is the first message of the generation */
    CHECK(publisher_flushed(session->publisher));
    status_set_phase(session->status, STATUS_BROKER);
    int rc = source_snapshot_last_id(session->pg, &session->progress->shown.max_row_id, err);
    if (rc == 0)
        rc = source_snapshot_read(session->pg, &now, err);
    if (rc == 0)
        rc = session_add_marks(session, MARK_FENCE, &now, err);
    snapshot_free(&now.snapshot);
    if (rc == 0)
        rc = session_flush(session, err);
    if (rc == 0)
        rc = session_await_acks(session, err);
    if (rc == 0)
        rc = takeover_check_fences(session, err);
    return rc == 0 ? takeover_save_timeline(session, err) : rc;
}

static int
takeover_steps(struct session *session, int64_t *event_bytes_max, struct error *err)
{
    int rc = takeover_open_source(session, err);
    if (rc == 0)
        rc = takeover_describe_topic(session, err);
    if (rc == 0)
        rc = takeover_take_generation(session, err);
    if (*event_bytes_max < session->message_bytes_max)
        *event_bytes_max = session->message_bytes_max;
    if (rc == 0)
        rc = takeover_open_sink(session, *event_bytes_max, err);
    if (rc == 0)
        rc = takeover_fence(session, err);
    return rc;
}

int
takeover_run(struct session *session, int64_t *event_bytes_max, struct error *err)
{
    CHECK(*event_bytes_max >= 0);
    status_begin_server_call(session->status); /* it consists of little else */
    int rc = takeover_steps(session, event_bytes_max, err);
    status_end_server_call(session->status);
    CHECK(rc != 0 || publisher_outstanding(session->publisher) == 0);
    return rc;
}
