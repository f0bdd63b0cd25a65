#include "consumer/partition/sequence.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"

void
sequence_init(struct sequence *sequence, const struct config_fields *fields)
{
    const struct field_set written = config_fields_written(fields);
    *sequence = (struct sequence){.reason = COVERAGE_NOTHING_READ};
    coverage_init(&sequence->coverage, &written);
}

void
sequence_init_alone(struct sequence *sequence, const struct config_fields *fields)
{
    const struct field_set written = config_fields_written(fields);
    *sequence = (struct sequence){.reason = COVERAGE_COMPLETE};
    coverage_init_alone(&sequence->coverage, &written);
}

/* Names are stored and compared up to a length. */
static struct text
sequence_cut_name(struct text name)
{
    if (name.bytes >= SEQUENCE_NAME_BYTES)
        name.bytes = SEQUENCE_NAME_BYTES - 1;
    return name;
}

static void
sequence_store_name(char *kept, struct text name)
{
    snprintf(kept, SEQUENCE_NAME_BYTES, "%.*s", TEXT_ARGS(sequence_cut_name(name)));
}

static bool
sequence_is_name(const char *kept, struct text name)
{
    return text_equal(text_of(kept), sequence_cut_name(name));
}

/* The first reason since the shard was complete is kept. */
static void
sequence_note_reason(struct sequence *sequence, enum coverage_reason reason)
{
    if (sequence->reason != COVERAGE_COMPLETE && sequence->reason != COVERAGE_NOTHING_READ &&
        !coverage_is_complete(&sequence->coverage))
        return;
    sequence->reason = reason;
    sequence->gap_first = 0;
    sequence->gap_last = 0;
    sequence->skip_first = 0;
    sequence->skip_next = 0;
}

static void
sequence_lose(struct sequence *sequence, enum coverage_reason reason)
{
    CHECK(reason >= COVERAGE_GAP && coverage_is_from_rule(reason));
    sequence->losses++;
    sequence->unanswered = 0; /* else each later mark would end the load that repairs the shard */
    sequence_note_reason(sequence, reason);
    coverage_lose(&sequence->coverage, reason);
}

/* The events from seq + 1 up to `last` are missing. */
static void
sequence_jump(struct sequence *sequence, int64_t last)
{
    CHECK(last > sequence->seq);
    sequence_lose(sequence, COVERAGE_GAP);
    if (sequence->gap_first == 0) {
        sequence->gap_first = sequence->seq + 1;
        sequence->gap_last = last;
    }
    sequence->missing += last - sequence->seq;
    sequence->seq = last;
    sequence->digest_known = false;
    sequence->content_known = false;
}

/* Only the fence that opens the first epoch can show that nothing before it is missing. A later
 * epoch finds values of an earlier one, which the source may not have any more. */
static enum coverage_reason
sequence_judge_opening(const struct sequence *sequence, const struct event *event)
{
    if (sequence->epoch != 0)
        return COVERAGE_NEW_EPOCH;
    if (event->kind != EVENT_MARK || event->mark.kind != MARK_FENCE || event->seq != 0)
        return COVERAGE_NO_BEGINNING;
    return event->mark.source_empty ? COVERAGE_COMPLETE : COVERAGE_SOURCE_NOT_EMPTY;
}

static void
sequence_open_epoch(struct sequence *sequence, const struct event *event)
{
    enum coverage_reason reason = sequence_judge_opening(sequence, event);
    CHECK(event->epoch > sequence->epoch);
    sequence_note_reason(sequence, reason);
    CHECK(sequence->reason != COVERAGE_NOTHING_READ);
    coverage_open_epoch(&sequence->coverage, reason);
    sequence->unanswered = 0;
    sequence->epoch = event->epoch;
    sequence->generation = event->generation;
    sequence->seq = 0;
    sequence->digest = EVENT_DIGEST_START;
    sequence->digest_known = true;
    sequence->content_digest = EVENT_DIGEST_START;
    sequence->content_known = true;
    sequence->row_id = 0;
    memset(sequence->fences, 0, sizeof sequence->fences);
    sequence->fences[0] = (struct sequence_fence){event->generation, event->tick};
    sequence->start = 0;
    sequence->topic_id_is_older = sequence->topic_id[0] != '\0';
    sequence_store_name(sequence->source, event->source);
}

