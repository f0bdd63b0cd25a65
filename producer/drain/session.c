#include "producer/drain/session.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/shutdown.h"
#include "producer/source/guards.h"

enum {
    TURN_MS = 20,
    SLEEP_STEP_MS = 100,
    TRIM_TICKS = 1000,
};

void
session_init(struct session *session, const struct config *config, struct progress *progress,
             struct topic_watch *watch)
{
    int32_t partitions = config->topic.partitions;
    CHECK(partitions > 0);
    CHECK(progress->status != NULL);
    *session = (struct session){
        .config = config,
        .progress = progress,
        .status = progress->status,
        .watch = watch,
    };
    arena_init(&session->arena);
    cursor_window_init(&session->window, partitions);
    session->checked_offsets = memory_zalloc((size_t)partitions * sizeof *session->checked_offsets);
}

void
session_close(struct session *session)
{
    CHECK(session->publisher == NULL || (session->pg != NULL && session->outbox != NULL));
    if (session->publisher != NULL) {
        struct publisher_counts counts = publisher_counts(session->publisher);
        progress_close_publisher(session->progress, &counts);
    }
    if (session->is_watched)
        topic_watch_end(session->watch);
    publisher_destroy(session->publisher);
    window_reading_destroy(session->reading);
    owed_destroy(session->owed);
    outbox_close(session->outbox);
    pg_close(session->pg);
    cursor_window_free(&session->window);
    arena_free(&session->arena);
    buffer_free(&session->trigger_version);
    free(session->checked_offsets);
    snapshot_free(&session->delivered.snapshot);
    *session = (struct session){
        .config = session->config,
        .progress = session->progress,
        .status = session->status,
        .watch = session->watch,
    };
}

static void
session_publish_progress(struct session *session)
{
    struct status_progress *shown = &session->progress->shown;
    CHECK(session->owner.epoch >= 1 && session->owner.generation >= 1);
    shown->epoch = session->owner.epoch;
    shown->generation = session->owner.generation;
    shown->tick = session->window.tick;
    shown->voided = session->owner.voided;
    shown->last_row_id = publisher_flushed_row_id(session->publisher);
    shown->backlog_rows = progress_backlog_rows(shown->max_row_id, shown->last_row_id);
    if (session->delivered.read_us != 0 && shown->outstanding == 0)
        shown->delivered_us = session->delivered.read_us;
    progress_publish(session->progress);
}

static void
session_observe_publisher(struct session *session)
{
    struct publisher_counts counts = publisher_counts(session->publisher);
    char broker_error[STATUS_ERROR_BYTES];
    publisher_broker_error(session->publisher, broker_error, sizeof broker_error);
    progress_observe(session->progress, &counts, publisher_outstanding(session->publisher),
                     broker_error);
}

/* The numbers of the position that is saved next. They only grow, and the digests change with the
 * seq (L2). */
static void
session_take_numbers(struct session *session, const struct numbering *numbering)
{
    struct cursor_window *window = &session->window;
    CHECK(numbering->partitions == window->partitions);
    CHECK(numbering->last_row_id >= window->last_row_id);
    window->last_row_id = numbering->last_row_id;
    for (int32_t i = 0; i < window->partitions; i++) {
        int64_t offset = publisher_acked_offset(session->publisher, i);
        CHECK(numbering->seq[i] >= window->seq[i]);
        CHECK(numbering->seq[i] > window->seq[i] ||
              (numbering->digest[i] == window->digest[i] &&
               numbering->content_digest[i] == window->content_digest[i]));
        window->seq[i] = numbering->seq[i];
        window->digest[i] = numbering->digest[i];
        window->content_digest[i] = numbering->content_digest[i];
        if (offset >= 0)
            window->offsets[i] = offset;
    }
}

static bool
covered_fields_equal(const struct covered_fields *a, const struct covered_fields *b)
{
    bool equal = a->count == b->count;
    for (uint32_t i = 0; equal && i < a->count; i++)
        equal = text_equal(a->names[i], b->names[i]);
    return equal;
}

