/* The rows of one window: parsed, routed, numbered, queued.
 *
 * Happy path: while a chunk is worked on, the database makes the next one. A row becomes an event
 * for its entity's partition, a fan-out one for every partition.
 *
 * A row that cannot be an event is rejected (L9): it is routed by its kind like any other and takes
 * its seqs as a small `rejected` event. Verdicts are collected and stored before anything that was
 * queued since is sent.
 *
 * In a window that is resumed another version may have judged rows before us, and what it sent may
 * have been seen (F79). Its stored verdicts are followed. A row without one, which we reject, is
 * looked for on the topic: if it is there, in any partition, it was accepted and stays so.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/utf8.h"
#include "common/ops/ops_json.h"
#include "producer/drain/drain_internal.h"
#include "producer/sink/sent_rows.h"

enum { PUMP_EVERY_ROWS = 64, REJECTIONS_MAX = 1000, REASON_BYTES_MAX = 500 };

struct stream {
    struct drain *drain;
    struct ops_limits limits;
    struct arena row;  /* ops of one row */
    struct arena kept; /* verdicts, until they are stored */
    struct cursor_dead_letter rejections[REJECTIONS_MAX];
    uint32_t rejection_count;
    char reason[REASON_BYTES_MAX + 1]; /* of the row at hand */
    struct arena stored_arena;
    const struct cursor_dead_letter *stored; /* of the chunk, ascending */
    uint32_t stored_count;
    bool resumed;
    struct sent_rows *sent; /* of the window; NULL until it is needed */
};

static int
stream_flush(struct stream *stream, struct error *err)
{
    struct drain *drain = stream->drain;
    if (stream->rejection_count > 0) {
        status_begin_server_call(drain->status);
        int rc = cursor_reject(drain->pg, &drain->owner, drain->window.tick, stream->rejections,
                               stream->rejection_count, err);
        status_end_server_call(drain->status);
        if (rc != 0)
            return rc;
        drain->progress.dead_letters += stream->rejection_count;
        stream->rejection_count = 0;
        arena_reset(&stream->kept);
    }
    return drain_flush(drain, err);
}

/* NULL when nothing was stored about the row. */
static const char *
stream_stored_reason(struct stream *stream, int64_t row_id)
{
    while (stream->stored_count > 0 && stream->stored->row_id < row_id) {
        stream->stored++;
        stream->stored_count--;
    }
    return stream->stored_count > 0 && stream->stored->row_id == row_id ? stream->stored->reason
                                                                        : NULL;
}

/* The event becomes a rejected one. */
static void
stream_turn_down(struct stream *stream, struct event *event, const char *reason)
{
    size_t bytes = strnlen(reason, REASON_BYTES_MAX);
    while (!utf8_valid(reason, bytes)) /* cut inside a character */
        bytes--;
    memcpy(stream->reason, reason, bytes);
    stream->reason[bytes] = '\0';
    event->kind = EVENT_REJECTED;
    event->reason = text_of(stream->reason);
}

/* The same, as a verdict that is to be stored. */
static void
stream_reject(struct stream *stream, struct event *event, const char *reason)
{
    stream_turn_down(stream, event, reason);
    stream->rejections[stream->rejection_count++] = (struct cursor_dead_letter){
        .row_id = event->row_id,
        .reason = arena_strdup(&stream->kept, event->reason),
    };
}

static int
stream_turn(void *context, struct error *err)
{
    return drain_turn(context, 0, err);
}

