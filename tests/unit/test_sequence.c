/* The seq rule: each rule of L2 and L3, then random histories of crashing producers, zombies and
 * crashing readers, in which every row of the source must be applied once and in order. */
#include "tests/unit/unit_test.h"

#include <stdlib.h>
#include <string.h>

#include "consumer/partition/incomplete.h"
#include "consumer/partition/sequence.h"
#include "tests/unit/random_input.h"

#define TOPIC "topic-1"

static const struct config_filter_field filters[] = {{.name = "tags", .type = FIELD_MULTI_VALUE},
                                                     {.name = "level", .type = FIELD_SINGLE_VALUE}};
static const struct config_index index_config = {.filter_fields = filters, .filter_field_count = 2};
static struct config_fields fields; /* of it */

static struct event
row_of(int64_t generation, int64_t seq, int64_t row_id)
{
    return (struct event){
        .epoch = 1,
        .generation = generation,
        .tick = 1,
        .seq = seq,
        .source = TEXT("main"),
        .kind = EVENT_ROW,
        .txid = (uint64_t)row_id + 100,
        .body_crc = (uint32_t)row_id * 3,
        .row_id = row_id,
    };
}

/* As a producer of schema version 1 sends it. */
static struct event
old_row_of(int64_t generation, int64_t seq)
{
    struct event event = row_of(generation, seq, seq);
    event.txid = 0;
    return event;
}

/* The digest over the row ids 1 .. seq. In these tests the id of a row is its seq. */
static uint64_t
digest_of(int64_t seq)
{
    uint64_t digest = EVENT_DIGEST_START;
    for (int64_t i = 1; i <= seq; i++)
        digest = event_digest_next(digest, i);
    return digest;
}

static uint64_t
content_of(int64_t seq)
{
    uint64_t digest = EVENT_DIGEST_START;
    for (int64_t i = 1; i <= seq; i++)
        digest = event_content_next(digest, i, (uint64_t)i + 100, (uint32_t)i * 3);
    return digest;
}

static struct event
mark_of(enum mark_kind kind, int64_t generation, int64_t seq)
{
    struct event event = row_of(generation, seq, 0);
    event.kind = EVENT_MARK;
    event.mark = (struct mark){
        .kind = kind,
        .topic_id = TEXT(TOPIC),
        .digest = digest_of(seq),
        .last_row_id = seq,
        .max_row_id = seq + 5,
        .backlog_rows = 3,
        .clock_us = 1000 + seq,
        .source_empty = true,
        .partitions = 4,
        .has_content = true,
        .content_digest = content_of(seq),
    };
    return event;
}

static struct event
old_mark_of(enum mark_kind kind, int64_t generation, int64_t seq)
{
    struct event event = mark_of(kind, generation, seq);
    event.mark.has_content = false;
    event.mark.content_digest = 0;
    return event;
}

/* A shard that has read the opening fence and the rows 1 .. seq of generation 1. */
static struct sequence
begun(int64_t seq)
{
    struct sequence sequence;
    sequence_init(&sequence, &fields);
    struct event fence = mark_of(MARK_FENCE, 1, 0);
    assert_int_equal(sequence_take(&sequence, &fields, &fence), SEQUENCE_CONTROL);
    for (int64_t i = 1; i <= seq; i++) {
        struct event row = row_of(1, i, i);
        assert_int_equal(sequence_take(&sequence, &fields, &row), SEQUENCE_APPLY);
    }
    assert_true(sequence_complete(&sequence));
    return sequence;
}

static enum sequence_verdict
take(struct sequence *sequence, struct event event)
{
    const struct sequence before = *sequence;
    enum sequence_verdict verdict = sequence_take(sequence, &fields, &event);
    sequence_check_growth(&before, sequence);
    return verdict;
}

static void
test_L2_the_next_seq_applies_and_a_known_one_is_a_duplicate(void **state)
{
    (void)state;
    struct sequence sequence = begun(3);
    assert_int_equal(take(&sequence, row_of(1, 3, 3)), SEQUENCE_DUPLICATE);
    assert_int_equal(take(&sequence, row_of(1, 1, 1)), SEQUENCE_DUPLICATE);
    assert_int_equal(take(&sequence, row_of(1, 4, 4)), SEQUENCE_APPLY);
    assert_int_equal(sequence.seq, 4);
    assert_int_equal(sequence.row_id, 4);
    assert_int_equal(sequence.losses, 0);
}

static void
test_L2_a_gap_is_a_recorded_loss_and_reading_continues(void **state)
{
    (void)state;
    char reason[SEQUENCE_REASON_BYTES];
    struct sequence sequence = begun(3);
    assert_int_equal(take(&sequence, row_of(1, 6, 6)), SEQUENCE_APPLY);
    assert_int_equal(take(&sequence, row_of(1, 9, 9)), SEQUENCE_APPLY);
    assert_false(sequence_complete(&sequence));
    assert_int_equal(sequence.gap_first, 4);
    assert_int_equal(sequence.gap_last, 5);
    assert_int_equal(sequence.missing, 4);
    assert_int_equal(sequence.losses, 2);
    sequence_describe(&sequence, sequence.reason, reason, sizeof reason);
    assert_string_equal(reason, "events 4 to 5 never came; 4 are missing in all");
    assert_int_equal(take(&sequence, row_of(1, 5, 5)), SEQUENCE_DUPLICATE);
}

