/* The loop over windows. After a takeover (takeover.h) the drain sends the rest of the saved window
 * and then repeats:
 *
 *     poll     take a source snapshot, as that of the transaction that ends the window; without a
 *              row since the last one, save nothing
 *     read     in that transaction, when the first chunk is the whole window: answers to the
 *              requests that are owed (refreshes.h), and the next step of a load (loads.h)
 *     open     when all of the window before is acknowledged, save s1, s2 and the numbers (L1)
 *     send     the rows of the window, chunk by chunk (window_rows.h)
 *     answer   send the answers
 *     load     send what was read for a load
 *     mark     send a watermark to every partition
 *
 * The poll and the first chunk of window n + 1 overlap with the acknowledgements of window n.
 *
 * Failure: any error ends the session on both sides. After ERR_RETRY the drain waits and begins the
 * next session; any other error ends the drain.
 */
#include "producer/drain/drain.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/shutdown.h"
#include "producer/drain/guard_watch.h"
#include "producer/drain/loads.h"
#include "producer/drain/refreshes.h"
#include "producer/drain/requests.h"
#include "producer/drain/rights.h"
#include "producer/drain/source_loads.h"
#include "producer/drain/source_watch.h"
#include "producer/drain/takeover.h"
#include "producer/drain/window_rows.h"
#include "producer/source/window.h"

enum {
    TURN_MS = 20,
    RETRY_FIRST_MS = 250,
    RETRY_LAST_MS = 5000,
    STOP_WAIT_US = 5 * US_PER_S,
    /* An idle position is saved also when other sessions have used so many transaction ids, so that
     * the cursor stays near the present. Our own saves use too few to cause the next one. */
    IDLE_XIDS = 1000,
    /* And after so long, so that the topic still has what follows the saved offsets, which the next
     * session has to read after a failover. */
    IDLE_SAVE_S = 600,
    SILENCE_PER_PAUSE = 8,
};

struct drain {
    struct session session;
    const struct csv_request *csv; /* drain_run() */
    struct loads *loads;           /* of the session; NULL before its takeover */
    struct source_loads *sources;  /* likewise */
    struct source_watch *watch;    /* likewise */
    struct guard_watch *guards;    /* likewise */
    struct refreshes *refreshes;   /* likewise */
    bool
        has_backlog; /* more rows may wait than fit a chunk: nothing is read before they are sent */
    bool load_is_prepared; /* its next step may be read in the transaction of this window */
    int64_t marked_us;     /* monotonic: when marks were last queued */
    int64_t active_us;     /* monotonic: when the last row was handed over */

    /* Of all sessions. */
    struct progress progress;
    int64_t event_bytes_max; /* takeover_run() */
    bool has_drained;        /* a takeover has succeeded */
};

static bool
drain_mark_is_due(const struct drain *drain)
{
    const struct session *session = &drain->session;
    int64_t since_us = clock_monotonic_us() - drain->marked_us;
    CHECK(since_us >= 0);
    if (session->rows_since_mark)
        return since_us >= (int64_t)session->config->producer.mark_interval_ms * US_PER_MS;
    /* Without rows a mark only carries the clock: marks must not pile up during an outage. */
    return since_us >= US_PER_S && publisher_outstanding(session->publisher) == 0;
}

/* Sends a watermark: every partition has all rows that `delivered` sees. */
static int
drain_mark(struct drain *drain, struct error *err)
{
    struct session *session = &drain->session;
    if (loads_hold_rows(drain->loads) || !drain_mark_is_due(drain))
        return 0;
    CHECK(publisher_flushed(session->publisher)); /* the rows are before the mark */
    int rc = session_add_marks(session, MARK_WATERMARK, &session->delivered, err);
    drain->marked_us = clock_monotonic_us();
    session->rows_since_mark = false;
    return rc == 0 ? session_flush(session, err) : rc;
}

/* Sends the window up to `next`, whose first chunk is read. */
static int
drain_window(struct drain *drain, const struct source_snapshot *next,
             const struct outbox_chunk *first, struct error *err)
{
    struct session *session = &drain->session;
    struct status_progress *shown = &drain->progress.shown;
    int64_t begun_us = clock_monotonic_us();
    CHECK(first->rows > 0);
    int rc = session_await_acks(session, err);
    if (rc != 0)
        return rc;
    progress_recover(&drain->progress);
    rc = session_open_window(session, &next->snapshot, err);
    session->second_us = clock_monotonic_us();
    session->window_pending = true;
    session->rows_wait = true;
    if (rc == 0)
        rc = window_rows_send(session, first, false, err);
    if (rc != 0)
        return rc;
    session_set_delivered(session, next);
    drain->active_us = clock_monotonic_us();
    shown->cycle_us = drain->active_us - begun_us;
    metrics_observe_us(&session->status->cycles, shown->cycle_us);
    return 0;
}

