#include "producer/drain/dead_letters.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/utf8.h"
#include "producer/sink/sent_rows.h"

enum { PENDING_MAX = 1000, REASON_BYTES_MAX = 500 };

struct dead_letters {
    struct session *session;
    bool resumed;

    struct cursor_dead_letter pending[PENDING_MAX]; /* added and not stored; ids ascending */
    uint32_t pending_count;
    struct arena pending_arena;        /* their reasons */
    char reason[REASON_BYTES_MAX + 1]; /* of the last rejected event */

    struct arena stored_arena;
    const struct cursor_dead_letter *stored; /* those not passed yet; ids ascending */
    uint32_t stored_count;
    int64_t find_row_id; /* of the last call of dead_letters_find_stored() */

    struct sent_rows *sent; /* of the window; NULL until it is needed */
};

struct dead_letters *
dead_letters_create(struct session *session, bool resumed)
{
    struct dead_letters *letters = memory_zalloc(sizeof *letters);
    CHECK(session->window_pending);
    letters->session = session;
    letters->resumed = resumed;
    letters->find_row_id = OUTBOX_FIRST_ROW;
    return letters;
}

void
dead_letters_destroy(struct dead_letters *letters)
{
    arena_free(&letters->pending_arena);
    arena_free(&letters->stored_arena);
    sent_rows_free(letters->sent);
    free(letters);
}

int
dead_letters_load(struct dead_letters *letters, int64_t after_id, int64_t last_id,
                  struct error *err)
{
    struct session *session = letters->session;
    CHECK(after_id < last_id);
    arena_reset(&letters->stored_arena);
    letters->stored_count = 0;
    if (!letters->resumed)
        return 0;
    status_begin_server_call(session->status);
    int rc = cursor_list_dead_letters(session->pg, &session->owner, after_id, last_id,
                                      &letters->stored_arena, &letters->stored,
                                      &letters->stored_count, err);
    status_end_server_call(session->status);
    return rc;
}

/* A list that somebody has damaged counts as a rejected row. */
static struct dead_letters_verdict
read_verdict(struct dead_letters *letters, const struct cursor_dead_letter *stored)
{
    struct dead_letters_verdict verdict = {.reason = stored->reason};
    if (stored->invalid_values != NULL)
        verdict.is_partial =
            ops_invalids_read(text_of(stored->invalid_values), &letters->stored_arena,
                              &verdict.invalids, NULL) == 0;
    return verdict;
}

struct dead_letters_verdict
dead_letters_find_stored(struct dead_letters *letters, int64_t row_id)
{
    CHECK(row_id >= letters->find_row_id);
    letters->find_row_id = row_id;
    while (letters->stored_count > 0 && letters->stored->row_id < row_id) {
        letters->stored++;
        letters->stored_count--;
    }
    if (letters->stored_count == 0 || letters->stored->row_id != row_id)
        return (struct dead_letters_verdict){0};
    return read_verdict(letters, letters->stored);
}

/* Reads the rows of the window that are on the topic before our fence. */
static int
dead_letters_read_topic(struct dead_letters *letters, int (*turn)(void *, struct error *),
                        struct error *err)
{
    struct session *session = letters->session;
    const struct cursor_window *window = &session->window;
    CHECK(letters->resumed && letters->sent == NULL);
    int64_t *offsets = memory_alloc((size_t)window->partitions * sizeof *offsets);
    const struct sent_range range = {
        .epoch = session->owner.epoch,
        .after_row_id = window->sub_id == 0 ? OUTBOX_FIRST_ROW : window->sub_id,
        .offsets = offsets,
        .ends = session->checked_offsets,
    };
    status_set_phase(session->status, STATUS_TOPIC);
    status_begin_server_call(session->status);
    int rc = cursor_read_opening(session->pg, &session->owner, window->tick, offsets,
                                 window->partitions, err);
    if (rc == 0)
        rc = sent_rows_read(session->config, &range, turn, session, &letters->sent, err);
    status_end_server_call(session->status);
    status_set_phase(session->status, STATUS_DRAINING);
    free(offsets);
    return rc;
}