static void
test_L2_a_mark_above_the_last_seq_proves_a_loss(void **state)
{
    (void)state;
    struct sequence sequence = begun(3);
    assert_int_equal(take(&sequence, mark_of(MARK_WATERMARK, 1, 5)), SEQUENCE_CONTROL);
    assert_int_equal(sequence.reason, COVERAGE_GAP);
    assert_int_equal(sequence.missing, 2);
    assert_int_equal(take(&sequence, row_of(1, 6, 6)), SEQUENCE_APPLY);
    /* From the mark on, the digest is known again. */
    assert_int_equal(take(&sequence, mark_of(MARK_WATERMARK, 1, 6)), SEQUENCE_CONTROL);
    assert_int_equal(sequence.losses, 1);
}

static void
test_L2_a_watermark_below_the_last_seq_proves_that_seqs_were_used_twice(void **state)
{
    (void)state;
    struct sequence sequence = begun(3);
    take(&sequence, mark_of(MARK_WATERMARK, 1, 2));
    assert_int_equal(sequence.reason, COVERAGE_NUMBERS_REUSED);
}

static void
test_L2_another_digest_proves_that_seqs_were_used_twice(void **state)
{
    (void)state;
    struct sequence sequence = begun(3);
    struct event mark = mark_of(MARK_WATERMARK, 1, 3);
    mark.mark.digest++;
    take(&sequence, mark);
    assert_int_equal(sequence.reason, COVERAGE_NUMBERS_REUSED);
}

/* After a lost tail the source gives the same ids, even the same transaction ids, to other rows. */
static void
test_F76_another_content_proves_that_seqs_were_used_twice(void **state)
{
    (void)state;
    struct sequence sequence = begun(2);
    struct event lost = row_of(1, 3, 3);
    lost.body_crc++;
    assert_int_equal(take(&sequence, lost), SEQUENCE_APPLY);
    take(&sequence, mark_of(MARK_FENCE, 2, 2));
    assert_int_equal(take(&sequence, row_of(2, 3, 3)), SEQUENCE_DUPLICATE);
    assert_int_equal(sequence.losses, 0);
    take(&sequence, mark_of(MARK_WATERMARK, 2, 3));
    assert_int_equal(sequence.reason, COVERAGE_NUMBERS_REUSED);
    /* It is reported once. */
    take(&sequence, mark_of(MARK_WATERMARK, 2, 3));
    assert_int_equal(sequence.losses, 1);
}

/* A producer of version 2 begins the content digest at any value where one of version 1 ended, and
 * also continues with a window that version 1 began. */
static void
test_the_content_digest_begins_anywhere_after_version_1(void **state)
{
    (void)state;
    struct sequence sequence = begun(0);
    struct event fence = mark_of(MARK_FENCE, 2, 2);
    fence.mark.content_digest = 17;
    take(&sequence, old_mark_of(MARK_FENCE, 1, 0));
    for (int64_t i = 1; i <= 3; i++)
        take(&sequence, old_row_of(1, i));
    take(&sequence, fence);
    assert_int_equal(take(&sequence, row_of(2, 3, 3)), SEQUENCE_DUPLICATE);
    take(&sequence, row_of(2, 4, 4));
    struct event mark = mark_of(MARK_WATERMARK, 2, 4);
    mark.mark.content_digest = 18;
    take(&sequence, mark);
    assert_int_equal(sequence.losses, 0);
    mark.mark.content_digest = 19;
    take(&sequence, mark);
    assert_int_equal(sequence.losses, 1);
}

static void
test_F76_an_event_without_txid_is_not_what_a_later_version_sent(void **state)
{
    (void)state;
    struct sequence sequence = begun(3);
    take(&sequence, old_row_of(1, 4));
    take(&sequence, mark_of(MARK_WATERMARK, 1, 4));
    assert_int_equal(sequence.losses, 1);
    sequence = begun(3);
    take(&sequence, old_mark_of(MARK_FENCE, 2, 3));
    take(&sequence, old_row_of(2, 4));
    take(&sequence, old_mark_of(MARK_WATERMARK, 2, 4));
    take(&sequence, mark_of(MARK_FENCE, 3, 4));
    assert_int_equal(sequence.losses, 0);
}

/* Version 1 that runs again without sending a row leaves no content digest either. */
static void
test_a_mark_of_version_1_ends_the_content_digest(void **state)
{
    (void)state;
    for (int64_t seq = 2; seq <= 3; seq++) {
        struct sequence sequence = begun(3);
        take(&sequence, old_mark_of(MARK_FENCE, 2, seq));
        struct event mark = mark_of(MARK_FENCE, 3, 3);
        mark.mark.content_digest = EVENT_DIGEST_START;
        take(&sequence, mark);
        assert_int_equal(sequence.losses, 0);
        assert_true(sequence.content_known);
    }
}