/* The pause before the next poll grows with the time since the last row, so that a row waits for a
 * fraction of that time at most. */
static int
drain_pause_ms(const struct drain *drain, int64_t now_us)
{
    int64_t pause_ms = (now_us - drain->active_us) / US_PER_MS / SILENCE_PER_PAUSE;
    int64_t longest_ms = drain->session.config->producer.poll_interval_ms;
    CHECK(pause_ms >= 0 && longest_ms > 0);
    if (pause_ms > longest_ms)
        pause_ms = longest_ms;
    return pause_ms > 0 ? (int)pause_ms : 1;
}

/* Saving an idle position spares the next session rows that were sent, and retention old xids. */
static bool
drain_idle_save_is_due(const struct session *session, int64_t now_us)
{
    const struct snapshot *delivered = &session->delivered.snapshot;
    int64_t since_us = now_us - session->saved_us;
    CHECK(delivered->xmax >= session->window.s2.xmax);
    CHECK(since_us >= 0);
    return (session->window_has_rows || delivered->xmax - session->window.s2.xmax >= IDLE_XIDS ||
            since_us >= (int64_t)IDLE_SAVE_S * US_PER_S) &&
           since_us >= US_PER_S && publisher_outstanding(session->publisher) == 0;
}

/* There is nothing to send: saves the position if that is worth a commit, and waits. */
static int
drain_idle(struct drain *drain, struct error *err)
{
    struct session *session = &drain->session;
    int64_t now_us = clock_monotonic_us();
    int rc = 0;
    if (publisher_outstanding(session->publisher) == 0)
        progress_recover(&drain->progress);
    if (drain_idle_save_is_due(session, now_us))
        rc = session_open_window(session, &session->delivered.snapshot, err);
    if (rc != 0)
        return rc;
    int64_t to_mark_ms = (drain->marked_us + US_PER_S - now_us) / US_PER_MS + 1;
    int wait_ms = drain_pause_ms(drain, now_us);
    if (wait_ms > to_mark_ms)
        wait_ms = to_mark_ms > 0 ? (int)to_mark_ms : 0;
    if (owed_wants_rest(session->owed))
        wait_ms = 0;
    CHECK(wait_ms >= 0 && wait_ms <= session->config->producer.poll_interval_ms);
    return session_turn(session, wait_ms, err);
}

/* The snapshot that ends the next window. When something may be read at that end, it is that of the
 * transaction in which it is read; if that fails, nothing is read at this end. `tables` is what a
 * load wants to be locked; NULL: it reads nothing. */
static int
drain_begin_reading(struct drain *drain, const char *tables, struct source_snapshot *next,
                    struct error *err)
{
    struct session *session = &drain->session;
    if (drain->has_backlog || !window_reading_is_due(session->reading))
        return source_snapshot_read(session->pg, next, err);
    int rc = window_reading_begin(session->reading, tables != NULL ? tables : "", next, err);
    if (rc == 0)
        return 0;
    if (tables != NULL)
        loads_fail(drain->loads, err);
    else
        log_warn("drain", "nothing can be read at the end of a window: %s", err->message);
    return source_snapshot_read(session->pg, next, err);
}

/* A window without rows ends where it begins. */
static int
drain_hold(struct drain *drain, struct source_snapshot *next, struct error *err)
{
    const char *tables;
    CHECK(loads_hold_rows(drain->loads));
    snapshot_copy(&next->snapshot, &drain->session.delivered.snapshot);
    next->clock_us = drain->session.delivered.clock_us;
    next->read_us = drain->session.delivered.read_us;
    return loads_prepare(drain->loads, &tables, err);
}

/* Takes the snapshot that ends the next window. Afterwards the transaction may be open in which
 * what follows the window is read. */
static int
drain_poll(struct drain *drain, struct source_snapshot *next, struct error *err)
{
    if (loads_hold_rows(drain->loads))
        return drain_hold(drain, next, err);
    const char *tables = NULL;
    int rc = source_watch_poll(drain->watch, err);
    if (rc == 0)
        rc = guard_watch_poll(drain->guards, err);
    if (rc == 0)
        rc = source_loads_poll(drain->sources, err);
    if (rc == 0 && !drain->has_backlog)
        rc = refreshes_prepare(drain->refreshes, err);
    if (rc == 0 && !drain->has_backlog)
        rc = loads_prepare(drain->loads, &tables, err);
    if (rc != 0)
        return rc;
    drain->load_is_prepared = tables != NULL;
    drain->progress.shown.polls++;
    status_begin_server_call(drain->session.status);
    rc = drain_begin_reading(drain, tables, next, err);
    status_end_server_call(drain->session.status);
    return rc;
}