/* A producer of schema version 1 neither sends txids nor keeps the content digest, which its fence
 * shows. In a generation that keeps it, an event without txid is not what was sent (F76). */
static void
sequence_add_content(struct sequence *sequence, const struct event *event)
{
    CHECK(event->seq == sequence->seq);
    if (sequence->content_known)
        sequence->content_digest = event_content_next(sequence->content_digest, event->row_id,
                                                      event->txid, event->body_crc);
}

static enum sequence_verdict
sequence_take_numbered(struct sequence *sequence, const struct event *event)
{
    CHECK(event->epoch == sequence->epoch);
    CHECK(event->generation == sequence->generation);
    if (event->seq <= sequence->seq)
        return SEQUENCE_DUPLICATE;
    if (event->seq - 1 > sequence->seq)
        sequence_jump(sequence, event->seq - 1);
    CHECK(event->seq - 1 == sequence->seq);
    sequence->seq = event->seq;
    sequence->digest = event_digest_next(sequence->digest, event->row_id);
    sequence_add_content(sequence, event);
    if (event->row_id > sequence->row_id)
        sequence->row_id = event->row_id;
    return SEQUENCE_APPLY;
}

/* What the mark says of the triggers. Marks of schema version 1 say nothing. */
static void
sequence_take_guards(struct sequence *sequence, const struct config_fields *fields,
                     const struct mark *mark)
{
    struct coverage_mark taken = {
        .names_any = mark->field_count > 0,
        .configured = fields->triggered,
        .voided = mark->voided,
    };
    if (!mark->has_content)
        return;
    config_fields_add(fields, mark->fields, mark->field_count, &taken.fields);
    coverage_take_mark(&sequence->coverage, &taken);
}

/* The digests of a mark at our seq: other ones prove that numbers were used twice, for other rows
 * (L2) or, after a lost tail, for other content of rows with the same ids (F76). */
static void
sequence_take_digests(struct sequence *sequence, const struct mark *mark)
{
    bool differs = sequence->digest_known && sequence->digest != mark->digest;
    if (sequence->content_known && mark->has_content &&
        sequence->content_digest != mark->content_digest)
        differs = true;
    if (differs)
        sequence_lose(sequence, COVERAGE_NUMBERS_REUSED);
    sequence->digest = mark->digest;
    sequence->digest_known = true;
    sequence->content_digest = mark->content_digest;
    sequence->content_known = mark->has_content;
}

/* Chunks take no number, so nothing else shows that an answer was lost. */
static void
sequence_require_answers(struct sequence *sequence)
{
    CHECK(sequence->unanswered >= 0);
    if (sequence->unanswered > 0)
        sequence_lose(sequence, COVERAGE_ANSWER_LOST);
}

/* --- who sends ------------------------------------------------------------------------------- */

/* Within an epoch, and below it, another topic id is that of another topic's history. A later epoch
 * may have a topic id of its own. Then it is enough to lose what was posted: the epoch has taken
 * the proof from everything else. */
static void
sequence_take_topic_id(struct sequence *sequence, const struct event *mark)
{
    const struct text id = mark->mark.topic_id;
    bool is_same = sequence_is_name(sequence->topic_id, id);
    bool is_first = sequence->topic_id_is_older && mark->epoch == sequence->epoch;
    if (is_first)
        sequence->topic_id_is_older = false;
    if (is_same)
        return;
    if (is_first)
        coverage_lose_posts(&sequence->coverage);
    else if (sequence->topic_id[0] != '\0')
        sequence_lose(sequence, COVERAGE_OTHER_TOPIC);
    sequence_store_name(sequence->topic_id, id);
}