static void
test_L3_a_fence_may_be_below_the_last_seq_and_events_sent_again_are_dropped(void **state)
{
    (void)state;
    struct sequence sequence = begun(3);
    assert_int_equal(take(&sequence, mark_of(MARK_FENCE, 2, 1)), SEQUENCE_CONTROL);
    assert_int_equal(take(&sequence, row_of(2, 2, 2)), SEQUENCE_DUPLICATE);
    assert_int_equal(take(&sequence, row_of(2, 3, 3)), SEQUENCE_DUPLICATE);
    assert_int_equal(take(&sequence, row_of(2, 4, 4)), SEQUENCE_APPLY);
    assert_true(sequence_complete(&sequence));
}

static void
test_L3_a_zombie_is_fenced_off_whatever_its_seqs(void **state)
{
    (void)state;
    struct sequence sequence = begun(3);
    take(&sequence, mark_of(MARK_FENCE, 2, 3));
    assert_int_equal(take(&sequence, row_of(1, 4, 99)), SEQUENCE_FENCED);
    assert_int_equal(take(&sequence, mark_of(MARK_WATERMARK, 1, 1)), SEQUENCE_FENCED);
    assert_int_equal(take(&sequence, mark_of(MARK_FENCE, 1, 0)), SEQUENCE_FENCED);
    assert_int_equal(sequence.seq, 3);
    assert_true(sequence_complete(&sequence));
}

static void
test_L3_a_generation_without_its_fence_is_a_loss(void **state)
{
    (void)state;
    struct sequence sequence = begun(3);
    assert_int_equal(take(&sequence, row_of(2, 4, 4)), SEQUENCE_APPLY);
    assert_int_equal(sequence.reason, COVERAGE_FENCE_MISSING);
    assert_int_equal(sequence.generation, 2);
}

/* The fence of generation 2 ended generation 1 in window 5. */
static struct sequence
taken_over(void)
{
    struct sequence sequence = begun(3);
    struct event fence = mark_of(MARK_FENCE, 2, 3);
    fence.tick = 5;
    take(&sequence, fence);
    assert_true(sequence_complete(&sequence));
    return sequence;
}

static void
test_F101_windows_after_the_fence_that_ended_their_generation_are_a_rivals(void **state)
{
    (void)state;
    struct sequence sequence = taken_over();
    struct event late = mark_of(MARK_WATERMARK, 1, 3);
    for (late.tick = 1; late.tick <= 5; late.tick++)
        assert_int_equal(take(&sequence, late), SEQUENCE_FENCED); /* what was on its way */
    assert_true(sequence_complete(&sequence));
    assert_int_equal(late.tick, 6);
    assert_int_equal(take(&sequence, late), SEQUENCE_FENCED);
    assert_int_equal(sequence.reason, COVERAGE_RIVAL);
    assert_int_equal(sequence.losses, 1);
    struct event row = row_of(1, 4, 4);
    row.tick = 7;
    assert_int_equal(take(&sequence, row), SEQUENCE_FENCED);
    assert_int_equal(sequence.losses, 2);
}

/* The fence that ended a generation is the first one after it, not the newest. */
static void
test_F101_each_generation_is_measured_by_the_fence_that_ended_it(void **state)
{
    (void)state;
    struct sequence sequence = taken_over();
    struct event fence = mark_of(MARK_FENCE, 3, 3);
    fence.tick = 20;
    take(&sequence, fence);
    struct event second = row_of(2, 4, 4), first = row_of(1, 4, 4);
    second.tick = 20;
    assert_int_equal(take(&sequence, second), SEQUENCE_FENCED);
    assert_true(sequence_complete(&sequence));
    first.tick = 6;
    assert_int_equal(take(&sequence, first), SEQUENCE_FENCED);
    assert_int_equal(sequence.reason, COVERAGE_RIVAL);
}

static void
test_F101_a_generation_has_one_start_of_one_producer(void **state)
{
    (void)state;
    struct sequence sequence = taken_over();
    struct event ours = mark_of(MARK_WATERMARK, 2, 3);
    ours.mark.start_name = TEXT("00000000000000aa");
    take(&sequence, ours);
    take(&sequence, mark_of(MARK_WATERMARK, 2, 3)); /* of schema version 1 */
    take(&sequence, ours);
    assert_true(sequence_complete(&sequence));
    struct event next = ours;
    next.generation = 3;
    next.mark.kind = MARK_FENCE;
    next.mark.start_name = TEXT("00000000000000bb");
    next.tick = 5;
    take(&sequence, next);
    assert_true(sequence_complete(&sequence)); /* each takes a generation of its own */
    next.mark.start_name = TEXT("00000000000000cc");
    take(&sequence, next);
    assert_int_equal(sequence.reason, COVERAGE_RIVAL);
}

