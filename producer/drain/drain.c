/* Windows, once a session is open (session.c). First the rest of the saved window, then for ever:
 *
 *     look     take a snapshot; without a row between it and the last one, nothing is saved
 *     open     when all of the window before is acknowledged: save (s1, s2, numbers) (L1)
 *     stream   its rows, chunk by chunk (stream.c)
 *     mark     tell every partition how far it is
 *
 * The look and the first chunk of window n + 1 overlap with the acknowledgements of window n.
 *
 * Failure: whatever goes wrong ends the session on both sides. ERR_RETRY begins the next one after
 * a while; anything else ends the drain.
 */
#include "producer/drain/drain_internal.h"

#include <inttypes.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/shutdown.h"
#include "producer/source/window.h"

enum {
    TURN_MS = 20,
    RETRY_FIRST_MS = 250,
    RETRY_LAST_MS = 5000,
    STOP_WAIT_US = 5 * DRAIN_SECOND_US,
    /* An idle window is also saved when others have used so many transaction ids, to keep the
     * cursor near the present; our own saves are too few to keep each other going. */
    IDLE_XIDS = 1000,
    TRIM_TICKS = 1000,
    SILENCE_PER_PAUSE = 8,
};

static int64_t
drain_last_row_id(const struct drain *drain)
{
    return publisher_numbering(drain->publisher)->last_row_id;
}

/* An estimate: ids have gaps, and some were sent before lower ones. */
static int64_t
backlog_rows(int64_t max_row_id, int64_t last_row_id)
{
    return max_row_id > last_row_id ? max_row_id - last_row_id : 0;
}

static void
drain_publish_progress(struct drain *drain)
{
    struct status_progress *progress = &drain->progress;
    int64_t now_us = clock_monotonic_us();
    struct publisher_counts counts = drain->counted;
    if (drain->publisher != NULL) {
        struct publisher_counts mine = publisher_counts(drain->publisher);
        counts.events += mine.events;
        counts.marks += mine.marks;
        counts.bytes += mine.bytes;
        progress->last_row_id = drain_last_row_id(drain);
    }
    progress->events = counts.events;
    progress->marks = counts.marks;
    progress->bytes = counts.bytes;
    progress->epoch = drain->owner.epoch;
    progress->generation = drain->owner.generation;
    progress->tick = drain->window.tick;
    if (drain->delivered.clock_us != 0 && progress->outstanding == 0)
        progress->delivered_clock_us = drain->delivered.clock_us;
    progress->backlog_rows = backlog_rows(progress->max_row_id, progress->last_row_id);
    if (now_us - drain->measured_us >= DRAIN_SECOND_US) {
        progress->rows_per_second = (double)(progress->rows - drain->measured_rows) * 1e6 /
                                    (double)(now_us - drain->measured_us);
        drain->measured_rows = progress->rows;
        drain->measured_us = now_us;
    }
    status_publish(drain->status, progress);
}

static void
drain_watch_broker(struct drain *drain, uint64_t outstanding)
{
    struct status_progress *progress = &drain->progress;
    char error[STATUS_ERROR_BYTES];
    if (outstanding < progress->outstanding)
        progress->acked_us = clock_realtime_us();
    if (outstanding == 0 || outstanding < progress->outstanding)
        progress->moved_us = clock_monotonic_us();
    progress->outstanding = outstanding;
    publisher_broker_error(drain->publisher, error, sizeof error);
    status_set_error(drain->status, error[0] != '\0' ? error : drain->failure.message);
}

/* A session that failed tells why until all that was sent is acknowledged. */
static void
drain_fail(struct drain *drain, const struct error *err)
{
    drain->failure = *err;
    drain->progress.failing = true;
    status_set_error(drain->status, err->message);
    status_publish(drain->status, &drain->progress);
}

static void
drain_recover(struct drain *drain)
{
    drain->failure = (struct error){0};
    drain->progress.failing = false;
}

static void
window_set_numbers(struct drain *drain, const struct numbering *numbering)
{
    struct cursor_window *window = &drain->window;
    window->last_row_id = numbering->last_row_id;
    for (int32_t i = 0; i < window->partitions; i++) {
        int64_t offset = publisher_acked_offset(drain->publisher, i);
        window->seq[i] = numbering->seq[i];
        window->digest[i] = numbering->digest[i];
        if (offset >= 0)
            window->offsets[i] = offset;
    }
}

static int
drain_save(struct drain *drain, struct error *err)
{
    int rc = cursor_save(drain->pg, &drain->owner, &drain->window, err);
    drain->saved_us = clock_monotonic_us();
    return rc;
}