static int
dead_letters_turn(void *context, struct error *err)
{
    return session_turn(context, 0, err);
}

int
dead_letters_find_accepted(struct dead_letters *letters, int64_t row_id, struct arena *arena,
                           const struct ops **ops, struct error *err)
{
    int rc = 0;
    *ops = NULL;
    if (!letters->resumed)
        return 0;
    if (letters->sent == NULL)
        rc = dead_letters_read_topic(letters, dead_letters_turn, err);
    CHECK(rc != 0 || letters->sent != NULL);
    return rc == 0 ? sent_rows_find(letters->sent, row_id, arena, ops, err) : rc;
}

static struct text
reason_cut(const char *reason)
{
    size_t bytes = strnlen(reason, REASON_BYTES_MAX);
    while (!utf8_valid(reason, bytes)) /* cut inside a character */
        bytes--;
    return (struct text){reason, bytes};
}

void
dead_letters_reject(struct dead_letters *letters, struct event *event, const char *reason)
{
    struct text cut = reason_cut(reason);
    CHECK(event_kind_is_numbered(event->kind) && event->kind != EVENT_REJECTED);
    CHECK(cut.bytes <= REASON_BYTES_MAX);
    memcpy(letters->reason, cut.data, cut.bytes);
    letters->reason[cut.bytes] = '\0';
    event->kind = EVENT_REJECTED;
    event->reason = text_of(letters->reason);
}

/* A row that has lost values may be too large for a message as well: the newer letter counts. */
static void
add_pending(struct dead_letters *letters, const struct cursor_dead_letter *letter)
{
    uint32_t count = letters->pending_count;
    if (count > 0 && letters->pending[count - 1].row_id == letter->row_id) {
        letters->pending[count - 1] = *letter;
        return;
    }
    CHECK(count < PENDING_MAX);
    CHECK(count == 0 || letter->row_id > letters->pending[count - 1].row_id);
    letters->pending[letters->pending_count++] = *letter;
}

void
dead_letters_add(struct dead_letters *letters, struct event *event, const char *reason)
{
    dead_letters_reject(letters, event, reason);
    add_pending(letters, &(struct cursor_dead_letter){
                             .row_id = event->row_id,
                             .reason = arena_strdup(&letters->pending_arena, event->reason),
                         });
}

void
dead_letters_add_values(struct dead_letters *letters, struct event *event,
                        const struct ops_invalids *invalids)
{
    struct buffer reason = {0};
    struct buffer values = {0};
    CHECK(event_kind_is_numbered(event->kind) && event->kind != EVENT_REJECTED);
    CHECK(invalids->count > 0);
    ops_invalids_describe(invalids, &reason);
    ops_invalids_write(invalids, &values);
    struct text cut = reason_cut(buffer_string(&reason));
    const struct cursor_dead_letter letter = {
        .row_id = event->row_id,
        .reason = arena_strdup(&letters->pending_arena, cut),
        .invalid_values = arena_strdup(&letters->pending_arena, text_of(buffer_string(&values))),
    };
    if (event->ops.count == 0)
        dead_letters_reject(letters, event, letter.reason);
    add_pending(letters, &letter);
    buffer_free(&reason);
    buffer_free(&values);
}

bool
dead_letters_full(const struct dead_letters *letters)
{
    CHECK(letters->pending_count <= PENDING_MAX);
    return letters->pending_count == PENDING_MAX;
}

int
dead_letters_store(struct dead_letters *letters, struct error *err)
{
    struct session *session = letters->session;
    CHECK(letters->pending_count <= PENDING_MAX);
    if (letters->pending_count == 0)
        return 0;
    status_begin_server_call(session->status);
    int rc = cursor_add_dead_letters(session->pg, &session->owner, session->window.tick,
                                     letters->pending, letters->pending_count, err);
    status_end_server_call(session->status);
    if (rc != 0)
        return rc;
    progress_add_letters(session->progress, letters->pending_count,
                         letters->pending[letters->pending_count - 1].reason);
    letters->pending_count = 0;
    arena_reset(&letters->pending_arena);
    return 0;
}