/* Marks of schema version 1 have no name. */
static void
sequence_take_start(struct sequence *sequence, const struct mark *mark)
{
    if (mark->start_name.bytes == 0)
        return;
    uint64_t start = EVENT_DIGEST_START;
    for (size_t i = 0; i < mark->start_name.bytes; i++)
        start = event_digest_next(start, mark->start_name.data[i]);
    if (start == 0)
        start = 1;
    if (sequence->start != 0 && sequence->start != start)
        sequence_lose(sequence, COVERAGE_RIVAL);
    sequence->start = start;
}

/* The event is of an older generation. The oldest fence that is kept may be later than the one that
 * ended it, which then hides a rival for a while and blames nobody. */
static void
sequence_judge_fenced(struct sequence *sequence, const struct event *event)
{
    CHECK(event->epoch == sequence->epoch && event->generation < sequence->generation);
    const struct sequence_fence *by = NULL;
    for (int i = 0; i < SEQUENCE_FENCES && sequence->fences[i].generation > event->generation; i++)
        by = &sequence->fences[i];
    if (by != NULL && event->tick > by->tick)
        sequence_lose(sequence, COVERAGE_RIVAL);
}

static void
sequence_begin_generation(struct sequence *sequence, const struct event *event)
{
    bool is_fence = event->kind == EVENT_MARK && event->mark.kind == MARK_FENCE;
    CHECK(event->generation > sequence->generation);
    if (!is_fence)
        sequence_lose(sequence, COVERAGE_FENCE_MISSING);
    if (event->tick < sequence->tick)
        sequence_lose(sequence, COVERAGE_RIVAL);
    memmove(&sequence->fences[1], &sequence->fences[0],
            (SEQUENCE_FENCES - 1) * sizeof sequence->fences[0]);
    sequence->fences[0] = (struct sequence_fence){event->generation, event->tick};
    sequence->generation = event->generation;
    sequence->start = 0;
}

/* A watermark that owes answers says how far the source is, and proves nothing of its snapshot. */
static void
sequence_take_watermark(struct sequence *sequence, const struct event *event)
{
    const struct mark *mark = &event->mark;
    struct sequence_watermark *watermark = &sequence->watermark;
    CHECK(mark->kind == MARK_WATERMARK);
    watermark->last_row_id = mark->last_row_id;
    watermark->max_row_id = mark->max_row_id;
    watermark->backlog_rows = mark->backlog_rows;
    watermark->newest_us = mark->clock_us;
    if (mark->owed > 0 && watermark->owed == 0)
        watermark->owed_since_us = mark->clock_us;
    watermark->owed = mark->owed > 0 ? mark->owed : 0;
    if (watermark->owed > 0)
        return;
    sequence_require_answers(sequence);
    watermark->owed_since_us = 0;
    watermark->tick = event->tick;
    watermark->clock_us = mark->clock_us;
}

static void
sequence_take_mark(struct sequence *sequence, const struct config_fields *fields,
                   const struct event *event)
{
    const struct mark *mark = &event->mark;
    CHECK(event->epoch == sequence->epoch);
    CHECK(event->generation == sequence->generation);
    sequence_take_start(sequence, mark);
    sequence_take_guards(sequence, fields, mark);
    if (event->seq < sequence->seq) {
        if (!mark->has_content)
            sequence->content_known = false;
        /* A fence may be before events that are sent again; a watermark is after a whole window. */
        if (mark->kind != MARK_FENCE)
            sequence_lose(sequence, COVERAGE_NUMBERS_REUSED);
        return;
    }
    if (event->seq > sequence->seq)
        sequence_jump(sequence, event->seq);
    CHECK(event->seq == sequence->seq);
    sequence_take_digests(sequence, mark);
    if (mark->kind == MARK_WATERMARK)
        sequence_take_watermark(sequence, event);
}

/* --- what a load sends ----------------------------------------------------------------------- */

