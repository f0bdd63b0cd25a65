#include "producer/drain/window_rows.h"

#include "common/base/check.h"
#include "producer/drain/dead_letters.h"
#include "producer/drain/requests.h"
#include "producer/drain/row_event.h"
#include "producer/sink/numbering.h"
#include "producer/source/copy_rows.h"

enum { PUMP_EVERY_ROWS = 64 };

struct window_rows {
    struct session *session;
    struct dead_letters *dead_letters;
    struct arena row; /* ops of the current row */
};

/* Dead letters are stored before their rejected events are sent (L9). */
static int
window_rows_flush(struct window_rows *rows, struct error *err)
{
    int rc = dead_letters_store(rows->dead_letters, err);
    return rc == 0 ? session_flush(rows->session, err) : rc;
}

/* This version rejects the row, for the reason in `err`, or more of its values than was stored
 * (`invalids`, else NULL); one that accepted it before decides. */
static int
window_rows_recheck(struct window_rows *rows, struct event *event,
                    const struct ops_invalids *invalids, struct error *err)
{
    const struct ops *accepted;
    CHECK(event->kind != EVENT_REJECTED);
    int rc =
        dead_letters_find_accepted(rows->dead_letters, event->row_id, &rows->row, &accepted, err);
    if (rc == 0 && accepted != NULL)
        event->ops = *accepted;
    else if (rc == 0 && invalids != NULL)
        dead_letters_add_values(rows->dead_letters, event, invalids);
    else if (rc == 0)
        dead_letters_add(rows->dead_letters, event, err->message);
    return rc;
}

/* Queues the event for one partition, as a rejected event if it cannot be encoded. An event that
 * was sent before is not rejected: the session fails until it can be encoded again. */
static int
window_rows_add(struct window_rows *rows, struct event *event, int32_t partition, struct error *err)
{
    struct publisher *publisher = rows->session->publisher;
    const struct ops *accepted;
    CHECK(event->tick == rows->session->window.tick);
    int rc = publisher_add(publisher, partition, event, err);
    if (rc != ERR_DATA || event->kind == EVENT_REJECTED)
        return rc;
    rc = dead_letters_find_accepted(rows->dead_letters, event->row_id, &rows->row, &accepted, err);
    if (rc != 0)
        return rc;
    if (accepted != NULL)
        return error_wrap(err, ERR_RETRY,
                          "row %lld is on the topic already, but not in all partitions",
                          (long long)event->row_id);
    dead_letters_add(rows->dead_letters, event, err->message);
    return publisher_add(publisher, partition, event, err);
}

static int
window_rows_add_to_all(struct window_rows *rows, struct event *event, struct error *err)
{
    int32_t partitions = rows->session->config->topic.partitions;
    int rc = 0;
    CHECK(event->kind != EVENT_ROW);
    for (int32_t i = 0; rc == 0 && i < partitions; i++) {
        rc = window_rows_add(rows, event, i, err);
        if (rc == 0 && publisher_full(rows->session->publisher))
            rc = window_rows_flush(rows, err);
    }
    return rc;
}

/* Makes the event of the row, which may be a rejected one. */
static int
window_rows_judge(struct window_rows *rows, const struct outbox_row *row, struct event *event,
                  bool *to_all, struct error *err)
{
    struct dead_letters *letters = rows->dead_letters;
    struct ops_invalids invalids;
    const struct dead_letters_verdict stored = dead_letters_find_stored(letters, row->id);
    CHECK(stored.is_partial || stored.invalids.count == 0);
    int rc = row_event_parse(rows->session->config, row, &stored.invalids, &rows->row, event,
                             &invalids, err);
    event->tick = rows->session->window.tick;
    *to_all = event->kind != EVENT_ROW;
    bool is_rejected = stored.reason != NULL && !stored.is_partial;
    if (!is_rejected && rc != 0)
        return window_rows_recheck(rows, event, NULL, err);
    if (!is_rejected && invalids.count > stored.invalids.count)
        return window_rows_recheck(rows, event, &invalids, err);
    if (is_rejected || event->ops.count == 0)
        dead_letters_reject(letters, event, stored.reason);
    return 0;
}

