#include "consumer/audit/audit_stream.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/ops/op.h"

enum { KEY_BYTES = 8, EPOCHS_MAX = 1000 };

#define FIND(stream, ...) \
    audit_findings_add((stream)->findings, (stream)->partition, (stream)->offset, __VA_ARGS__)

static const struct audit_chain chain_start = {EVENT_DIGEST_START, EVENT_DIGEST_START, true, true};

void
audit_stream_init(struct audit_stream *stream, int32_t partition, int32_t partitions,
                  uint32_t ring_size, struct audit_partition *report,
                  struct audit_findings *findings)
{
    CHECK(partition >= 0 && partition < partitions);
    CHECK(report->begin >= 0 && report->begin <= report->end);
    *stream = (struct audit_stream){
        .partition = partition,
        .partitions = partitions,
        .findings = findings,
        .report = report,
        .watermark_tick = -1,
        .ring = {.size = ring_size},
    };
    report->first_offset = report->last_offset = report->watermark_tick = -1;
}

void
audit_stream_free(struct audit_stream *stream)
{
    audit_ring_free(&stream->ring);
    key_table_clear(&stream->requests);
}

static bool
event_is_fence(const struct event *event)
{
    return event->kind == EVENT_MARK && event->mark.kind == MARK_FENCE;
}

static bool
name_is(const char *kept, struct text name)
{
    if (name.bytes >= AUDIT_NAME_BYTES)
        name.bytes = AUDIT_NAME_BYTES - 1;
    return text_equal(text_of(kept), name);
}

static void
name_keep(char *kept, struct text name)
{
    snprintf(kept, AUDIT_NAME_BYTES, "%.*s", TEXT_ARGS(name));
}

/* --- numbers and digests ---------------------------------------------------------------------- */

static struct audit_chain
chain_of(const struct mark *mark)
{
    return (struct audit_chain){mark->digest, mark->content_digest, true, mark->has_content};
}

static void
chain_add(struct audit_chain *chain, const struct event *event)
{
    chain->digest = event_digest_next(chain->digest, event->row_id);
    chain->content =
        event_content_next(chain->content, event->row_id, event->txid, event->body_crc);
}

/* Compares the digests of a mark with those of the events that were read. */
static bool
stream_compare(struct audit_stream *stream, const struct audit_chain *chain,
               const struct event *event)
{
    const struct mark *mark = &event->mark;
    if (chain->digest_known && chain->digest != mark->digest) {
        FIND(stream, "digest of seq %" PRId64 ": the mark covers other row ids than were read",
             event->seq);
        return false;
    }
    if (chain->content_known && mark->has_content && chain->content != mark->content_digest) {
        FIND(stream,
             "content digest of seq %" PRId64 ": an event is not what was sent: it was changed, or"
             " its row id was issued again, or two versions encode it differently",
             event->seq);
        return false;
    }
    return true;
}

/* The same with the events of all generations. */
static void
stream_confirm(struct audit_stream *stream, const struct event *event)
{
    struct audit_counts *counts = &stream->report->counts;
    if (!stream_compare(stream, &stream->chain, event))
        return;
    counts->digests += stream->chain.digest_known;
    counts->contents += stream->chain.content_known && event->mark.has_content;
}

/* The answer to a request may be among what is missing. */
static void
stream_lose(struct audit_stream *stream)
{
    key_table_clear(&stream->requests);
    stream->generation_chain = (struct audit_chain){0};
}

/* The events up to `last` never came. */
static void
stream_jump(struct audit_stream *stream, int64_t last)
{
    CHECK(last > stream->generation_seq);
    FIND(stream, "numbers are not dense: seq %" PRId64 " to %" PRId64 " never came",
         stream->generation_seq + 1, last);
    stream_lose(stream);
    stream->generation_seq = last;
    if (last <= stream->seq)
        return;
    stream->seq = last;
    stream->chain = (struct audit_chain){0};
}

/* --- requests --------------------------------------------------------------------------------- */