static void
test_F101_a_fence_below_the_window_that_was_read_is_a_rivals(void **state)
{
    (void)state;
    struct sequence sequence = taken_over();
    struct event fence = mark_of(MARK_FENCE, 3, 3);
    fence.tick = 5;
    take(&sequence, fence);
    assert_true(sequence_complete(&sequence));
    fence.generation = 4;
    fence.tick = 4;
    assert_int_equal(take(&sequence, fence), SEQUENCE_CONTROL);
    assert_int_equal(sequence.reason, COVERAGE_RIVAL);
}

/* A topic that was made again, and has grown past what was read, is of older generations. */
static void
test_F102_topic_id_and_source_are_looked_at_before_epoch_and_generation(void **state)
{
    (void)state;
    struct sequence sequence = taken_over();
    struct event mark = mark_of(MARK_WATERMARK, 1, 3);
    mark.mark.topic_id = TEXT("topic-2");
    assert_int_equal(take(&sequence, mark), SEQUENCE_FENCED);
    assert_int_equal(sequence.reason, COVERAGE_OTHER_TOPIC);

    sequence = taken_over();
    sequence.epoch = 2;
    mark = mark_of(MARK_FENCE, 1, 0);
    mark.mark.topic_id = TEXT("topic-2");
    assert_int_equal(take(&sequence, mark), SEQUENCE_FENCED);
    assert_int_equal(sequence.reason, COVERAGE_OTHER_TOPIC);

    sequence = taken_over();
    struct event row = row_of(1, 1, 1);
    row.source = TEXT("other");
    assert_int_equal(take(&sequence, row), SEQUENCE_FOREIGN);
    assert_int_equal(sequence.reason, COVERAGE_SECOND_SOURCE);
}

/* --- what a reset leaves out ------------------------------------------------------------------ */

static void
test_F106_a_reset_ahead_is_a_loss_whatever_follows(void **state)
{
    (void)state;
    struct sequence sequence = begun(3);
    coverage_take_offset(&sequence.coverage, 0);
    assert_true(sequence_complete(&sequence));
    sequence_skip(&sequence, 1, 5);
    assert_false(sequence_complete(&sequence));
    assert_int_equal(sequence.reason, COVERAGE_SKIPPED);
    assert_int_equal(sequence.losses, 1);
    char reason[SEQUENCE_REASON_BYTES];
    sequence_describe(&sequence, sequence.reason, reason, sizeof reason);
    assert_string_equal(reason,
                        "a reset of the group's offset has skipped the messages at offsets 1 to 4");
    take(&sequence, mark_of(MARK_WATERMARK, 1, 3)); /* no number is missing */
    coverage_take_offset(&sequence.coverage, 5);
    assert_int_equal(sequence.losses, 1);
    assert_false(sequence_complete(&sequence));
    take(&sequence, row_of(1, 5, 5));
    assert_int_equal(sequence.missing, 1);
    assert_int_equal(sequence.reason, COVERAGE_SKIPPED);
}

/* The fence that opens the epoch proves nothing of what was posted before it and skipped. */
static void
test_F105_a_skip_before_the_first_epoch_is_kept(void **state)
{
    (void)state;
    struct sequence sequence;
    sequence_init(&sequence, &fields);
    coverage_take_offset(&sequence.coverage, 0);
    sequence_skip(&sequence, 1, 2);
    assert_true(sequence_is_consistent(&sequence));
    assert_int_equal(sequence.epoch, 0);
    take(&sequence, mark_of(MARK_FENCE, 1, 0));
    assert_false(sequence_complete(&sequence));
    assert_int_equal(sequence.reason, COVERAGE_SKIPPED);
    assert_int_equal(sequence.coverage.reasons[FIELD_ALIVE], COVERAGE_SKIPPED);
}

static void
test_the_newest_skip_is_named(void **state)
{
    (void)state;
    struct sequence sequence = begun(3);
    char reason[SEQUENCE_REASON_BYTES];
    coverage_take_offset(&sequence.coverage, 0);
    sequence_skip(&sequence, 1, 2);
    sequence_skip(&sequence, 5, 7);
    assert_int_equal(sequence.losses, 2);
    sequence_describe(&sequence, sequence.reason, reason, sizeof reason);
    assert_non_null(strstr(reason, "offsets 5 to 6"));
}

/* --- another topic ---------------------------------------------------------------------------- */

static void
test_F102_a_new_epoch_on_another_topic_loses_what_was_posted(void **state)
{
    (void)state;
    struct sequence sequence = begun(3);
    struct event fence = mark_of(MARK_FENCE, 2, 0);
    fence.epoch = 2;
    take(&sequence, fence);
    assert_false(sequence.coverage.offsets_lost);
    fence.epoch = 3;
    fence.mark.topic_id = TEXT("topic-2");
    take(&sequence, fence);
    assert_true(sequence.coverage.offsets_lost);
    assert_int_equal(sequence.losses, 0); /* the epoch has taken all other proof */
    fence.mark.topic_id = TEXT(TOPIC);
    take(&sequence, fence);
    assert_int_equal(sequence.losses, 1);
}