static int
window_rows_take_row(struct window_rows *rows, const struct outbox_row *row, struct error *err)
{
    struct session *session = rows->session;
    struct event event;
    bool to_all;
    arena_reset(&rows->row);
    int rc = window_rows_judge(rows, row, &event, &to_all, err);
    if (rc != 0)
        return rc;
    requests_take_event(session, &event);
    if (to_all)
        return window_rows_add_to_all(rows, &event, err);
    int32_t partition = numbering_partition(row->entity_id, session->config->topic.partitions);
    return window_rows_add(rows, &event, partition, err);
}

/* After the n-th row of a chunk: sends what is enough for that, and reads on. */
static int
window_rows_after_row(struct window_rows *rows, int64_t n, struct error *err)
{
    struct session *session = rows->session;
    int rc = 0;
    if (publisher_full(session->publisher) || dead_letters_full(rows->dead_letters))
        rc = window_rows_flush(rows, err);
    if (rc == 0 && n % PUMP_EVERY_ROWS == 0)
        rc = session_pump(session, 0, err);
    return rc;
}

static int
window_rows_take_rows(struct window_rows *rows, const struct outbox_chunk *chunk, struct error *err)
{
    struct copy_rows copy;
    struct outbox_row row;
    bool found = true;
    int64_t n = 0;
    int rc = copy_rows_begin(&copy, chunk->bytes, err);
    while (rc == 0 && (rc = copy_rows_next(&copy, &row, &found, err)) == 0 && found) {
        row.unreadable = chunk->unreadable;
        rc = window_rows_take_row(rows, &row, err);
        if (rc == 0)
            rc = window_rows_after_row(rows, ++n, err);
    }
    if (rc != 0)
        return rc;
    CHECK(n == chunk->rows && row.id == chunk->last_id);
    return window_rows_flush(rows, err);
}

static int
window_rows_take_chunk(struct window_rows *rows, const struct outbox_chunk *chunk, int64_t after_id,
                       struct error *err)
{
    struct session *session = rows->session;
    if (chunk->rows == 0)
        return 0;
    CHECK(chunk->last_id > after_id);
    CHECK(session->window.sub_id == 0 || chunk->last_id > session->window.sub_id);
    int rc = dead_letters_load(rows->dead_letters, after_id, chunk->last_id, err);
    if (rc == 0)
        rc = window_rows_take_rows(rows, chunk, err);
    if (rc != 0)
        return rc;
    publisher_keep_checkpoint(session->publisher, chunk->last_id);
    session->progress->shown.rows += (uint64_t)chunk->rows;
    session->window_has_rows = true;
    session->rows_since_mark = true;
    return 0;
}

static int
window_rows_take_chunks(struct window_rows *rows, struct outbox_chunk chunk, struct error *err)
{
    struct session *session = rows->session;
    const struct cursor_window *window = &session->window;
    int64_t after_id = window->sub_id == 0 ? OUTBOX_FIRST_ROW : window->sub_id;
    for (;;) {
        int rc = 0;
        CHECK(chunk.rows > 0 || chunk.last);
        if (!chunk.last)
            rc = session_start_chunk(session, chunk.last_id, &window->s1, &window->s2, err);
        if (rc == 0)
            rc = window_rows_take_chunk(rows, &chunk, after_id, err);
        if (rc != 0 || chunk.last)
            return rc;
        after_id = chunk.last_id;
        rc = session_take_chunk(session, &chunk, err);
        if (rc != 0)
            return rc;
    }
}

int
window_rows_send(struct session *session, const struct outbox_chunk *first, bool resumed,
                 struct error *err)
{
    struct window_rows rows = {
        .session = session,
        .dead_letters = dead_letters_create(session, resumed),
    };
    CHECK(resumed || session->window.sub_id == 0);
    int rc = window_rows_take_chunks(&rows, *first, err);
    dead_letters_destroy(rows.dead_letters);
    arena_free(&rows.row);
    CHECK(rc != 0 || publisher_flushed(session->publisher));
    return rc;
}