static void
stream_add_request(struct audit_stream *stream, const struct event *event)
{
    bool asks = event->kind == EVENT_PARENT_REFRESH;
    for (uint32_t i = 0; event->kind == EVENT_ROW && i < event->ops.count; i++)
        asks = asks || event->ops.items[i].kind == OP_REFRESH;
    if (!asks)
        return;
    if (stream->requests.count == AUDIT_REQUESTS_MAX) {
        FIND(stream, "more than %d requests wait for their answers: they are not followed",
             AUDIT_REQUESTS_MAX);
        key_table_clear(&stream->requests);
    }
    const struct key_entry request = {.id = event->row_id};
    key_table_put(&stream->requests, &request);
}

static void
stream_take_answers(struct audit_stream *stream, const struct chunk *chunk)
{
    for (uint32_t i = 0; i < chunk->answer_count; i++) {
        const struct key_entry answered = {.id = chunk->answers[i]};
        key_table_remove(&stream->requests, &answered);
    }
}

static void
stream_require_answers(struct audit_stream *stream, const char *what)
{
    uint32_t at = 0;
    const struct key_entry *request = key_table_next(&stream->requests, &at);
    if (request == NULL)
        return;
    FIND(stream, "%s, but %u requests were never answered, e.g. row %" PRId64, what,
         stream->requests.count, request->id);
    key_table_clear(&stream->requests);
}

/* --- epochs and generations ------------------------------------------------------------------- */

static void
stream_report_epoch(struct audit_stream *stream, int64_t before)
{
    struct audit_partition *report = stream->report;
    if (report->epoch_count == EPOCHS_MAX) {
        FIND(stream, "more than %d epochs: the last one is not reported", EPOCHS_MAX);
        report->epoch_count--;
    }
    report->epochs =
        memory_realloc(report->epochs, (report->epoch_count + 1) * sizeof *report->epochs);
    report->epochs[report->epoch_count++] = (struct audit_epoch){
        .epoch = stream->epoch,
        .first_seq = before + 1,
        .last_seq = before,
        .marked_seq = before,
    };
}

/* The numbers continue from this event. */
static void
stream_start_numbers(struct audit_stream *stream, const struct event *event)
{
    stream->seq = event->seq - event_kind_is_numbered(event->kind);
    stream->chain = stream->seq == 0 ? chain_start : (struct audit_chain){0};
    audit_ring_clear(&stream->ring);
    key_table_clear(&stream->requests);
}

/* Only where retention has removed the beginning of the topic may the fence be missing that opens
 * an epoch. */
static void
stream_open_epoch(struct audit_stream *stream, const struct event *event)
{
    bool is_opened = event_is_fence(event) && event->seq == 0;
    stream->was_cut = stream->is_cut;
    stream->is_cut = stream->epoch == 0 && stream->report->begin > 0;
    CHECK(event->epoch > stream->epoch);
    if (!is_opened && !stream->is_cut)
        FIND(stream, "epoch %" PRId64 " does not begin with a fence at seq 0", event->epoch);
    stream->epoch = event->epoch;
    stream->generation = 0;
    stream->tick = 0;
    memset(stream->fences, 0, sizeof stream->fences);
    stream->report->topic_id[0] = '\0';
    name_keep(stream->report->source, event->source);
    stream_start_numbers(stream, event);
    stream_report_epoch(stream, stream->seq);
}

/* The fence of a generation that was not opened by this event comes after all that it covers. */
static void
stream_take_fence(struct audit_stream *stream, const struct event *event)
{
    CHECK(stream->generation_seq == stream->seq);
    if (event->seq > stream->seq)
        stream_jump(stream, event->seq);
    const struct audit_numbered *sent = audit_ring_find(&stream->ring, event->seq);
    if (event->seq == stream->seq) {
        stream_confirm(stream, event);
        stream->chain = chain_of(&event->mark);
    } else if (sent != NULL || event->seq == 0) {
        stream_compare(stream, sent != NULL ? &sent->after : &chain_start, event);
    }
    if (!event->mark.has_content) { /* of schema version 1: a later chain begins elsewhere */
        stream->chain.content_known = false;
        audit_ring_forget_contents(&stream->ring);
    }
    stream->generation_seq = event->seq;
    stream->generation_chain = chain_of(&event->mark);
    stream->has_content = event->mark.has_content;
}