/* Saves the newest acknowledged place inside the window. */
static int
drain_save_progress(struct drain *drain, struct error *err)
{
    const struct publisher_checkpoint *checkpoint = publisher_acked_checkpoint(drain->publisher);
    if (checkpoint == NULL || checkpoint->row_id <= drain->window.sub_id)
        return 0;
    drain->window.sub_id = checkpoint->row_id;
    window_set_numbers(drain, &checkpoint->numbering);
    return drain_save(drain, err);
}

/* What a long window is due every second. */
static int
drain_each_second(struct drain *drain, struct error *err)
{
    int64_t now_us = clock_monotonic_us();
    if (!drain->streaming || now_us - drain->second_us < DRAIN_SECOND_US)
        return 0;
    drain->second_us = now_us;
    status_begin_server_call(drain->status);
    int rc = drain_save_progress(drain, err);
    if (rc == 0)
        rc = source_snapshot_last_id(drain->pg, &drain->progress.max_row_id, err);
    status_end_server_call(drain->status);
    return rc;
}

int
drain_pump(struct drain *drain, int wait_ms, struct error *err)
{
    status_begin_server_call(drain->status);
    int rc = outbox_pump(drain->outbox, wait_ms, err);
    status_end_server_call(drain->status);
    return rc;
}

int
drain_turn(struct drain *drain, int wait_ms, struct error *err)
{
    status_heartbeat(drain->status);
    if (shutdown_requested())
        return DRAIN_STOPPED;
    int rc = publisher_poll(drain->publisher, wait_ms, err);
    if (rc == 0)
        rc = drain_pump(drain, 0, err);
    if (rc != 0)
        return rc;
    drain_watch_broker(drain, publisher_outstanding(drain->publisher));
    rc = drain_each_second(drain, err);
    drain_publish_progress(drain);
    return rc;
}

int
drain_flush(struct drain *drain, struct error *err)
{
    bool done;
    int rc = publisher_flush(drain->publisher, &done, err);
    while (rc == 0 && !done) {
        rc = drain_turn(drain, TURN_MS, err);
        if (rc == 0)
            rc = publisher_flush(drain->publisher, &done, err);
    }
    return rc == 0 ? drain_turn(drain, 0, err) : rc;
}

int
drain_await_acks(struct drain *drain, struct error *err)
{
    int rc = 0;
    while (rc == 0 && publisher_outstanding(drain->publisher) > 0)
        rc = drain_turn(drain, TURN_MS, err);
    return rc;
}

int
drain_start_chunk(struct drain *drain, int64_t after_id, const struct snapshot *s1,
                  const struct snapshot *s2, struct error *err)
{
    status_begin_server_call(drain->status);
    int rc = outbox_start(drain->outbox, s1, s2, after_id, err);
    status_end_server_call(drain->status);
    return rc;
}

int
drain_take_chunk(struct drain *drain, struct outbox_chunk *chunk, struct error *err)
{
    int rc = 0;
    while (rc == 0 && !outbox_ready(drain->outbox)) {
        rc = drain_pump(drain, TURN_MS, err);
        if (rc == 0)
            rc = drain_turn(drain, 0, err);
    }
    if (rc == 0)
        outbox_take(drain->outbox, chunk);
    return rc;
}

int
drain_add_marks(struct drain *drain, enum mark_kind kind, const struct source_snapshot *moment,
                struct error *err)
{
    struct buffer snapshot = {0};
    snapshot_print(&moment->snapshot, &snapshot);
    const struct mark mark = {
        .kind = kind,
        .max_row_id = drain->progress.max_row_id,
        .backlog_rows = backlog_rows(drain->progress.max_row_id, drain_last_row_id(drain)),
        .clock_us = moment->clock_us,
        .snapshot = {(const char *)snapshot.data, snapshot.bytes},
        .source_empty = kind == MARK_FENCE && drain->owner.source_empty,
    };
    int rc = publisher_add_marks(drain->publisher, drain->window.tick, &mark, err);
    buffer_free(&snapshot);
    return rc;
}

/* Tells every partition that it has all that `delivered` saw. Without rows since the last mark
 * there is no hurry, and no use in queueing marks for a broker that is away. */