static void
sequence_take_chunk(struct sequence *sequence, const struct config_fields *fields,
                    const struct chunk *chunk)
{
    struct coverage_chunk taken = {
        .job = chunk->job,
        .begin = chunk->begin,
        .end = chunk->end,
        .is_rejected = chunk->rejected.bytes > 0,
    };
    if (chunk->purpose != CHUNK_LOAD || chunk->has_slots)
        return;
    config_fields_add(fields, chunk->fields, chunk->field_count, &taken.fields);
    if (chunk->states_alive)
        field_set_add(&taken.fields, FIELD_ALIVE);
    coverage_take_chunk(&sequence->coverage, &taken);
}

static void
sequence_take_pass(struct sequence *sequence, const struct config_fields *fields,
                   const struct pass *pass)
{
    struct coverage_pass taken = {
        .job = pass->job,
        .entry = text_hash(pass->entry),
        .part = pass->part,
        .is_last = pass->is_last,
        .reads_known = true,
    };
    config_fields_add(fields, pass->fields, pass->field_count, &taken.fields);
    for (uint32_t i = 0; i < pass->read_count; i++) {
        uint32_t number;
        if (config_fields_find(fields, pass->reads[i], &number)) {
            const struct field_set sources = config_fields_sources(fields, number);
            field_set_add_all(&taken.reads, &sources);
        } else {
            taken.reads_known = false;
        }
    }
    coverage_take_pass(&sequence->coverage, &taken);
}

static void
sequence_take_job(struct sequence *sequence, const struct config_fields *fields,
                  const struct job_mark *mark)
{
    struct field_set about = {{0}};
    if (mark->kind == JOB_END) {
        coverage_end_job(&sequence->coverage, mark->job);
        return;
    }
    config_fields_add(fields, mark->fields, mark->field_count, &about);
    if (mark->states_alive)
        field_set_add(&about, FIELD_ALIVE);
    coverage_begin_job(&sequence->coverage, mark->job, &about);
}

static void
sequence_take_voided(struct sequence *sequence, const struct config_fields *fields,
                     const struct voided *voided)
{
    struct field_set gone = {{0}};
    if (voided->all)
        gone = sequence->coverage.written;
    else
        config_fields_add(fields, voided->fields, voided->field_count, &gone);
    coverage_take_voided(&sequence->coverage, voided->number, &gone, voided->reason);
}

/* An event that takes no number, other than a mark. A voided event may be below the last seq: it
 * still takes proof away. */
static enum sequence_verdict
sequence_take_unnumbered(struct sequence *sequence, const struct config_fields *fields,
                         const struct event *event)
{
    CHECK(event->epoch == sequence->epoch);
    CHECK(event->generation == sequence->generation);
    if (event->seq > sequence->seq)
        sequence_jump(sequence, event->seq);
    else if (event->seq < sequence->seq && event->kind != EVENT_VOIDED)
        return SEQUENCE_STALE;
    switch (event->kind) {
    case EVENT_CHUNK:
        if (event->chunk->purpose == CHUNK_CHECK)
            sequence_require_answers(sequence);
        sequence_take_chunk(sequence, fields, event->chunk);
        return SEQUENCE_APPLY;
    case EVENT_PASS:
        sequence_take_pass(sequence, fields, event->pass);
        return SEQUENCE_APPLY;
    case EVENT_JOB:
        sequence_take_job(sequence, fields, event->job);
        return SEQUENCE_CONTROL;
    case EVENT_VOIDED:
        sequence_take_voided(sequence, fields, event->voided);
        return SEQUENCE_CONTROL;
    default:
        CHECK(event->kind == EVENT_SUM || event->kind == EVENT_SUM_POINT);
        sequence_require_answers(sequence);
        return SEQUENCE_CONTROL;
    }
}

/* --- all events ------------------------------------------------------------------------------ */