/* Reads what follows the window that ends with `next`, and of which `chunk` is all: in the
 * transaction of that snapshot, if it is open. */
static int
drain_read(struct drain *drain, const struct source_snapshot *next,
           const struct outbox_chunk *chunk, struct error *err)
{
    struct session *session = &drain->session;
    int rc = 0;
    if (!window_reading_is_open(session->reading))
        return 0;
    if (chunk->rows > 0)
        rc = requests_take_chunk(session, &next->snapshot, chunk, err);
    if (rc == 0)
        rc = refreshes_read(drain->refreshes, err);
    if (rc == 0 && drain->load_is_prepared && window_reading_is_open(session->reading))
        rc = loads_read(drain->loads, err);
    return rc;
}

static int
drain_read_chunk(struct session *session, int64_t after_id, const struct snapshot *s1,
                 const struct snapshot *s2, struct outbox_chunk *chunk, struct error *err)
{
    int rc = session_start_chunk(session, after_id, s1, s2, err);
    return rc == 0 ? session_take_chunk(session, chunk, err) : rc;
}

/* Ends a window without rows. What was read follows a saved window. */
static int
drain_nothing(struct drain *drain, const struct source_snapshot *next, struct error *err)
{
    struct session *session = &drain->session;
    session_set_delivered(session, next);
    if (!loads_have_step(drain->loads) && !refreshes_have_answers(drain->refreshes))
        return drain_idle(drain, err);
    drain->active_us = clock_monotonic_us();
    int rc = session_await_acks(session, err);
    if (rc != 0)
        return rc;
    progress_recover(&drain->progress);
    return session_open_window(session, &session->delivered.snapshot, err);
}

/* One poll of the source, and the window that it opens if there are rows. */
static int
drain_step(struct drain *drain, struct source_snapshot *next, struct error *err)
{
    struct session *session = &drain->session;
    struct outbox_chunk chunk = {.last = true};
    const struct snapshot *s1 = &session->delivered.snapshot;
    CHECK(publisher_flushed(session->publisher));
    CHECK(s1->xmax >= session->window.s2.xmax);
    session->requests_taken = false;
    int rc = drain_poll(drain, next, err);
    if (rc == 0 && window_may_hold_rows(s1, &next->snapshot))
        rc = drain_read_chunk(session, OUTBOX_FIRST_ROW, s1, &next->snapshot, &chunk, err);
    if (rc == 0 && chunk.last)
        rc = drain_read(drain, next, &chunk, err);
    window_reading_end(session->reading);
    if (rc != 0)
        return rc;
    drain->has_backlog = !chunk.last;
    rc = chunk.rows > 0 ? drain_window(drain, next, &chunk, err) : drain_nothing(drain, next, err);
    if (rc == 0 && refreshes_have_answers(drain->refreshes))
        rc = refreshes_send(drain->refreshes, err);
    if (rc == 0 && loads_have_step(drain->loads))
        rc = loads_send(drain->loads, !owed_is_empty(session->owed), err);
    refreshes_publish(drain->refreshes);
    return rc == 0 ? drain_mark(drain, err) : rc;
}

/* Sends the part of the saved window that is not acknowledged. */
static int
drain_resume(struct session *session, struct error *err)
{
    struct cursor_window *window = &session->window;
    struct outbox_chunk chunk;
    int rc = 0;
    CHECK(publisher_outstanding(session->publisher) == 0); /* the fence is acknowledged (L3) */
    CHECK(!session->window_pending);
    session->window_pending = true;
    session->second_us = clock_monotonic_us();
    session->window_has_rows = window_may_hold_rows(&window->s1, &window->s2);
    session->rows_wait = session->window_has_rows;
    if (session->window_has_rows) {
        int64_t after_id = window->sub_id == 0 ? OUTBOX_FIRST_ROW : window->sub_id;
        rc = drain_read_chunk(session, after_id, &window->s1, &window->s2, &chunk, err);
        if (rc == 0)
            rc = window_rows_send(session, &chunk, true, err);
    }
    snapshot_copy(&session->delivered.snapshot, &window->s2);
    return rc;
}

static int
drain_windows(struct drain *drain, struct error *err)
{
    struct source_snapshot next = {0};
    CHECK(drain->session.delivered.snapshot.xmin > 0);
    drain->marked_us = clock_monotonic_us();
    drain->active_us = drain->marked_us;
    drain->has_backlog = true; /* while nothing is known of it */
    int rc = 0;
    while (rc == 0)
        rc = drain_step(drain, &next, err);
    snapshot_free(&next.snapshot);
    return rc;
}

/* A shutdown was requested: waits for acknowledgements, for a bounded time, and saves how far they
 * have come. */