static int
drain_mark(struct drain *drain, struct error *err)
{
    int64_t since_us = clock_monotonic_us() - drain->marked_us;
    int64_t interval_us = (int64_t)drain->config->producer.mark_interval_ms * 1000;
    bool due = drain->rows_since_mark
                   ? since_us >= interval_us
                   : since_us >= DRAIN_SECOND_US && publisher_outstanding(drain->publisher) == 0;
    if (!due)
        return 0;
    int rc = drain_add_marks(drain, MARK_WATERMARK, &drain->delivered, err);
    drain->marked_us = clock_monotonic_us();
    drain->rows_since_mark = false;
    return rc == 0 ? drain_flush(drain, err) : rc;
}

static void
drain_deliver(struct drain *drain, const struct source_snapshot *moment)
{
    snapshot_copy(&drain->delivered.snapshot, &moment->snapshot);
    drain->delivered.clock_us = moment->clock_us;
    drain->progress.max_row_id = drain_last_row_id(drain);
}

/* Opens the next window, from what is delivered to `s2`, and so acknowledges the one before. */
static int
drain_open_window(struct drain *drain, const struct snapshot *s2, struct error *err)
{
    struct cursor_window *window = &drain->window;
    drain->streaming = false;
    snapshot_copy(&window->s1, &drain->delivered.snapshot);
    snapshot_copy(&window->s2, s2);
    window->tick++;
    window->sub_id = 0;
    window_set_numbers(drain, publisher_numbering(drain->publisher));
    publisher_forget_checkpoints(drain->publisher);
    drain->window_has_rows = false;
    status_begin_server_call(drain->status);
    int rc = drain_save(drain, err);
    if (rc == 0 && window->tick % TRIM_TICKS == 0)
        rc = cursor_trim(drain->pg, &drain->owner, window->tick, err);
    status_end_server_call(drain->status);
    return rc;
}

static int
drain_window(struct drain *drain, const struct source_snapshot *next,
             const struct outbox_chunk *first, struct error *err)
{
    int64_t begun_us = clock_monotonic_us();
    int rc = drain_await_acks(drain, err);
    if (rc != 0)
        return rc;
    drain_recover(drain);
    rc = drain_open_window(drain, &next->snapshot, err);
    drain->second_us = clock_monotonic_us();
    drain->streaming = true;
    if (rc == 0)
        rc = stream_window(drain, first, false, err);
    if (rc != 0)
        return rc;
    drain_deliver(drain, next);
    drain->active_us = clock_monotonic_us();
    drain->progress.cycle_us = drain->active_us - begun_us;
    metrics_observe_us(&drain->status->cycles, drain->progress.cycle_us);
    return 0;
}

/* The pause before the next look grows with the silence: a row that comes so long after the last
 * one waits for a fraction of that time at most. */
static int
drain_pause_ms(const struct drain *drain, int64_t now_us)
{
    int64_t pause_ms = (now_us - drain->active_us) / 1000 / SILENCE_PER_PAUSE;
    int64_t longest_ms = drain->config->producer.poll_interval_ms;
    if (pause_ms > longest_ms)
        pause_ms = longest_ms;
    return pause_ms > 0 ? (int)pause_ms : 1;
}

/* Nothing to send: saves the position if that is worth a commit, and sleeps for a while. */
static int
drain_idle(struct drain *drain, struct error *err)
{
    int64_t now_us = clock_monotonic_us();
    bool worth = drain->window_has_rows ||
                 drain->delivered.snapshot.xmax - drain->window.s2.xmax >= IDLE_XIDS;
    int rc = 0;
    if (publisher_outstanding(drain->publisher) == 0)
        drain_recover(drain);
    if (worth && now_us - drain->saved_us >= DRAIN_SECOND_US &&
        publisher_outstanding(drain->publisher) == 0)
        rc = drain_open_window(drain, &drain->delivered.snapshot, err);
    if (rc != 0)
        return rc;
    int64_t to_mark_ms = (drain->marked_us + DRAIN_SECOND_US - now_us) / 1000 + 1;
    int wait_ms = drain_pause_ms(drain, now_us);
    if (wait_ms > to_mark_ms)
        wait_ms = to_mark_ms > 0 ? (int)to_mark_ms : 0;
    return drain_turn(drain, wait_ms, err);
}

static int
drain_look(struct drain *drain, struct source_snapshot *next, struct error *err)
{
    drain->progress.polls++;
    status_begin_server_call(drain->status);
    int rc = source_snapshot_read(drain->pg, next, err);
    status_end_server_call(drain->status);
    return rc;
}

