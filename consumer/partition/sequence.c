#include "consumer/partition/sequence.h"

#include <inttypes.h>
#include <stdio.h>

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

/* Names are kept up to a length, and compared so. */
static struct text
sequence_cut_name(struct text name)
{
    if (name.bytes >= SEQUENCE_NAME_BYTES)
        name.bytes = SEQUENCE_NAME_BYTES - 1;
    return name;
}

static void
sequence_keep_name(char *kept, struct text name)
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
    sequence->losses++;
    if (sequence->reason == SEQUENCE_COMPLETE)
        sequence->reason = reason;
}

/* The events from seq + 1 up to `last` are gone. */
static void
sequence_jump(struct sequence *sequence, int64_t last)
{
    if (sequence->gap_first == 0) {
        sequence->gap_first = sequence->seq + 1;
        sequence->gap_last = last;
    }
    sequence->missing += last - sequence->seq;
    sequence->seq = last;
    sequence->digest_known = false;
    sequence_lose(sequence, SEQUENCE_GAP);
}

/* Only the fence that opens the first epoch can tell that nothing is missing from before: later
 * epochs find state that an earlier one left, and that their source may not have. */
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
    if (sequence->reason == SEQUENCE_COMPLETE || sequence->reason == SEQUENCE_NOTHING_READ)
        sequence->reason = reason;
    sequence->epoch = event->epoch;
    sequence->generation = event->generation;
    sequence->seq = 0;
    sequence->digest = EVENT_DIGEST_START;
    sequence->digest_known = true;
    sequence->row_id = 0;
    sequence->topic_id[0] = '\0'; /* a new history may have a topic of its own */
    sequence_keep_name(sequence->source, event->source);
}

static enum sequence_verdict
sequence_take_numbered(struct sequence *sequence, const struct event *event)
{
    if (event->seq <= sequence->seq)
        return SEQUENCE_DUPLICATE;
    if (event->seq > sequence->seq + 1)
        sequence_jump(sequence, event->seq - 1);
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
    if (!sequence_is_name(sequence->topic_id, mark->topic_id)) {
        if (sequence->topic_id[0] != '\0')
            sequence_lose(sequence, SEQUENCE_OTHER_TOPIC);
        sequence_keep_name(sequence->topic_id, mark->topic_id);
    }
    if (event->seq < sequence->seq) {
        /* A fence stands where its producer sends again from, a watermark behind a whole window. */
        if (mark->kind != MARK_FENCE)
            sequence_lose(sequence, SEQUENCE_NUMBERS_REUSED);
        return;
    }
    if (event->seq > sequence->seq)
        sequence_jump(sequence, event->seq);
    if (sequence->digest_known && sequence->digest != mark->digest)
        sequence_lose(sequence, SEQUENCE_NUMBERS_REUSED);
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
    if (event->seq == 0 && !is_mark)
        return SEQUENCE_APPLY;
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

/* A copy takes it, without what was lost before. */
bool
sequence_would_lose(const struct sequence *sequence, const struct event *event, char *reason,
                    size_t bytes)
{
    struct sequence behind = *sequence;
    behind.reason = SEQUENCE_COMPLETE;
    behind.losses = 0;
    behind.missing = 0;
    behind.gap_first = 0;
    sequence_take(&behind, event);
    sequence_describe(&behind, reason, bytes);
    return behind.losses > 0;
}

bool
sequence_complete(const struct sequence *sequence)
{
    return sequence->reason == SEQUENCE_COMPLETE;
}

void
sequence_describe(const struct sequence *sequence, char *out, size_t bytes)
{
    static const char *const texts[SEQUENCE_REASONS] = {
        [SEQUENCE_COMPLETE] = "",
        [SEQUENCE_NOTHING_READ] = "nothing of a producer was read yet",
        [SEQUENCE_SOURCE_NOT_EMPTY] =
            "the source held rows before the topic began: they must be loaded",
        [SEQUENCE_NO_BEGINNING] = "the topic's beginning is gone: what it held must be loaded",
        [SEQUENCE_NEW_EPOCH] = "a new epoch of the source began: it must be loaded again",
        [SEQUENCE_NUMBERS_REUSED] = "numbers were used twice: the source was rolled back",
        [SEQUENCE_FENCE_MISSING] = "a producer's run began without its fence: events may be lost",
        [SEQUENCE_OTHER_TOPIC] = "the topic was created again: events may be lost",
        [SEQUENCE_SECOND_SOURCE] = "a second producer writes numbered events to this topic",
    };
    if (sequence->reason == SEQUENCE_GAP)
        snprintf(out, bytes, "events %" PRId64 " to %" PRId64 " never came, %" PRId64 " altogether",
                 sequence->gap_first, sequence->gap_last, sequence->missing);
    else
        snprintf(out, bytes, "%s", texts[sequence->reason]);
}