static void
test_F102_another_last_message_is_another_topic(void **state)
{
    (void)state;
    struct sequence sequence = begun(3);
    assert_true(sequence_is_message(&sequence, 8, 44)); /* none is known */
    sequence_take_offset(&sequence, 8);
    sequence_keep_message(&sequence, 44);
    assert_true(sequence_is_message(&sequence, 8, 44));
    assert_true(sequence_is_message(&sequence, 7, 43));
    assert_false(sequence_is_message(&sequence, 8, 43));
    sequence_change_topic(&sequence);
    assert_int_equal(sequence.reason, COVERAGE_OTHER_TOPIC);
    assert_true(sequence.coverage.offsets_lost);
    assert_true(sequence_is_message(&sequence, 8, 43)); /* found once */

    sequence_init(&sequence, &fields); /* also before the first epoch */
    sequence_take_offset(&sequence, 0);
    sequence_keep_message(&sequence, 44);
    sequence_change_topic(&sequence);
    take(&sequence, mark_of(MARK_FENCE, 1, 0));
    assert_int_equal(sequence.coverage.reasons[FIELD_ALIVE], COVERAGE_OTHER_TOPIC);
}

static void
test_unnumbered_events_always_apply(void **state)
{
    (void)state;
    struct sequence sequence = begun(3), before = sequence;
    struct event event = {.source = TEXT("http"), .kind = EVENT_ROW};
    assert_int_equal(take(&sequence, event), SEQUENCE_APPLY);
    assert_memory_equal(&sequence, &before, sizeof sequence);
}

static void
test_a_rejected_row_takes_its_seq(void **state)
{
    (void)state;
    struct sequence sequence = begun(3);
    struct event event = row_of(1, 4, 4);
    event.kind = EVENT_REJECTED;
    assert_int_equal(take(&sequence, event), SEQUENCE_APPLY);
    take(&sequence, mark_of(MARK_WATERMARK, 1, 4));
    assert_true(sequence_complete(&sequence));
}

static void
test_only_a_fence_at_seq_0_with_an_empty_source_makes_a_new_shard_complete(void **state)
{
    (void)state;
    struct event full = mark_of(MARK_FENCE, 1, 0);
    full.mark.source_empty = false;
    const struct {
        struct event first;
        enum coverage_reason reason;
    } cases[] = {
        {mark_of(MARK_FENCE, 1, 0), COVERAGE_COMPLETE},
        {full, COVERAGE_SOURCE_NOT_EMPTY},
        {mark_of(MARK_FENCE, 2, 7), COVERAGE_NO_BEGINNING},
        {mark_of(MARK_WATERMARK, 1, 0), COVERAGE_NO_BEGINNING},
        {row_of(1, 1, 1), COVERAGE_NO_BEGINNING},
        {row_of(1, 500, 500), COVERAGE_NO_BEGINNING},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct sequence sequence;
        sequence_init(&sequence, &fields);
        assert_int_equal(sequence.reason, COVERAGE_NOTHING_READ);
        take(&sequence, cases[i].first);
        assert_int_equal(sequence.reason, cases[i].reason);
    }
}

static void
test_a_new_epoch_begins_with_seq_1_and_voids_completeness(void **state)
{
    (void)state;
    struct sequence sequence = begun(3);
    struct event fence = mark_of(MARK_FENCE, 1, 0), row = row_of(1, 1, 1);
    fence.epoch = row.epoch = 2;
    fence.mark.topic_id = TEXT("topic-2");
    assert_int_equal(take(&sequence, fence), SEQUENCE_CONTROL);
    assert_int_equal(sequence.reason, COVERAGE_NEW_EPOCH);
    assert_int_equal(take(&sequence, row), SEQUENCE_APPLY);
    assert_int_equal(take(&sequence, row_of(7, 4, 4)), SEQUENCE_FENCED);
    assert_int_equal(sequence.seq, 1);
    assert_int_equal(sequence.row_id, 1);
    assert_int_equal(sequence.losses, 0);
}

static void
test_another_topic_id_is_a_loss_reported_once(void **state)
{
    (void)state;
    struct sequence sequence = begun(3);
    struct event mark = mark_of(MARK_WATERMARK, 1, 3);
    mark.mark.topic_id = TEXT("topic-2");
    take(&sequence, mark);
    take(&sequence, mark);
    assert_int_equal(sequence.reason, COVERAGE_OTHER_TOPIC);
    assert_int_equal(sequence.losses, 1);
}

static void
test_a_second_source_is_dropped_and_a_loss(void **state)
{
    (void)state;
    struct sequence sequence = begun(3);
    struct event event = row_of(1, 4, 4);
    event.source = TEXT("other");
    assert_int_equal(take(&sequence, event), SEQUENCE_FOREIGN);
    assert_int_equal(sequence.reason, COVERAGE_SECOND_SOURCE);
    assert_int_equal(sequence.seq, 3);
}

static void
test_a_watermark_is_kept(void **state)
{
    (void)state;
    struct sequence sequence = begun(3);
    take(&sequence, mark_of(MARK_WATERMARK, 1, 3));
    assert_int_equal(sequence.watermark.clock_us, 1003);
    assert_int_equal(sequence.watermark.last_row_id, 3);
    assert_int_equal(sequence.watermark.max_row_id, 8);
    assert_int_equal(sequence.watermark.backlog_rows, 3);
}

