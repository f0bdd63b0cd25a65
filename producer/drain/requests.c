#include "producer/drain/requests.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "producer/drain/row_event.h"
#include "producer/refresh/owed.h"
#include "producer/refresh/row_requests.h"
#include "producer/sink/numbering.h"
#include "producer/source/copy_rows.h"

/* What an accepted row asks for. False: nothing. */
static bool
read_entry(const struct session *session, const struct event *event, struct arena *arena,
           struct owed_entry *entry)
{
    const struct config *config = session->config;
    if (event->kind != EVENT_ROW && event->kind != EVENT_PARENT_REFRESH)
        return false;
    *entry = (struct owed_entry){.row_id = event->row_id, .partition = -1};
    if (event->kind == EVENT_ROW)
        entry->partition = numbering_partition(event->entity_id, config->topic.partitions);
    row_requests_read(config, event->entity_id, &event->ops, arena, &entry->requests);
    return entry->requests.count > 0;
}

/* The same of a row of the outbox. A row that cannot be an event asks for nothing. */
static bool
read_row(const struct session *session, const struct outbox_row *row, struct arena *arena,
         struct owed_entry *entry)
{
    struct event event;
    struct ops_invalids invalids;
    struct error ignored;
    return row_requests_are_possible(row->ops) &&
           row_event_parse(session->config, row, NULL, arena, &event, &invalids, &ignored) == 0 &&
           read_entry(session, &event, arena, entry);
}

static void
add(struct session *session, const struct owed_place *place, const struct owed_entry *entry)
{
    owed_add(session->owed, place, entry);
    session->progress->refresh.requests++;
}

int
requests_take_chunk(struct session *session, const struct snapshot *s2,
                    const struct outbox_chunk *chunk, struct error *err)
{
    const struct owed_place place = {
        .tick = session->window.tick + 1,
        .s1 = &session->delivered.snapshot,
        .s2 = s2,
        .now_us = clock_monotonic_us(),
    };
    struct arena arena = {0};
    struct copy_rows rows;
    struct outbox_row row;
    struct owed_entry entry;
    bool found = true;
    CHECK(chunk->last && !session->requests_taken);
    int rc = copy_rows_begin(&rows, chunk->bytes, err);
    while (rc == 0 && (rc = copy_rows_next(&rows, &row, &found, err)) == 0 && found) {
        arena_reset(&arena);
        if (read_row(session, &row, &arena, &entry))
            add(session, &place, &entry);
    }
    arena_free(&arena);
    session->requests_taken = true;
    return rc;
}

static bool
has_request(const struct ops *ops)
{
    for (uint32_t i = 0; i < ops->count; i++)
        if (ops->items[i].kind == OP_REFRESH)
            return true;
    return false;
}

void
requests_take_event(struct session *session, const struct event *event)
{
    const struct cursor_window *window = &session->window;
    struct arena arena = {0};
    struct owed_entry entry;
    CHECK(event->tick == window->tick);
    if (session->requests_taken || !has_request(&event->ops))
        return;
    const struct owed_place place = {window->tick, &window->s1, &window->s2, clock_monotonic_us()};
    if (read_entry(session, event, &arena, &entry))
        add(session, &place, &entry);
    arena_free(&arena);
}

/* Takes the requests of a page, up to a row that there is no room for. */
static int
take_page(struct session *session, const struct owed_rest *rest, const struct outbox_chunk *chunk,
          struct error *err)
{
    struct arena arena = {0};
    struct copy_rows rows;
    struct outbox_row row;
    struct owed_entry entry;
    bool found = true;
    bool has_room = true;
    int64_t last_id = rest->after_id;
    int rc = copy_rows_begin(&rows, chunk->bytes, err);
    while (rc == 0 && has_room && (rc = copy_rows_next(&rows, &row, &found, err)) == 0 && found) {
        arena_reset(&arena);
        has_room = !read_row(session, &row, &arena, &entry) || owed_take(session->owed, &entry);
        if (has_room)
            last_id = row.id;
    }
    arena_free(&arena);
    if (rc == 0)
        owed_pass_rest(session->owed, last_id, has_room && chunk->last);
    return rc;
}

int
requests_read_rest(struct session *session, struct error *err)
{
    struct outbox_chunk chunk;
    if (!owed_wants_rest(session->owed))
        return 0;
    struct owed_rest rest = owed_rest(session->owed);
    int rc = session_start_requests(session, &rest, err);
    if (rc == 0)
        rc = session_take_chunk(session, &chunk, err);
    return rc == 0 ? take_page(session, &rest, &chunk, err) : rc;
}