/* What a generation has of its own, before its first event. */
static void
stream_set_generation(struct audit_stream *stream, const struct event *event)
{
    memmove(&stream->fences[1], &stream->fences[0], (AUDIT_FENCES - 1) * sizeof stream->fences[0]);
    stream->fences[0] = (struct audit_fence){event->generation, event->tick};
    stream->generation = event->generation;
    stream->tick = event->tick;
    stream->watermark_tick = -1;
    stream->has_window_row = false;
    stream->has_start = false;
    stream->has_content = false;
    stream->generation_seq = stream->seq;
    stream->generation_chain = stream->chain;
}

/* True: what was read before may have been fenced off. */
static bool
stream_begin_generation(struct audit_stream *stream, const struct event *event)
{
    struct audit_epoch *epoch = &stream->report->epochs[stream->report->epoch_count - 1];
    bool is_first = stream->generation == 0;
    bool is_fence = event_is_fence(event);
    bool is_cut = stream->is_cut && !is_first;
    bool restarts = (is_cut && (!is_fence || event->generation > stream->generation + 1)) ||
                    (is_first && stream->was_cut);
    CHECK(event->generation > stream->generation);
    if (!is_fence && !is_first && !stream->is_cut)
        FIND(stream, "generation %" PRId64 " begins without its fence", event->generation);
    if (event->tick < stream->tick)
        FIND(stream, "generation %" PRId64 " begins at tick %" PRId64 ", after tick %" PRId64,
             event->generation, event->tick, stream->tick);
    if (is_cut && !is_fence)
        stream_start_numbers(stream, event);
    if (is_cut && stream->seq + 1 < epoch->first_seq)
        epoch->first_seq = stream->seq + 1;
    stream_set_generation(stream, event);
    epoch->generations++;
    epoch->last_generation = event->generation;
    if (is_first)
        epoch->first_generation = event->generation;
    stream->is_cut = stream->is_cut && !is_fence;
    if (is_fence)
        stream_take_fence(stream, event);
    return restarts;
}

/* Every consumer drops it. A generation opens no window after the fence that ended it, unless its
 * producer runs on another copy of the database (F101). */
static void
stream_take_fenced(struct audit_stream *stream, const struct event *event)
{
    const struct audit_fence *by = NULL;
    stream->report->counts.fenced++;
    for (int i = 0; i < AUDIT_FENCES && stream->fences[i].generation > event->generation; i++)
        by = &stream->fences[i];
    if (event->epoch == stream->epoch && by != NULL && event->tick > by->tick)
        FIND(stream,
             "after the fence of generation %" PRId64 ": an event of generation %" PRId64
             " in a later window, tick %" PRId64,
             by->generation, event->generation, event->tick);
}

/* --- numbered events -------------------------------------------------------------------------- */

static void
stream_compare_sent(struct audit_stream *stream, const struct event *event)
{
    const struct audit_numbered *sent = audit_ring_find(&stream->ring, event->seq);
    stream->report->counts.sent_again++;
    if (sent == NULL)
        stream->report->counts.not_compared++;
    else if (sent->row_id != event->row_id)
        FIND(stream, "seq %" PRId64 " is sent again as row %" PRId64 ", and was row %" PRId64,
             event->seq, event->row_id, sent->row_id);
    else if (sent->txid != event->txid && sent->txid != 0 && event->txid != 0)
        FIND(stream,
             "row id %" PRId64 " was issued again: transaction %" PRIu64 ", and was %" PRIu64,
             event->row_id, event->txid, sent->txid);
    else if (sent->body_crc != event->body_crc)
        FIND(stream, "row %" PRId64 " is sent again with other bytes: CRC %08x, and was %08x",
             event->row_id, event->body_crc, sent->body_crc);
}

static void
stream_add_numbered(struct audit_stream *stream, const struct event *event)
{
    CHECK(event->seq == stream->seq + 1);
    stream->seq = event->seq;
    chain_add(&stream->chain, event);
    const struct audit_numbered numbered = {
        .seq = event->seq,
        .row_id = event->row_id,
        .txid = event->txid,
        .body_crc = event->body_crc,
        .after = stream->chain,
    };
    audit_ring_put(&stream->ring, &numbered);
    stream_add_request(stream, event);
    stream->report->counts.numbered++;
}