/* Everything of the window that is on the topic before our fence. */
static int
stream_look_at_topic(struct stream *stream, struct error *err)
{
    struct drain *drain = stream->drain;
    const struct cursor_window *window = &drain->window;
    int64_t *offsets = memory_alloc((size_t)window->partitions * sizeof *offsets);
    const struct sent_range range = {
        .epoch = drain->owner.epoch,
        .after_row_id = window->sub_id == 0 ? OUTBOX_FIRST_ROW : window->sub_id,
        .offsets = offsets,
        .ends = drain->looked,
    };
    status_set_phase(drain->status, STATUS_TOPIC);
    status_begin_server_call(drain->status);
    int rc = cursor_read_opening(drain->pg, &drain->owner, window->tick, offsets,
                                 window->partitions, err);
    if (rc == 0)
        rc = sent_rows_read(drain->config, &range, stream_turn, drain, &stream->sent, err);
    status_end_server_call(drain->status);
    status_set_phase(drain->status, STATUS_DRAINING);
    free(offsets);
    return rc;
}

/* The ops of a row that was accepted before; NULL: nobody can have seen it accepted. Leaves `err`
 * as it is unless it fails. */
static int
stream_find_accepted(struct stream *stream, int64_t row_id, const struct ops **ops,
                     struct error *err)
{
    int rc = 0;
    *ops = NULL;
    if (!stream->resumed)
        return 0;
    if (stream->sent == NULL)
        rc = stream_look_at_topic(stream, err);
    return rc == 0 ? sent_rows_find(stream->sent, row_id, &stream->row, ops, err) : rc;
}

/* The row is not one for us, as `err` says. */
static int
stream_doubt(struct stream *stream, struct event *event, struct error *err)
{
    const struct ops *accepted;
    int rc = stream_find_accepted(stream, event->row_id, &accepted, err);
    if (rc == 0 && accepted != NULL)
        event->ops = *accepted;
    else if (rc == 0)
        stream_reject(stream, event, err->message);
    return rc;
}

/* What is wrong with the row, in `err`, or its ops in `event`. `*all`: to every partition. */
static int
stream_parse(struct stream *stream, const struct outbox_row *row, struct event *event, bool *all,
             struct error *err)
{
    const struct config_topic *topic = &stream->drain->config->topic;
    enum ops_route route = row->fan_out ? OPS_ROUTE_ALL : OPS_ROUTE_ENTITY;
    int rc;
    arena_reset(&stream->row);
    if (row->too_large)
        rc = error_set(err, ERR_DATA, "ops are larger than producer.row_bytes (%u bytes)",
                       stream->limits.row_bytes);
    else
        rc = ops_json_parse(row->ops, &stream->limits, &stream->row, &event->ops, &route, err);
    *all = route == OPS_ROUTE_ALL;
    event->kind = *all ? EVENT_FAN_OUT : EVENT_ROW;
    if (rc == 0 && !*all &&
        !numbering_has_slot(row->entity_id, topic->partitions, topic->max_slots))
        rc = error_set(err, ERR_DATA,
                       "entity_id %lld has no slot: it is negative, or not below"
                       " topic.max_slots * topic.partitions",
                       (long long)row->entity_id);
    return rc;
}

/* Queues the event for one partition, as a rejected one if it cannot be encoded. One that was
 * encoded before waits until it can be again. */
static int
stream_add(struct stream *stream, struct event *event, int32_t partition, struct error *err)
{
    struct publisher *publisher = stream->drain->publisher;
    const struct ops *accepted;
    int rc = publisher_add(publisher, partition, event, err);
    if (rc != ERR_DATA || event->kind == EVENT_REJECTED)
        return rc;
    rc = stream_find_accepted(stream, event->row_id, &accepted, err);
    if (rc != 0)
        return rc;
    if (accepted != NULL)
        return error_wrap(err, ERR_RETRY,
                          "row %lld is on the topic already, but not in all partitions",
                          (long long)event->row_id);
    stream_reject(stream, event, err->message);
    return publisher_add(publisher, partition, event, err);
}