/* --- requests --------------------------------------------------------------------------------- */

static void
test_a_watermark_that_owes_answers_proves_no_snapshot(void **state)
{
    (void)state;
    struct sequence sequence = begun(3);
    take(&sequence, mark_of(MARK_WATERMARK, 1, 3));
    sequence_add_request(&sequence, 10);
    for (int64_t i = 0; i < 2; i++) {
        struct event mark = mark_of(MARK_WATERMARK, 1, 3);
        mark.tick = 7 + i;
        mark.mark.clock_us = 2000 + i;
        mark.mark.last_row_id = mark.mark.max_row_id = 20 + i;
        mark.mark.owed = 4;
        take(&sequence, mark);
        assert_int_equal(sequence.watermark.clock_us, 1003);
        assert_int_equal(sequence.watermark.tick, 1); /* of begun() */
        assert_int_equal(sequence.watermark.last_row_id, 20 + i);
        assert_int_equal(sequence.watermark.max_row_id, 20 + i);
        assert_int_equal(sequence.watermark.owed, 4);
        assert_int_equal(sequence.watermark.owed_since_us, 2000);
        assert_int_equal(sequence.watermark.newest_us, 2000 + i);
    }
    sequence_remove_request(&sequence);
    struct event mark = mark_of(MARK_WATERMARK, 1, 3);
    mark.tick = 9;
    take(&sequence, mark);
    assert_int_equal(sequence.watermark.tick, 9);
    assert_int_equal(sequence.watermark.owed, 0);
    assert_int_equal(sequence.watermark.owed_since_us, 0);
    assert_true(sequence_complete(&sequence));
    assert_int_equal(sequence.losses, 0);
}

static void
assert_answer_lost(const struct sequence *sequence)
{
    char reason[INCOMPLETE_BYTES];
    assert_int_equal(sequence->losses, 1);
    assert_int_equal(sequence->unanswered, 0);
    assert_int_equal(sequence->reason, COVERAGE_ANSWER_LOST);
    assert_false(sequence_complete(sequence));
    incomplete_describe(sequence, &fields, reason, sizeof reason);
    assert_string_equal(reason, "the answer to a refresh never came: rows may be out of date: "
                                "bitdex-producer load");
}

/* Each of these comes after all answers to the requests before it. */
static void
test_a_lost_answer_is_a_loss_at_the_next_place_that_needs_it(void **state)
{
    (void)state;
    static const struct chunk compared = {.purpose = CHUNK_CHECK, .end = CHUNK_NO_END};
    static const struct sum sum = {.end = CHUNK_NO_END};
    static const struct sum_point point = {.end = CHUNK_NO_END};
    struct event events[4] = {mark_of(MARK_WATERMARK, 1, 3)};
    for (int i = 1; i < 4; i++)
        events[i] = row_of(1, 3, 0);
    struct chunk chunk = compared;
    struct sum sent_sum = sum;
    struct sum_point sent_point = point;
    events[1].kind = EVENT_CHUNK;
    events[1].chunk = &chunk;
    events[2].kind = EVENT_SUM;
    events[2].sum = &sent_sum;
    events[3].kind = EVENT_SUM_POINT;
    events[3].sum_point = &sent_point;
    for (int i = 0; i < 4; i++) {
        struct sequence sequence = begun(3);
        take(&sequence, events[i]);
        assert_int_equal(sequence.losses, 0);
        sequence_add_request(&sequence, 10);
        events[i].seq = 2; /* before the request: stale, or a mark that is a loss of its own */
        if (i > 0)
            assert_int_equal(take(&sequence, events[i]), SEQUENCE_STALE);
        events[i].seq = 3;
        assert_int_equal(sequence.unanswered, 1);
        take(&sequence, events[i]);
        assert_answer_lost(&sequence);
        take(&sequence, events[i]); /* the record is empty: a load can repair the shard */
        assert_int_equal(sequence.losses, 1);
    }
}

static void
test_a_fence_and_a_new_epoch_require_no_answers(void **state)
{
    (void)state;
    struct sequence sequence = begun(3);
    sequence_add_request(&sequence, 10);
    take(&sequence, mark_of(MARK_FENCE, 2, 3));
    assert_int_equal(sequence.unanswered, 1);
    struct event fence = mark_of(MARK_FENCE, 3, 0);
    fence.epoch = 2;
    take(&sequence, fence);
    assert_int_equal(sequence.unanswered, 0);
    assert_int_equal(sequence.losses, 0);
}

static void
test_a_record_that_is_full_is_a_loss_and_empty(void **state)
{
    (void)state;
    char reason[INCOMPLETE_BYTES];
    struct sequence sequence = begun(3);
    sequence_add_request(&sequence, 2);
    sequence_add_request(&sequence, 2);
    assert_true(sequence_complete(&sequence));
    sequence_add_request(&sequence, 2);
    assert_int_equal(sequence.unanswered, 0);
    assert_int_equal(sequence.losses, 1);
    incomplete_describe(&sequence, &fields, reason, sizeof reason);
    assert_string_equal(reason, "more refreshes wait for their answers than "
                                "consumer.requests_max: bitdex-producer load");
}