/* One look at the source, and the window it opens if there is one. */
static int
drain_step(struct drain *drain, struct source_snapshot *next, struct error *err)
{
    struct outbox_chunk chunk = {0};
    const struct snapshot *s1 = &drain->delivered.snapshot;
    int rc = drain_look(drain, next, err);
    if (rc == 0 && window_may_hold_rows(s1, &next->snapshot)) {
        rc = drain_start_chunk(drain, OUTBOX_FIRST_ROW, s1, &next->snapshot, err);
        if (rc == 0)
            rc = drain_take_chunk(drain, &chunk, err);
    }
    if (rc != 0)
        return rc;
    if (chunk.rows > 0) {
        rc = drain_window(drain, next, &chunk, err);
    } else {
        drain_deliver(drain, next);
        rc = drain_idle(drain, err);
    }
    return rc == 0 ? drain_mark(drain, err) : rc;
}

/* Sends what is not acknowledged of the saved window. */
static int
drain_resume(struct drain *drain, struct error *err)
{
    struct cursor_window *window = &drain->window;
    struct outbox_chunk chunk;
    int rc = 0;
    drain->streaming = true;
    drain->second_us = clock_monotonic_us();
    drain->window_has_rows = window_may_hold_rows(&window->s1, &window->s2);
    if (drain->window_has_rows) {
        int64_t after_id = window->sub_id == 0 ? OUTBOX_FIRST_ROW : window->sub_id;
        rc = drain_start_chunk(drain, after_id, &window->s1, &window->s2, err);
        if (rc == 0)
            rc = drain_take_chunk(drain, &chunk, err);
        if (rc == 0)
            rc = stream_window(drain, &chunk, true, err);
    }
    snapshot_copy(&drain->delivered.snapshot, &window->s2);
    return rc;
}

static int
drain_windows(struct drain *drain, struct error *err)
{
    struct source_snapshot next = {0};
    drain->marked_us = clock_monotonic_us();
    drain->active_us = drain->marked_us;
    int rc = 0;
    while (rc == 0)
        rc = drain_step(drain, &next, err);
    snapshot_free(&next.snapshot);
    return rc;
}

int
drain_sleep(struct drain *drain, int ms)
{
    while (ms > 0 && !shutdown_requested()) {
        int bite_ms = ms < 100 ? ms : 100;
        clock_sleep_ms(bite_ms);
        status_heartbeat(drain->status);
        ms -= bite_ms;
    }
    return shutdown_requested() ? DRAIN_STOPPED : 0;
}

/* Asked to stop: waits for what was sent, for a bounded time, and saves how far that came. */
static int
drain_finish(struct drain *drain, struct error *err)
{
    int64_t until_us = clock_monotonic_us() + STOP_WAIT_US;
    status_set_phase(drain->status, STATUS_STOPPING);
    if (drain->publisher == NULL || !drain->streaming)
        return 0;
    int rc = 0;
    while (rc == 0 && publisher_outstanding(drain->publisher) > 0 &&
           clock_monotonic_us() < until_us)
        rc = publisher_poll(drain->publisher, TURN_MS, err);
    return rc == 0 ? drain_save_progress(drain, err) : rc;
}

static int
drain_session(struct drain *drain, struct error *err)
{
    drain->progress.sessions++;
    int rc = session_open(drain, err);
    if (rc != 0)
        return rc;
    status_set_phase(drain->status, STATUS_DRAINING);
    log_info("drain", "draining into topic %s", drain->config->topic.name);
    rc = drain_resume(drain, err);
    return rc == 0 ? drain_windows(drain, err) : rc;
}

/* Trouble with a server while we stop loses nothing: what is not saved is sent again. */
static int
drain_end(int rc, const struct error *err)
{
    if (rc == ERR_RETRY)
        log_warn("drain", "stopped before all that was sent could be saved: %s", err->message);
    return rc == ERR_RETRY || rc == DRAIN_STOPPED ? 0 : rc;
}

int
drain_run(const struct config *config, struct status *status, struct error *err)
{
    struct drain drain = {.config = config, .status = status};
    int retry_ms = RETRY_FIRST_MS;
    for (;;) {
        int rc = drain_session(&drain, err);
        if (rc == DRAIN_STOPPED)
            rc = drain_finish(&drain, err);
        session_close(&drain);
        if (rc != ERR_RETRY || shutdown_requested())
            return drain_end(rc, err);
        retry_ms = drain.progress.failing ? 2 * retry_ms : RETRY_FIRST_MS;
        drain_fail(&drain, err);
        if (retry_ms > RETRY_LAST_MS)
            retry_ms = RETRY_LAST_MS;
        if (drain_sleep(&drain, retry_ms) != 0)
            return 0;
    }
}