bool
session_set_covered(struct session *session, const struct covered_fields *covered)
{
    CHECK(session->publisher != NULL);
    if (covered_fields_equal(covered, &session->covered))
        return false; /* the arena keeps every list that was different */
    struct text *names = arena_alloc(&session->arena, (covered->count + 1) * sizeof *names);
    for (uint32_t i = 0; i < covered->count; i++)
        names[i] = arena_text(&session->arena, covered->names[i]);
    session->covered = (struct covered_fields){names, covered->count};
    publisher_set_covered(session->publisher, names, covered->count);
    return true;
}

void
session_set_loaded(struct session *session)
{
    const struct config *config = session->config;
    CHECK(session->publisher == NULL && session->owed == NULL);
    session->owed = owed_create(config->topic.partitions, config->producer.refresh.owed_max);
    owed_restore(session->owed, &session->window, clock_monotonic_us());
    session->saved_tick = session->window.tick;
    session->saved_sub_id = session->window.sub_id;
    session->saved_us = clock_monotonic_us();
}

/* The saved position only moves forward: by one window, or inside the window. */
static int
session_save(struct session *session, struct error *err)
{
    const struct cursor_window *window = &session->window;
    if (window->tick == session->saved_tick)
        CHECK(window->sub_id > session->saved_sub_id);
    else
        CHECK(window->tick == session->saved_tick + 1 && window->sub_id == 0);
    session->saved_tick = window->tick;
    session->saved_sub_id = window->sub_id;
    int rc = cursor_save(session->pg, &session->owner, window, err);
    session->saved_us = clock_monotonic_us();
    return rc;
}

int
session_save_progress(struct session *session, struct error *err)
{
    CHECK(session->window_pending);
    const struct publisher_checkpoint *checkpoint = publisher_acked_checkpoint(session->publisher);
    if (checkpoint == NULL || checkpoint->row_id <= session->window.sub_id)
        return 0;
    session->window.sub_id = checkpoint->row_id;
    session_take_numbers(session, &checkpoint->numbering);
    return session_save(session, err);
}

/* What is beyond the rows of the window is backlog while they may have to be sent, or are not
 * acknowledged, because nothing is read meanwhile. Otherwise a poll finds it. */
static int
session_count_backlog(struct session *session, struct error *err)
{
    int64_t *max_row_id = &session->progress->shown.max_row_id;
    bool awaits_acks = session->window_has_rows && publisher_outstanding(session->publisher) > 0;
    CHECK(session->window_pending);
    if (session->rows_wait || awaits_acks)
        return source_snapshot_last_id(session->pg, max_row_id, err);
    *max_row_id = publisher_numbering(session->publisher)->last_row_id;
    return 0;
}

static int
session_each_second(struct session *session, struct error *err)
{
    int64_t now_us = clock_monotonic_us();
    CHECK(now_us >= session->second_us);
    if (!session->window_pending || now_us - session->second_us < US_PER_S)
        return 0;
    session->second_us = now_us;
    status_begin_server_call(session->status);
    int rc = session_save_progress(session, err);
    if (rc == 0)
        rc = session_count_backlog(session, err);
    status_end_server_call(session->status);
    return rc;
}

/* A guard that no longer holds ends the session (L13). What the drain voids instead is in
 * guard_watch.h. */
static int
session_ask_guards(struct session *session, struct error *err)
{
    const struct config *config = session->config;
    int64_t now_us = clock_monotonic_us();
    uint32_t failed;
    CHECK(now_us >= session->guards_us);
    if (now_us - session->guards_us < (int64_t)config->producer.guard_interval_ms * US_PER_MS)
        return 0;
    session->guards_us = now_us;
    status_begin_server_call(session->status);
    int rc = guards_check_again(session->pg, config, &failed, err);
    status_end_server_call(session->status);
    return rc;
}

void
session_begin_watch(struct session *session)
{
    const struct rival_self self = {
        .source = session->owner.name,
        .topic_id = session->owner.topic_id,
        .start_name = session->start_name,
        .epoch = session->owner.epoch,
        .generation = session->owner.generation,
    };
    CHECK(session->publisher != NULL && !session->is_watched);
    if (session->watch == NULL)
        return;
    topic_watch_begin(session->watch, &self);
    session->is_watched = true;
}