static int
stream_row(struct stream *stream, const struct outbox_row *row, struct error *err)
{
    int32_t partitions = stream->drain->config->topic.partitions;
    struct event event = {
        .tick = stream->drain->window.tick,
        .has_created_at = row->has_created_at,
        .created_at_us = row->created_at_us,
        .row_id = row->id,
        .entity_id = row->entity_id,
    };
    bool all;
    int rc = stream_parse(stream, row, &event, &all, err);
    const char *stored = stream_stored_reason(stream, row->id);
    if (stored != NULL)
        stream_turn_down(stream, &event, stored);
    else if (rc != 0 && (rc = stream_doubt(stream, &event, err)) != 0)
        return rc;
    if (!all)
        return stream_add(stream, &event, numbering_partition(row->entity_id, partitions), err);
    rc = 0;
    for (int32_t i = 0; rc == 0 && i < partitions; i++) {
        rc = stream_add(stream, &event, i, err);
        if (rc == 0 && publisher_full(stream->drain->publisher))
            rc = stream_flush(stream, err);
    }
    return rc;
}

static int
stream_rows(struct stream *stream, const struct outbox_chunk *chunk, struct error *err)
{
    struct drain *drain = stream->drain;
    struct copy_rows rows;
    struct outbox_row row;
    bool found = true;
    int rc = copy_rows_begin(&rows, chunk->bytes, err);
    for (int64_t n = 1; rc == 0 && (rc = copy_rows_next(&rows, &row, &found, err)) == 0 && found;
         n++) {
        rc = stream_row(stream, &row, err);
        if (rc == 0 &&
            (publisher_full(drain->publisher) || stream->rejection_count == REJECTIONS_MAX))
            rc = stream_flush(stream, err);
        if (rc == 0 && n % PUMP_EVERY_ROWS == 0)
            rc = drain_pump(drain, 0, err);
    }
    return rc == 0 ? stream_flush(stream, err) : rc;
}

static int
stream_chunk(struct stream *stream, const struct outbox_chunk *chunk, int64_t after_id,
             bool resumed, struct error *err)
{
    struct drain *drain = stream->drain;
    int rc = 0;
    stream->stored_count = 0;
    arena_reset(&stream->stored_arena);
    if (chunk->rows == 0)
        return 0;
    if (resumed) {
        status_begin_server_call(drain->status);
        rc = cursor_list_rejections(drain->pg, &drain->owner, after_id, chunk->last_id,
                                    &stream->stored_arena, &stream->stored, &stream->stored_count,
                                    err);
        status_end_server_call(drain->status);
    }
    if (rc == 0)
        rc = stream_rows(stream, chunk, err);
    if (rc != 0)
        return rc;
    publisher_keep_checkpoint(drain->publisher, chunk->last_id);
    drain->progress.rows += (uint64_t)chunk->rows;
    drain->window_has_rows = true;
    drain->rows_since_mark = true;
    return 0;
}

static int
stream_chunks(struct stream *stream, struct outbox_chunk chunk, bool resumed, struct error *err)
{
    struct drain *drain = stream->drain;
    const struct cursor_window *window = &drain->window;
    int64_t after_id = resumed ? window->sub_id : OUTBOX_FIRST_ROW;
    for (;;) {
        int rc = 0;
        if (!chunk.last)
            rc = drain_start_chunk(drain, chunk.last_id, &window->s1, &window->s2, err);
        if (rc == 0)
            rc = stream_chunk(stream, &chunk, after_id, resumed, err);
        if (rc != 0 || chunk.last)
            return rc;
        after_id = chunk.last_id;
        rc = drain_take_chunk(drain, &chunk, err);
        if (rc != 0)
            return rc;
    }
}

int
stream_window(struct drain *drain, const struct outbox_chunk *first, bool resumed,
              struct error *err)
{
    struct stream *stream = memory_zalloc(sizeof *stream);
    stream->drain = drain;
    stream->resumed = resumed;
    stream->limits = ops_limits_default;
    stream->limits.row_bytes = (uint32_t)drain->config->producer.row_bytes;
    int rc = stream_chunks(stream, *first, resumed, err);
    arena_free(&stream->row);
    arena_free(&stream->kept);
    arena_free(&stream->stored_arena);
    sent_rows_free(stream->sent);
    free(stream);
    return rc;
}