enum sequence_verdict
sequence_take(struct sequence *sequence, const struct config_fields *fields,
              const struct event *event)
{
    bool is_numbered = event_kind_is_numbered(event->kind);
    CHECK(event->seq >= 0);
    if (event->seq == 0 && is_numbered)
        return SEQUENCE_APPLY;
    CHECK(event->epoch > 0);
    CHECK(event->generation > 0);
    if (event->epoch > sequence->epoch)
        sequence_open_epoch(sequence, event);
    if (!sequence_is_name(sequence->source, event->source)) {
        sequence_lose(sequence, COVERAGE_SECOND_SOURCE);
        return SEQUENCE_FOREIGN;
    }
    if (event->kind == EVENT_MARK)
        sequence_take_topic_id(sequence, event);
    if (event->epoch < sequence->epoch)
        return SEQUENCE_FENCED;
    if (event->generation < sequence->generation) {
        sequence_judge_fenced(sequence, event);
        return SEQUENCE_FENCED;
    }
    if (event->generation > sequence->generation)
        sequence_begin_generation(sequence, event);
    sequence->tick = event->tick;
    if (is_numbered)
        return sequence_take_numbered(sequence, event);
    if (event->kind != EVENT_MARK)
        return sequence_take_unnumbered(sequence, fields, event);
    sequence_take_mark(sequence, fields, event);
    return SEQUENCE_CONTROL;
}

void
sequence_skip(struct sequence *sequence, int64_t first, int64_t next)
{
    CHECK(first >= 0);
    CHECK(first < next);
    sequence_lose(sequence, COVERAGE_SKIPPED);
    coverage_skip(&sequence->coverage, next);
    sequence->skip_first = first;
    sequence->skip_next = next;
    sequence->last_message = 0;
}

void
sequence_take_offset(struct sequence *sequence, int64_t offset)
{
    coverage_take_offset(&sequence->coverage, offset);
    sequence->last_message = 0;
}

void
sequence_keep_message(struct sequence *sequence, uint64_t hash)
{
    CHECK(hash != 0);
    CHECK(sequence->coverage.next_offset > 0);
    sequence->last_message = hash;
}

bool
sequence_is_message(const struct sequence *sequence, int64_t offset, uint64_t hash)
{
    CHECK(hash != 0);
    return sequence->last_message == 0 || offset != sequence->coverage.next_offset - 1 ||
           hash == sequence->last_message;
}

void
sequence_change_topic(struct sequence *sequence)
{
    sequence_lose(sequence, COVERAGE_OTHER_TOPIC);
    sequence->last_message = 0;
}

void
sequence_add_request(struct sequence *sequence, int64_t requests_max)
{
    CHECK(sequence->unanswered >= 0);
    CHECK(requests_max >= 0);
    if (sequence->unanswered < requests_max)
        sequence->unanswered++;
    else
        sequence_lose(sequence, COVERAGE_REQUESTS_FULL);
}

void
sequence_remove_request(struct sequence *sequence)
{
    CHECK(sequence->unanswered > 0);
    sequence->unanswered--;
}

/* A copy without the earlier losses takes the event. */
bool
sequence_would_lose(const struct sequence *sequence, const struct config_fields *fields,
                    const struct event *event, char *reason, size_t bytes)
{
    struct sequence copy = *sequence;
    copy.reason = COVERAGE_COMPLETE;
    copy.losses = 0;
    copy.missing = 0;
    copy.gap_first = 0;
    CHECK(sequence_is_consistent(sequence));
    sequence_take(&copy, fields, event);
    sequence_describe(&copy, copy.reason, reason, bytes);
    return copy.losses > 0;
}

bool
sequence_complete(const struct sequence *sequence)
{
    return coverage_is_complete(&sequence->coverage);
}

/* The newest first, and none after the first that is missing. */
static bool
sequence_fences_are_consistent(const struct sequence *sequence)
{
    const struct sequence_fence *fences = sequence->fences;
    if (fences[0].generation > sequence->generation)
        return false;
    for (int i = 0; i < SEQUENCE_FENCES; i++) {
        if (fences[i].generation < 0 || fences[i].tick < 0)
            return false;
        if (i > 0 && fences[i].generation >= fences[i - 1].generation && fences[i].generation != 0)
            return false;
    }
    return true;
}