/* A later generation is a takeover when our database knows of it. Otherwise it was taken in another
 * database, a copy of ours. */
static int
session_meet_rival(struct session *session, const struct rival *rival, struct error *err)
{
    CHECK(rival->kind != RIVAL_NONE);
    int rc = 0;
    status_begin_server_call(session->status);
    if (rival->kind == RIVAL_START || rival->kind == RIVAL_SCHEMA)
        rc = cursor_check_owner(session->pg, &session->owner, err);
    status_end_server_call(session->status);
    if (rc != 0)
        return rc;
    session->rival = *rival;
    return rival_explain(rival, session->config->topic.name, err);
}

/* What was not acknowledged to us lies in gaps between the acknowledged offsets (L3). */
static int
session_look(struct session *session, struct error *err)
{
    struct rival rival;
    if (!session->is_watched || session->rival.kind != RIVAL_NONE)
        return 0;
    for (int32_t i = 0; i < session->window.partitions; i++) {
        int64_t first, end;
        if (publisher_take_gap(session->publisher, i, &first, &end))
            topic_watch_add(session->watch, i, first, end);
    }
    if (topic_watch_find(session->watch, &rival))
        return session_meet_rival(session, &rival, err);
    return topic_watch_check(session->watch, err);
}

int
session_turn(struct session *session, int wait_ms, struct error *err)
{
    CHECK(session->publisher != NULL && session->outbox != NULL);
    status_heartbeat(session->status);
    if (shutdown_requested())
        return SESSION_STOPPED;
    int rc = publisher_poll(session->publisher, wait_ms, err);
    if (rc == 0)
        rc = session_pump(session, 0, err);
    if (rc != 0)
        return rc;
    session_observe_publisher(session);
    rc = session_look(session, err);
    if (rc == 0)
        rc = session_each_second(session, err);
    if (rc == 0)
        rc = session_ask_guards(session, err);
    session_publish_progress(session);
    return rc;
}

int
session_flush(struct session *session, struct error *err)
{
    bool done;
    int rc = publisher_flush(session->publisher, &done, err);
    while (rc == 0 && !done) {
        rc = session_turn(session, TURN_MS, err);
        if (rc == 0)
            rc = publisher_flush(session->publisher, &done, err);
    }
    CHECK(rc != 0 || publisher_flushed(session->publisher));
    return rc == 0 ? session_turn(session, 0, err) : rc;
}

int
session_await_acks(struct session *session, struct error *err)
{
    int rc = 0;
    CHECK(publisher_flushed(session->publisher)); /* what is only queued is never acknowledged */
    while (rc == 0 && publisher_outstanding(session->publisher) > 0)
        rc = session_turn(session, TURN_MS, err);
    return rc;
}

int
session_sleep(struct session *session, int ms)
{
    CHECK(ms >= 0);
    while (ms > 0 && !shutdown_requested()) {
        int step_ms = ms < SLEEP_STEP_MS ? ms : SLEEP_STEP_MS;
        clock_sleep_ms(step_ms);
        status_heartbeat(session->status);
        ms -= step_ms;
    }
    return shutdown_requested() ? SESSION_STOPPED : 0;
}

int
session_add_control(struct session *session, int32_t partition, struct event *event,
                    struct error *err)
{
    int32_t first = partition >= 0 ? partition : 0;
    int32_t last = partition >= 0 ? partition : session->window.partitions - 1;
    int rc = 0;
    event->tick = session->window.tick;
    for (int32_t p = first; rc == 0 && p <= last; p++) {
        rc = publisher_add_control(session->publisher, p, event, err);
        if (rc == 0 && publisher_full(session->publisher))
            rc = session_flush(session, err);
    }
    return rc;
}