/* --- random histories ------------------------------------------------------------------------ */

enum { ROWS = 200, EVENTS_MAX = 20000, ZOMBIE_ROW = 1000000 };

/* The log of a partition: producers crash and begin again at their last saved position, and zombies
 * write after their successor's fence. `skip` never arrives in any generation. */
struct history {
    struct event events[EVENTS_MAX];
    size_t count;
    bool skip[ROWS + 1];
};

static void
history_add(struct history *history, struct event event)
{
    if (event.kind != EVENT_MARK && history->skip[event.seq])
        return;
    assert_true(history->count < EVENTS_MAX);
    history->events[history->count++] = event;
}

static void
history_make(struct history *history)
{
    int64_t generation = 1, saved = 0, sent = 0, most = 0;
    history_add(history, mark_of(MARK_FENCE, generation, saved));
    while (sent < ROWS) {
        sent++;
        history_add(history, row_of(generation, sent, sent));
        most = sent > most ? sent : most;
        if (random_below(20) == 0)
            saved = sent;
        /* It follows a whole window, and so everything of it that a predecessor has sent. */
        if (random_below(20) == 0 && sent == most)
            history_add(history, mark_of(MARK_WATERMARK, generation, sent));
        if (random_below(25) == 0) {
            generation++;
            sent = saved;
            history_add(history, mark_of(MARK_FENCE, generation, saved));
        }
        if (random_below(10) == 0 && generation > 1)
            history_add(history,
                        row_of(generation - 1, 1 + (int64_t)random_below(ROWS), ZOMBIE_ROW));
    }
    history_add(history, mark_of(MARK_WATERMARK, generation, ROWS));
}

/* A shard's progress: its position and the rows that it has applied are saved together. */
struct reader {
    struct sequence sequence;
    size_t next;
    int64_t applied;
    int64_t last_row;
};

/* Reads the log; a crash returns to the last frame. Checks that each row applies once and in order.
 */
static struct reader
history_read(const struct history *history)
{
    struct reader reader = {0};
    sequence_init(&reader.sequence, &fields);
    struct reader frame = reader;
    while (reader.next < history->count) {
        if (random_below(10) == 0)
            frame = reader;
        if (random_below(30) == 0)
            reader = frame;
        const struct event *event = &history->events[reader.next++];
        if (take(&reader.sequence, *event) != SEQUENCE_APPLY)
            continue;
        assert_true(event->row_id > reader.last_row && event->row_id < ZOMBIE_ROW);
        reader.last_row = event->row_id;
        reader.applied++;
    }
    return reader;
}

static void
test_random_histories_apply_every_row_once_and_in_order(void **state)
{
    (void)state;
    struct history *history = memory_alloc(sizeof *history);
    random_seed();
    for (int round = 0; round < 300; round++) {
        int64_t skipped = 0;
        *history = (struct history){0};
        for (int i = 1; round % 2 == 1 && i <= ROWS; i++) {
            history->skip[i] = random_below(40) == 0;
            skipped += history->skip[i];
        }
        history_make(history);
        const struct reader reader = history_read(history);
        const struct sequence *sequence = &reader.sequence;
        assert_int_equal(reader.applied, ROWS - skipped);
        assert_int_equal(sequence->missing, skipped);
        assert_int_equal(sequence->reason, skipped > 0 ? COVERAGE_GAP : COVERAGE_COMPLETE);
        assert_int_equal(sequence->digest, digest_of(ROWS));
    }
    free(history);
}

/* --- lost tails ------------------------------------------------------------------------------ */

/* A producer and a reader that takes every event at once. */
struct tail {
    struct sequence sequence;
    int64_t generation;
    int64_t saved;
    int64_t sent;
    uint32_t versions[ROWS + 1]; /* of the rows' content, as the source has them */
    uint32_t applied[ROWS + 1];  /* as the reader has applied them */
    bool differs;                /* the reader has applied what the source does not have */
};

static void
tail_send_row(struct tail *tail)
{
    tail->sent++;
    struct event row = row_of(tail->generation, tail->sent, tail->sent);
    row.body_crc += 1000 * tail->versions[tail->sent];
    if (take(&tail->sequence, row) == SEQUENCE_APPLY)
        tail->applied[tail->sent] = tail->versions[tail->sent];
}

static void
tail_send_mark(struct tail *tail, enum mark_kind kind)
{
    struct event mark = mark_of(kind, tail->generation, tail->sent);
    uint64_t digest = EVENT_DIGEST_START;
    for (int64_t i = 1; i <= tail->sent; i++)
        digest = event_content_next(digest, i, (uint64_t)i + 100,
                                    (uint32_t)i * 3 + 1000 * tail->versions[i]);
    mark.mark.content_digest = digest;
    bool compares = tail->sequence.seq == tail->sent;
    int64_t losses = tail->sequence.losses;
    bool differs = memcmp(tail->applied, tail->versions,
                          (size_t)(tail->sent + 1) * sizeof *tail->applied) != 0;
    take(&tail->sequence, mark);
    if (!compares)
        return;
    assert_int_equal(tail->sequence.losses - losses, differs);
    tail->differs = tail->differs || differs;
    memcpy(tail->applied, tail->versions, (size_t)(tail->sent + 1) * sizeof *tail->applied);
}