bool
sequence_is_consistent(const struct sequence *sequence)
{
    if (sequence->epoch < 0 || sequence->generation < 0 || sequence->seq < 0 ||
        sequence->losses < 0 || sequence->missing < 0 || sequence->gap_first < 0 ||
        sequence->unanswered < 0 || sequence->watermark.owed < 0)
        return false;
    if (sequence->epoch == 0 && (sequence->seq != 0 || sequence->unanswered != 0))
        return false;
    if (sequence->losses > 0 && sequence->reason == COVERAGE_COMPLETE)
        return false;
    if (!coverage_is_from_rule(sequence->reason) || !coverage_is_consistent(&sequence->coverage) ||
        !sequence_fences_are_consistent(sequence))
        return false;
    if (sequence->skip_first < 0 || sequence->skip_first > sequence->skip_next ||
        (sequence->skip_next > 0 && sequence->losses == 0))
        return false;
    if (sequence->gap_first == 0)
        return sequence->gap_last == 0;
    return sequence->losses > 0 && sequence->gap_first <= sequence->gap_last &&
           sequence->missing > sequence->gap_last - sequence->gap_first;
}

void
sequence_check_growth(const struct sequence *before, const struct sequence *after)
{
    CHECK(sequence_is_consistent(after));
    CHECK(after->epoch >= before->epoch);
    CHECK(after->losses >= before->losses);
    CHECK(after->missing >= before->missing);
    if (after->epoch != before->epoch)
        return;
    CHECK(after->generation >= before->generation);
    CHECK(after->seq >= before->seq);
    CHECK(after->row_id >= before->row_id);
}

/* --- as text --------------------------------------------------------------------------------- */

void
sequence_describe(const struct sequence *sequence, enum coverage_reason reason, char *out,
                  size_t bytes)
{
    static const char *const texts[COVERAGE_REASONS] = {
        [COVERAGE_COMPLETE] = "",
        [COVERAGE_NOTHING_READ] = "no event of a producer was read yet",
        [COVERAGE_SOURCE_NOT_EMPTY] = "the source had rows before the topic began",
        [COVERAGE_NO_BEGINNING] = "the beginning of the topic is missing",
        [COVERAGE_NEW_EPOCH] = "a new epoch of the source began",
        [COVERAGE_NUMBERS_REUSED] = "numbers were used twice: the source was rolled back",
        [COVERAGE_FENCE_MISSING] =
            "a generation of the producer began without its fence: events may be lost",
        [COVERAGE_OTHER_TOPIC] = "the topic was created again: events may be lost",
        [COVERAGE_SECOND_SOURCE] = "a second producer writes numbered events to this topic",
        [COVERAGE_ANSWER_LOST] = "the answer to a refresh never came: rows may be out of date",
        [COVERAGE_REQUESTS_FULL] =
            "more refreshes wait for their answers than consumer.requests_max",
        [COVERAGE_RIVAL] = "a second producer of this name writes to this topic, from a copy of"
                           " the database: stop the one that is not meant",
        [COVERAGE_SKIPPED] = "a reset of the group's offset has skipped messages",
    };
    CHECK(coverage_is_from_rule(reason));
    CHECK(bytes >= SEQUENCE_REASON_BYTES);
    if (reason == COVERAGE_GAP)
        snprintf(out, bytes,
                 "events %" PRId64 " to %" PRId64 " never came; %" PRId64 " are missing in all",
                 sequence->gap_first, sequence->gap_last, sequence->missing);
    else if (reason == COVERAGE_SKIPPED && sequence->skip_next > 0)
        snprintf(out, bytes,
                 "a reset of the group's offset has skipped the messages at offsets %" PRId64
                 " to %" PRId64,
                 sequence->skip_first, sequence->skip_next - 1);
    else
        snprintf(out, bytes, "%s", texts[reason]);
}