int
session_add_marks(struct session *session, enum mark_kind kind,
                  const struct source_snapshot *snapshot, struct error *err)
{
    int64_t max_row_id = session->progress->shown.max_row_id;
    int64_t last_row_id = publisher_numbering(session->publisher)->last_row_id;
    int32_t partitions = session->window.partitions;
    int64_t *owed = memory_alloc((size_t)partitions * sizeof *owed);
    struct buffer text = {0};
    CHECK(snapshot->snapshot.xmin > 0);
    for (int32_t i = 0; i < partitions; i++)
        owed[i] = owed_count(session->owed, i);
    snapshot_print(&snapshot->snapshot, &text);
    const struct mark mark = {
        .kind = kind,
        .max_row_id = max_row_id,
        .backlog_rows = progress_backlog_rows(max_row_id, last_row_id),
        .clock_us = snapshot->clock_us,
        .snapshot = {(const char *)text.data, text.bytes},
        .source_empty = kind == MARK_FENCE && session->owner.source_empty,
    };
    int rc = publisher_add_marks(session->publisher, session->window.tick, &mark, owed, err);
    buffer_free(&text);
    free(owed);
    return rc;
}

int
session_add_chunk(struct session *session, const struct load_chunk *chunk, struct error *err)
{
    int rc = 0;
    CHECK(chunk->part_count > 0);
    for (uint32_t i = 0; rc == 0 && i < chunk->part_count; i++)
        for (int32_t p = 0; rc == 0 && p < session->window.partitions; p++) {
            struct event event = {.kind = EVENT_CHUNK, .chunk = &chunk->parts[i].chunks[p]};
            rc = session_add_control(session, p, &event, err);
        }
    return rc;
}

int
session_start_chunk(struct session *session, int64_t after_id, const struct snapshot *s1,
                    const struct snapshot *s2, struct error *err)
{
    status_begin_server_call(session->status);
    int rc = outbox_start(session->outbox, s1, s2, after_id, err);
    status_end_server_call(session->status);
    return rc;
}

int
session_start_requests(struct session *session, const struct owed_rest *rest, struct error *err)
{
    status_begin_server_call(session->status);
    int rc = outbox_start_requests(session->outbox, rest->s1, rest->s2, rest->after_id,
                                   rest->up_to_id, err);
    status_end_server_call(session->status);
    return rc;
}

int
session_pump(struct session *session, int wait_ms, struct error *err)
{
    status_begin_server_call(session->status);
    int rc = outbox_pump(session->outbox, wait_ms, err);
    status_end_server_call(session->status);
    return rc;
}

int
session_take_chunk(struct session *session, struct outbox_chunk *chunk, struct error *err)
{
    int rc = 0;
    while (rc == 0 && !outbox_ready(session->outbox)) {
        rc = session_pump(session, TURN_MS, err);
        if (rc == 0)
            rc = session_turn(session, 0, err);
    }
    if (rc == 0)
        outbox_take(session->outbox, chunk);
    CHECK(rc != 0 || chunk->rows > 0 || chunk->last);
    return rc;
}

void
session_set_delivered(struct session *session, const struct source_snapshot *snapshot)
{
    CHECK(snapshot->snapshot.xmax >= session->delivered.snapshot.xmax);
    CHECK(publisher_flushed(session->publisher));
    snapshot_copy(&session->delivered.snapshot, &snapshot->snapshot);
    session->delivered.clock_us = snapshot->clock_us;
    session->delivered.read_us = snapshot->read_us;
    session->rows_wait = false;
    session->progress->shown.max_row_id = publisher_numbering(session->publisher)->last_row_id;
}

int
session_open_window(struct session *session, const struct snapshot *s2, struct error *err)
{
    struct cursor_window *window = &session->window;
    const struct snapshot *answered = owed_answered(session->owed);
    CHECK(publisher_flushed(session->publisher));
    CHECK(publisher_outstanding(session->publisher) == 0);
    CHECK(session->delivered.snapshot.xmax >= window->s2.xmax);
    session->window_pending = false;
    snapshot_copy(&window->s1, &session->delivered.snapshot);
    snapshot_copy(&window->s2, s2);
    snapshot_copy(&window->answered, answered != NULL ? answered : &window->s1);
    window->tick++;
    window->sub_id = 0;
    session_take_numbers(session, publisher_numbering(session->publisher));
    publisher_forget_checkpoints(session->publisher);
    session->window_has_rows = false;
    status_begin_server_call(session->status);
    int rc = session_save(session, err);
    if (rc == 0 && window->tick % TRIM_TICKS == 0)
        rc = cursor_trim(session->pg, &session->owner, window->tick, err);
    status_end_server_call(session->status);
    return rc;
}