/* The next generation begins at the saved position; the source may have lost what came later. */
static void
tail_crash(struct tail *tail)
{
    tail->generation++;
    tail->sent = tail->saved;
    bool is_lost = random_below(3) == 0;
    for (int64_t i = tail->saved + 1; i <= ROWS; i++)
        tail->versions[i] += is_lost && random_below(2) == 0;
    tail_send_mark(tail, MARK_FENCE);
}

static void
test_F76_random_lost_tails_are_found_at_the_next_watermark(void **state)
{
    (void)state;
    int found = 0;
    random_seed();
    for (int round = 0; round < 300; round++) {
        struct tail tail = {.sequence = begun(0), .generation = 1};
        int64_t most = 0;
        while (tail.sent < ROWS) {
            tail_send_row(&tail);
            most = tail.sent > most ? tail.sent : most;
            if (random_below(10) == 0)
                tail.saved = tail.sent;
            if (random_below(10) == 0 && tail.sent == most)
                tail_send_mark(&tail, MARK_WATERMARK);
            if (random_below(25) == 0)
                tail_crash(&tail);
        }
        tail_send_mark(&tail, MARK_WATERMARK);
        assert_int_equal(sequence_complete(&tail.sequence), !tail.differs);
        found += tail.differs;
    }
    assert_in_range(found, 10, 290);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_L2_the_next_seq_applies_and_a_known_one_is_a_duplicate),
        cmocka_unit_test(test_L2_a_gap_is_a_recorded_loss_and_reading_continues),
        cmocka_unit_test(test_L2_a_mark_above_the_last_seq_proves_a_loss),
        cmocka_unit_test(test_L2_a_watermark_below_the_last_seq_proves_that_seqs_were_used_twice),
        cmocka_unit_test(test_L2_another_digest_proves_that_seqs_were_used_twice),
        cmocka_unit_test(
            test_L3_a_fence_may_be_below_the_last_seq_and_events_sent_again_are_dropped),
        cmocka_unit_test(test_L3_a_zombie_is_fenced_off_whatever_its_seqs),
        cmocka_unit_test(test_L3_a_generation_without_its_fence_is_a_loss),
        cmocka_unit_test(
            test_F101_windows_after_the_fence_that_ended_their_generation_are_a_rivals),
        cmocka_unit_test(test_F101_each_generation_is_measured_by_the_fence_that_ended_it),
        cmocka_unit_test(test_F101_a_generation_has_one_start_of_one_producer),
        cmocka_unit_test(test_F101_a_fence_below_the_window_that_was_read_is_a_rivals),
        cmocka_unit_test(test_F102_topic_id_and_source_are_looked_at_before_epoch_and_generation),
        cmocka_unit_test(test_F106_a_reset_ahead_is_a_loss_whatever_follows),
        cmocka_unit_test(test_F105_a_skip_before_the_first_epoch_is_kept),
        cmocka_unit_test(test_the_newest_skip_is_named),
        cmocka_unit_test(test_F102_a_new_epoch_on_another_topic_loses_what_was_posted),
        cmocka_unit_test(test_F102_another_last_message_is_another_topic),
        cmocka_unit_test(test_unnumbered_events_always_apply),
        cmocka_unit_test(test_a_rejected_row_takes_its_seq),
        cmocka_unit_test(
            test_only_a_fence_at_seq_0_with_an_empty_source_makes_a_new_shard_complete),
        cmocka_unit_test(test_a_new_epoch_begins_with_seq_1_and_voids_completeness),
        cmocka_unit_test(test_another_topic_id_is_a_loss_reported_once),
        cmocka_unit_test(test_a_second_source_is_dropped_and_a_loss),
        cmocka_unit_test(test_a_watermark_is_kept),
        cmocka_unit_test(test_a_watermark_that_owes_answers_proves_no_snapshot),
        cmocka_unit_test(test_a_lost_answer_is_a_loss_at_the_next_place_that_needs_it),
        cmocka_unit_test(test_a_fence_and_a_new_epoch_require_no_answers),
        cmocka_unit_test(test_a_record_that_is_full_is_a_loss_and_empty),
        cmocka_unit_test(test_F76_another_content_proves_that_seqs_were_used_twice),
        cmocka_unit_test(test_the_content_digest_begins_anywhere_after_version_1),
        cmocka_unit_test(test_F76_an_event_without_txid_is_not_what_a_later_version_sent),
        cmocka_unit_test(test_a_mark_of_version_1_ends_the_content_digest),
        cmocka_unit_test(test_F76_random_lost_tails_are_found_at_the_next_watermark),
        cmocka_unit_test(test_random_histories_apply_every_row_once_and_in_order),
    };
    config_fields_init(&fields, &index_config);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    config_fields_free(&fields);
    return failed;
}