static void
stream_check_window(struct audit_stream *stream, const struct event *event)
{
    if (event->tick <= stream->watermark_tick)
        FIND(stream, "row %" PRId64 " of tick %" PRId64 " follows a watermark of tick %" PRId64,
             event->row_id, event->tick, stream->watermark_tick);
    if (stream->has_window_row && event->row_id <= stream->window_row_id)
        FIND(stream, "row %" PRId64 " follows row %" PRId64 " in the same window", event->row_id,
             stream->window_row_id);
    stream->window_row_id = event->row_id;
    stream->has_window_row = true;
}

static void
stream_take_numbered(struct audit_stream *stream, const struct event *event)
{
    if (event->seq <= stream->generation_seq) {
        FIND(stream, "numbers are not dense: seq %" PRId64 " comes twice in generation %" PRId64,
             event->seq, event->generation);
        return;
    }
    if (event->seq - 1 > stream->generation_seq)
        stream_jump(stream, event->seq - 1);
    stream->generation_seq = event->seq;
    chain_add(&stream->generation_chain, event);
    stream_check_window(stream, event);
    if (event->seq <= stream->seq)
        stream_compare_sent(stream, event);
    else
        stream_add_numbered(stream, event);
}

/* --- marks and what takes no seq -------------------------------------------------------------- */

/* The names that a mark repeats. */
static void
stream_check_names(struct audit_stream *stream, const struct mark *mark)
{
    char *topic_id = stream->report->topic_id;
    uint64_t start = text_hash(mark->start_name);
    if (topic_id[0] == '\0')
        name_keep(topic_id, mark->topic_id);
    if (!name_is(topic_id, mark->topic_id))
        FIND(stream, "the mark is of topic id %.*s, not %s", TEXT_ARGS(mark->topic_id), topic_id);
    if (mark->partitions != stream->partitions)
        FIND(stream, "the mark is of a topic of %d partitions, not %d", (int)mark->partitions,
             (int)stream->partitions);
    if (stream->has_start && start != stream->start)
        FIND(stream, "generation %" PRId64 " has marks of two starts of a producer",
             stream->generation);
    stream->start = start;
    stream->has_start = true;
}

static void
stream_take_watermark(struct audit_stream *stream, const struct event *event)
{
    const struct mark *mark = &event->mark;
    CHECK(stream->generation_seq <= stream->seq);
    if (event->seq > stream->generation_seq)
        stream_jump(stream, event->seq);
    if (event->seq < stream->seq)
        FIND(stream,
             "a watermark at seq %" PRId64 ", after seq %" PRId64 ": numbers were used twice",
             event->seq, stream->seq);
    else if (stream_compare(stream, &stream->generation_chain, event))
        stream_confirm(stream, event);
    if (stream->has_content && !mark->has_content)
        FIND(stream, "a mark without a content digest, in a generation that has one");
    stream->seq = stream->generation_seq = event->seq;
    stream->chain = stream->generation_chain = chain_of(mark);
    stream->has_content = mark->has_content;
    if (mark->owed == 0)
        stream_require_answers(stream, "a watermark owes nothing");
    stream->watermark_tick = event->tick;
    stream->report->watermark_tick = event->tick;
    stream->report->clock_us = mark->clock_us;
}

static void
stream_take_mark(struct audit_stream *stream, const struct event *event, bool begins)
{
    stream->report->counts.marks++;
    stream_check_names(stream, &event->mark);
    if (event->mark.kind == MARK_WATERMARK)
        stream_take_watermark(stream, event);
    else if (!begins)
        FIND(stream, "a second fence of generation %" PRId64, event->generation);
    stream->report->epochs[stream->report->epoch_count - 1].marked_seq = event->seq;
}

static void
stream_take_control(struct audit_stream *stream, const struct event *event)
{
    const char *name = event_kind_name(event->kind);
    stream->report->counts.controls++;
    if (event->seq > stream->generation_seq)
        stream_jump(stream, event->seq);
    if (event->seq < stream->generation_seq ||
        (event->seq < stream->seq && event->kind != EVENT_VOIDED))
        FIND(stream, "%s at seq %" PRId64 ", after seq %" PRId64, name, event->seq, stream->seq);
    if (event->kind == EVENT_CHUNK && event->chunk->purpose == CHUNK_REFRESH)
        stream_take_answers(stream, event->chunk);
    if ((event->kind == EVENT_CHUNK && event->chunk->purpose == CHUNK_CHECK) ||
        event->kind == EVENT_SUM || event->kind == EVENT_SUM_POINT)
        stream_require_answers(stream, name);
}