static int
drain_finish(struct session *session, struct error *err)
{
    int64_t until_us = clock_monotonic_us() + STOP_WAIT_US;
    CHECK(shutdown_requested());
    status_set_phase(session->status, STATUS_STOPPING);
    if (session->publisher == NULL || !session->window_pending)
        return 0;
    int rc = 0;
    while (rc == 0 && publisher_outstanding(session->publisher) > 0 &&
           clock_monotonic_us() < until_us)
        rc = publisher_poll(session->publisher, TURN_MS, err);
    return rc == 0 ? session_save_progress(session, err) : rc;
}

static int
drain_session(struct drain *drain, struct error *err)
{
    struct session *session = &drain->session;
    drain->progress.shown.sessions++;
    int rc = takeover_run(session, &drain->event_bytes_max, err);
    if (rc != 0)
        return rc;
    CHECK(session->pg != NULL && session->outbox != NULL && session->publisher != NULL);
    drain->has_drained = true;
    status_set_phase(session->status, STATUS_DRAINING);
    log_info("drain", "draining into topic %s", session->config->topic.name);
    drain->loads = loads_create(session, drain->csv);
    drain->sources = source_loads_create(session);
    drain->watch = source_watch_create(session, drain->sources);
    drain->guards = guard_watch_create(session, drain->watch, drain->sources);
    drain->refreshes = refreshes_create(session, drain->sources);
    session_begin_watch(session);
    rc = drain_resume(session, err);
    return rc == 0 ? drain_windows(drain, err) : rc;
}

/* Consumers drop what we send as fenced. A mark of a window after the rival's fence shows them why
 * (L3). Nothing depends on it: the next session of this database needs a new epoch anyway. */
static void
drain_tell_of_rival(struct session *session)
{
    struct error err = {0};
    int64_t until_us = clock_monotonic_us() + STOP_WAIT_US;
    bool done = false;
    CHECK(session->rival.kind != RIVAL_NONE);
    if (session->delivered.snapshot.xmax == 0)
        return;
    if (session->window.tick < session->rival.tick)
        session->window.tick = session->rival.tick;
    session->window.tick++;
    int rc = session_add_marks(session, MARK_WATERMARK, &session->delivered, &err);
    while (rc == 0 && !(done && publisher_outstanding(session->publisher) == 0) &&
           clock_monotonic_us() < until_us) {
        rc = publisher_flush(session->publisher, &done, &err);
        if (rc == 0)
            rc = publisher_poll(session->publisher, TURN_MS, &err);
        status_heartbeat(session->status);
    }
}

/* An outage during the shutdown loses nothing: what is not saved is sent again. */
static int
drain_end(int rc, const struct error *err)
{
    CHECK(rc <= 0 || rc == SESSION_STOPPED);
    if (rc == ERR_RETRY)
        log_warn("drain", "stopped before the position of all sent rows could be saved: %s",
                 err->message);
    return rc == ERR_RETRY || rc == SESSION_STOPPED ? 0 : rc;
}

static int
drain_sessions(struct drain *drain, const struct config *config, struct topic_watch *watch,
               struct error *err)
{
    int retry_ms = RETRY_FIRST_MS;
    for (;;) {
        session_init(&drain->session, config, &drain->progress, watch);
        int rc = drain_session(drain, err);
        CHECK(rc != 0);
        if (drain->has_drained)
            rc = rights_explain(&drain->session, rc, err);
        if (rc == SESSION_STOPPED)
            rc = drain_finish(&drain->session, err);
        if (drain->session.rival.kind != RIVAL_NONE)
            drain_tell_of_rival(&drain->session);
        loads_destroy(drain->loads);
        refreshes_destroy(drain->refreshes);
        guard_watch_destroy(drain->guards);
        source_watch_destroy(drain->watch);
        source_loads_destroy(drain->sources);
        drain->loads = NULL;
        drain->refreshes = NULL;
        drain->sources = NULL;
        drain->watch = NULL;
        drain->guards = NULL;
        session_close(&drain->session);
        if (rc != ERR_RETRY || shutdown_requested())
            return drain_end(rc, err);
        retry_ms = drain->progress.shown.failing ? 2 * retry_ms : RETRY_FIRST_MS;
        progress_fail(&drain->progress, err);
        if (retry_ms > RETRY_LAST_MS)
            retry_ms = RETRY_LAST_MS;
        CHECK(retry_ms >= RETRY_FIRST_MS);
        if (session_sleep(&drain->session, retry_ms) != 0)
            return 0;
    }
}

int
drain_run(const struct config *config, const struct csv_request *csv, struct status *status,
          struct error *err)
{
    struct drain drain = {.csv = csv};
    struct topic_watch *watch;
    progress_init(&drain.progress, status);
    int rc = topic_watch_start(config, &watch, err);
    if (rc != 0)
        return rc;
    rc = drain_sessions(&drain, config, watch, err);
    topic_watch_stop(watch);
    return rc;
}
