#include "consumer/partition/sequence.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base/check.h"

void
sequence_init(struct sequence *sequence)
{
    *sequence = (struct sequence){.reason = SEQUENCE_NOTHING_READ};
}

void
sequence_init_alone(struct sequence *sequence)
{
    *sequence = (struct sequence){.reason = SEQUENCE_COMPLETE};
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

static void
sequence_lose(struct sequence *sequence, enum sequence_reason reason)
{
    CHECK(reason >= SEQUENCE_GAP && reason < SEQUENCE_REASONS);
    sequence->losses++;
    if (sequence->reason == SEQUENCE_COMPLETE)
        sequence->reason = reason;
}

/* The events from seq + 1 up to `last` are missing. */
static void
sequence_jump(struct sequence *sequence, int64_t last)
{
    CHECK(last > sequence->seq);
    if (sequence->gap_first == 0) {
        sequence->gap_first = sequence->seq + 1;
        sequence->gap_last = last;
    }
    sequence->missing += last - sequence->seq;
    sequence->seq = last;
    sequence->digest_known = false;
    sequence_lose(sequence, SEQUENCE_GAP);
}

/* Only the fence that opens the first epoch can show that nothing before it is missing. A later
 * epoch finds values of an earlier one, which the source may not have any more. */
static enum sequence_reason
sequence_judge_opening(const struct sequence *sequence, const struct event *event)
{
    if (sequence->epoch != 0)
        return SEQUENCE_NEW_EPOCH;
    if (event->kind != EVENT_MARK || event->mark.kind != MARK_FENCE || event->seq != 0)
        return SEQUENCE_NO_BEGINNING;
    return event->mark.source_empty ? SEQUENCE_COMPLETE : SEQUENCE_SOURCE_NOT_EMPTY;
}

static void
sequence_open_epoch(struct sequence *sequence, const struct event *event)
{
    enum sequence_reason reason = sequence_judge_opening(sequence, event);
    CHECK(event->epoch > sequence->epoch);
    if (sequence->reason == SEQUENCE_COMPLETE || sequence->reason == SEQUENCE_NOTHING_READ)
        sequence->reason = reason;
    CHECK(sequence->reason != SEQUENCE_NOTHING_READ);
    sequence->epoch = event->epoch;
    sequence->generation = event->generation;
    sequence->seq = 0;
    sequence->digest = EVENT_DIGEST_START;
    sequence->digest_known = true;
    sequence->row_id = 0;
    sequence->topic_id[0] = '\0'; /* an epoch may have a topic of its own */
    sequence_store_name(sequence->source, event->source);
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
    if (event->row_id > sequence->row_id)
        sequence->row_id = event->row_id;
    return SEQUENCE_APPLY;
}

static void
sequence_take_mark(struct sequence *sequence, const struct event *event)
{
    const struct mark *mark = &event->mark;
    CHECK(event->epoch == sequence->epoch);
    CHECK(event->generation == sequence->generation);
    if (!sequence_is_name(sequence->topic_id, mark->topic_id)) {
        if (sequence->topic_id[0] != '\0')
            sequence_lose(sequence, SEQUENCE_OTHER_TOPIC);
        sequence_store_name(sequence->topic_id, mark->topic_id);
    }
    if (event->seq < sequence->seq) {
        /* A fence may be before events that are sent again; a watermark is after a whole window. */
        if (mark->kind != MARK_FENCE)
            sequence_lose(sequence, SEQUENCE_NUMBERS_REUSED);
        return;
    }
    if (event->seq > sequence->seq)
        sequence_jump(sequence, event->seq);
    if (sequence->digest_known && sequence->digest != mark->digest)
        sequence_lose(sequence, SEQUENCE_NUMBERS_REUSED);
    CHECK(event->seq == sequence->seq);
    sequence->digest = mark->digest;
    sequence->digest_known = true;
    if (mark->kind == MARK_WATERMARK)
        sequence->watermark = (struct sequence_watermark){
            .tick = event->tick,
            .clock_us = mark->clock_us,
            .last_row_id = mark->last_row_id,
            .max_row_id = mark->max_row_id,
            .backlog_rows = mark->backlog_rows,
        };
}

enum sequence_verdict
sequence_take(struct sequence *sequence, const struct event *event)
{
    bool is_mark = event->kind == EVENT_MARK;
    CHECK(event->seq >= 0);
    if (!is_mark && !event_kind_is_numbered(event->kind))
        return SEQUENCE_MARK; /* it has no place in the rule yet */
    if (event->seq == 0 && !is_mark)
        return SEQUENCE_APPLY;
    CHECK(event->epoch > 0);
    CHECK(event->generation > 0);
    if (event->epoch < sequence->epoch)
        return SEQUENCE_FENCED;
    if (event->epoch > sequence->epoch)
        sequence_open_epoch(sequence, event);
    if (!sequence_is_name(sequence->source, event->source)) {
        sequence_lose(sequence, SEQUENCE_SECOND_SOURCE);
        return SEQUENCE_FOREIGN;
    }
    if (event->generation < sequence->generation)
        return SEQUENCE_FENCED;
    if (event->generation > sequence->generation) {
        if (!is_mark || event->mark.kind != MARK_FENCE)
            sequence_lose(sequence, SEQUENCE_FENCE_MISSING);
        sequence->generation = event->generation;
    }
    sequence->tick = event->tick;
    if (!is_mark)
        return sequence_take_numbered(sequence, event);
    sequence_take_mark(sequence, event);
    return SEQUENCE_MARK;
}

/* A copy without the earlier losses takes the event. */
bool
sequence_would_lose(const struct sequence *sequence, const struct event *event, char *reason,
                    size_t bytes)
{
    struct sequence copy = *sequence;
    copy.reason = SEQUENCE_COMPLETE;
    copy.losses = 0;
    copy.missing = 0;
    copy.gap_first = 0;
    CHECK(sequence_is_consistent(sequence));
    sequence_take(&copy, event);
    sequence_describe(&copy, reason, bytes);
    return copy.losses > 0;
}

bool
sequence_complete(const struct sequence *sequence)
{
    return sequence->reason == SEQUENCE_COMPLETE;
}

bool
sequence_is_consistent(const struct sequence *sequence)
{
    if (sequence->epoch < 0 || sequence->generation < 0 || sequence->seq < 0)
        return false;
    if (sequence->epoch == 0 && (sequence->seq != 0 || sequence->losses != 0))
        return false;
    if (sequence->losses > 0 && sequence->reason == SEQUENCE_COMPLETE)
        return false;
    if (sequence->gap_first == 0)
        return sequence->gap_last == 0 && sequence->missing == 0;
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
    CHECK(before->gap_first == 0 || after->gap_first == before->gap_first);
    if (after->epoch != before->epoch)
        return;
    CHECK(after->generation >= before->generation);
    CHECK(after->seq >= before->seq);
    CHECK(after->row_id >= before->row_id);
}

void
sequence_describe(const struct sequence *sequence, char *out, size_t bytes)
{
    static const char *const texts[SEQUENCE_REASONS] = {
        [SEQUENCE_COMPLETE] = "",
        [SEQUENCE_NOTHING_READ] = "no event of a producer was read yet",
        [SEQUENCE_SOURCE_NOT_EMPTY] =
            "the source had rows before the topic began: they must be loaded",
        [SEQUENCE_NO_BEGINNING] =
            "the beginning of the topic is missing: the rows that it had must be loaded",
        [SEQUENCE_NEW_EPOCH] = "a new epoch of the source began: all rows must be loaded again",
        [SEQUENCE_NUMBERS_REUSED] = "numbers were used twice: the source was rolled back",
        [SEQUENCE_FENCE_MISSING] =
            "a generation of the producer began without its fence: events may be lost",
        [SEQUENCE_OTHER_TOPIC] = "the topic was created again: events may be lost",
        [SEQUENCE_SECOND_SOURCE] = "a second producer writes numbered events to this topic",
    };
    CHECK(sequence->reason < SEQUENCE_REASONS);
    CHECK(bytes >= SEQUENCE_REASON_BYTES);
    if (sequence->reason == SEQUENCE_GAP)
        snprintf(out, bytes,
                 "events %" PRId64 " to %" PRId64 " never came; %" PRId64 " are missing in all",
                 sequence->gap_first, sequence->gap_last, sequence->missing);
    else
        snprintf(out, bytes, "%s", texts[sequence->reason]);
}