/* --- all events ------------------------------------------------------------------------------- */

/* The key is the entity id; a row is in the partition of its entity. */
static void
stream_check_place(struct audit_stream *stream, const struct audit_record *record)
{
    const struct event *event = record->event;
    const struct text key = record->key;
    const uint64_t wanted = htobe64((uint64_t)event->entity_id);
    if (!event_kind_is_numbered(event->kind)) {
        if (key.bytes > 0)
            FIND(stream, "a %s with a key", event_kind_name(event->kind));
        return;
    }
    if (key.bytes != KEY_BYTES || memcmp(key.data, &wanted, KEY_BYTES) != 0)
        FIND(stream, "the key is not entity id %" PRId64, event->entity_id);
    if (event->kind == EVENT_ROW &&
        (uint64_t)event->entity_id % (uint64_t)stream->partitions != (uint64_t)stream->partition)
        FIND(stream, "a row of entity %" PRId64 ", which belongs to another partition",
             event->entity_id);
}

static void
stream_take_posted(struct audit_stream *stream, const struct event *event)
{
    stream->report->counts.posted++;
    if (event->epoch != 0 || event->generation != 0)
        FIND(stream, "an event without a number has epoch %" PRId64 " and generation %" PRId64,
             event->epoch, event->generation);
}

/* False: the event is not of the newest generation of the numbered source. */
static bool
stream_take_sender(struct audit_stream *stream, const struct event *event)
{
    if (event->epoch > stream->epoch)
        stream_open_epoch(stream, event);
    if (!name_is(stream->report->source, event->source)) {
        FIND(stream, "a second source \"%.*s\" beside \"%s\"", TEXT_ARGS(event->source),
             stream->report->source);
        return false;
    }
    if (event->epoch < stream->epoch || event->generation < stream->generation) {
        stream_take_fenced(stream, event);
        return false;
    }
    return true;
}

/* The order of ticks in a generation. */
static void
stream_take_tick(struct audit_stream *stream, const struct event *event)
{
    if (event->tick < stream->tick)
        FIND(stream, "tick %" PRId64 " follows tick %" PRId64, event->tick, stream->tick);
    if (event->tick != stream->tick)
        stream->has_window_row = false;
    stream->tick = event->tick;
}

static void
stream_update_report(struct audit_stream *stream)
{
    struct audit_epoch *epoch = &stream->report->epochs[stream->report->epoch_count - 1];
    CHECK(epoch->epoch == stream->epoch);
    epoch->last_seq = stream->seq;
    epoch->chain = stream->chain;
}

/* An event of the newest generation, or of a later one. */
static enum audit_verdict
stream_take_event(struct audit_stream *stream, const struct event *event)
{
    bool begins = event->generation > stream->generation;
    bool restarts = begins && stream_begin_generation(stream, event);
    CHECK(event->generation == stream->generation);
    stream_take_tick(stream, event);
    if (event_kind_is_numbered(event->kind))
        stream_take_numbered(stream, event);
    else if (event->kind == EVENT_MARK)
        stream_take_mark(stream, event, begins);
    else
        stream_take_control(stream, event);
    stream_update_report(stream);
    return restarts ? AUDIT_RESTART : AUDIT_TAKEN;
}

enum audit_verdict
audit_stream_take(struct audit_stream *stream, const struct audit_record *record)
{
    const struct event *event = record->event;
    struct audit_partition *report = stream->report;
    CHECK((event == NULL) == (record->problem != NULL));
    stream->offset = record->offset;
    if (report->first_offset < 0)
        report->first_offset = record->offset;
    report->last_offset = record->offset;
    report->counts.messages++;
    if (event == NULL) {
        FIND(stream, "not an event: %s", record->problem);
        return AUDIT_IGNORED;
    }
    stream_check_place(stream, record);
    if (event->seq == 0 && event_kind_is_numbered(event->kind)) {
        stream_take_posted(stream, event);
        return AUDIT_IGNORED;
    }
    return stream_take_sender(stream, event) ? stream_take_event(stream, event) : AUDIT_IGNORED;
}
