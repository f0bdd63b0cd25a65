/* Completeness by field: each rule of coverage.h, through the seq rule. */
#include "tests/unit/unit_test.h"

#include <string.h>

#include "consumer/partition/incomplete.h"
#include "tests/unit/coverage_history.h"
#include "tests/unit/random_input.h"

static void
assert_reason(const struct history *history, int field, const char *wanted)
{
    char reason[INCOMPLETE_BYTES];
    uint32_t number;
    assert_true(
        config_fields_find(history_fields(history), text_of(history_names[field]), &number));
    incomplete_describe_field(&history->sequence, history_fields(history), number, reason,
                              sizeof reason);
    assert_string_equal(reason, wanted);
}

enum { ALL = BIT(A) | BIT(B) | BIT(C) | BIT(ALIVE) }; /* of the first configuration */

/* A shard over a source that had rows. */
static void
begin_full(struct history *history)
{
    history_begin(history);
    history_mark(history, MARK_FENCE, ALL, 0, false);
    assert_int_equal(history_complete(history), 0);
}

static void
load(struct history *history, int64_t job, uint32_t fields)
{
    history_job(history, JOB_BEGIN, job, fields);
    history_chunk(history, job, 0, 100, fields, false);
    history_chunk(history, job, 100, CHUNK_NO_END, fields, false);
    history_job(history, JOB_END, job, fields);
}

static void
test_a_fence_over_an_empty_source_proves_all_fields(void **state)
{
    (void)state;
    struct history history;
    history_begin(&history);
    assert_reason(&history, A, "no event of a producer was read yet: bitdex-producer run");
    history_mark(&history, MARK_FENCE, ALL, 0, true);
    assert_int_equal(history_complete(&history), ALL);
    assert_true(sequence_complete(&history.sequence));
    assert_reason(&history, A, "");
}

static void
test_F77_a_load_completes_the_fields_that_it_covers(void **state)
{
    (void)state;
    struct history history;
    begin_full(&history);
    assert_reason(&history, A, "the source had rows before the topic began: bitdex-producer load");
    history_job(&history, JOB_BEGIN, 7, BIT(A) | BIT(ALIVE));
    history_chunk(&history, 7, 0, 100, BIT(A) | BIT(ALIVE), false);
    assert_int_equal(history_complete(&history), 0);
    history_chunk(&history, 7, 100, CHUNK_NO_END, BIT(A) | BIT(ALIVE), false);
    assert_int_equal(history_complete(&history), BIT(A) | BIT(ALIVE));
    history_job(&history, JOB_END, 7, BIT(A) | BIT(ALIVE));
    load(&history, 8, BIT(B) | BIT(C));
    assert_true(sequence_complete(&history.sequence));
}

static void
test_F77_an_end_mark_without_the_ranges_proves_nothing(void **state)
{
    (void)state;
    struct history history;
    begin_full(&history);
    history_job(&history, JOB_BEGIN, 7, ALL);
    history_chunk(&history, 7, 0, 100, ALL, false);
    history_job(&history, JOB_END, 7, ALL);
    history_chunk(&history, 7, 100, CHUNK_NO_END, ALL, false);
    assert_int_equal(history_complete(&history), 0);
}

static void
test_F77_a_last_range_that_is_closed_leaves_the_rest_uncovered(void **state)
{
    (void)state;
    struct history history;
    begin_full(&history);
    history_job(&history, JOB_BEGIN, 7, ALL);
    history_chunk(&history, 7, 0, CHUNK_NO_END - 1, ALL, false);
    history_job(&history, JOB_END, 7, ALL);
    assert_int_equal(history_complete(&history), 0);
}

static void
test_a_range_that_does_not_begin_at_0_or_has_a_hole_covers_nothing(void **state)
{
    (void)state;
    struct history history;
    begin_full(&history);
    history_job(&history, JOB_BEGIN, 7, ALL);
    history_chunk(&history, 7, 1, CHUNK_NO_END, ALL, false);
    assert_int_equal(history_complete(&history), 0);
    history_chunk(&history, 7, 0, 100, ALL, false);
    history_chunk(&history, 7, 101, CHUNK_NO_END, ALL, false);
    assert_int_equal(history_complete(&history), 0);
    history_chunk(&history, 7, 90, CHUNK_NO_END, ALL, false); /* sent again after a restart */
    assert_int_equal(history_complete(&history), ALL);
}

static void
test_without_the_begin_mark_nothing_is_covered(void **state)
{
    (void)state;
    struct history history;
    begin_full(&history);
    history_chunk(&history, 7, 0, CHUNK_NO_END, ALL, false);
    assert_int_equal(history_complete(&history), 0);
    history_job(&history, JOB_BEGIN, 8, ALL);
    history_chunk(&history, 7, 0, CHUNK_NO_END, ALL, false);
    assert_int_equal(history_complete(&history), 0);
}

static void
test_the_begin_mark_of_another_job_ends_a_coverage(void **state)
{
    (void)state;
    struct history history;
    begin_full(&history);
    history_job(&history, JOB_BEGIN, 7, ALL);
    history_chunk(&history, 7, 0, 100, ALL, false);
    history_job(&history, JOB_BEGIN, 8, BIT(A));
    history_chunk(&history, 7, 100, CHUNK_NO_END, ALL, false);
    assert_int_equal(history_complete(&history), 0);
    history_chunk(&history, 8, 0, CHUNK_NO_END, BIT(A), false);
    assert_int_equal(history_complete(&history), BIT(A));
}

static void
test_a_rejected_chunk_leaves_its_fields_uncovered(void **state)
{
    (void)state;
    struct history history;
    begin_full(&history);
    history_job(&history, JOB_BEGIN, 7, ALL);
    history_chunk(&history, 7, 0, 100, ALL, false);
    history_chunk(&history, 7, 100, 101, BIT(B), true);
    history_chunk(&history, 7, 101, CHUNK_NO_END, ALL, false);
    assert_int_equal(history_complete(&history), ALL & ~BIT(B));
    assert_reason(&history, B,
                  "the load could not send field b of all entities (bitdex-producer dead-letters "
                  "list): bitdex-producer load --fields b");
}

static void
test_chunks_of_other_purposes_and_lists_of_entities_cover_nothing(void **state)
{
    (void)state;
    struct history history;
    struct text texts[] = {TEXT("a")};
    struct chunk chunk = {
        .purpose = CHUNK_CHECK, .job = 7, .end = CHUNK_NO_END, .fields = texts, .field_count = 1};
    begin_full(&history);
    history_job(&history, JOB_BEGIN, 7, ALL);
    struct event event = history_unnumbered(&history, EVENT_CHUNK);
    event.chunk = &chunk;
    history_take(&history, event);
    chunk.purpose = CHUNK_REFRESH;
    history_take(&history, event);
    chunk.purpose = CHUNK_LOAD;
    chunk.has_slots = true;
    history_take(&history, event);
    assert_int_equal(history_complete(&history), 0);
    chunk.has_slots = false;
    history_take(&history, event);
    assert_int_equal(history_complete(&history), BIT(A));
}

static void
test_L2_a_gap_voids_all_fields_and_the_running_load(void **state)
{
    (void)state;
    struct history history;
    begin_full(&history);
    load(&history, 7, ALL);
    history_job(&history, JOB_BEGIN, 8, ALL);
    history_chunk(&history, 8, 0, 100, ALL, false);
    history_gap(&history);
    assert_int_equal(history_complete(&history), 0);
    assert_reason(&history, A,
                  "events 1 to 1 never came; 1 are missing in all: bitdex-producer load");
    history_chunk(&history, 8, 100, CHUNK_NO_END, ALL, false);
    assert_int_equal(history_complete(&history), 0);
    load(&history, 9, ALL);
    assert_true(sequence_complete(&history.sequence));
    assert_int_equal(history.sequence.losses, 1); /* stays visible */
    assert_int_equal(history.sequence.reason, COVERAGE_GAP);
    history_gap(&history);
    assert_reason(&history, A,
                  "events 3 to 3 never came; 2 are missing in all: bitdex-producer load");
}

static void
test_a_new_epoch_voids_all_fields_and_the_running_load(void **state)
{
    (void)state;
    struct history history;
    begin_full(&history);
    load(&history, 7, ALL);
    history_job(&history, JOB_BEGIN, 8, ALL);
    history_chunk(&history, 8, 0, 100, ALL, false);
    history_epoch(&history);
    assert_reason(&history, A, "a new epoch of the source began: bitdex-producer load");
    history_chunk(&history, 8, 100, CHUNK_NO_END, ALL, false);
    assert_int_equal(history_complete(&history), 0);
    load(&history, 9, ALL);
    assert_true(sequence_complete(&history.sequence));
}

static void
test_L2_events_of_a_load_that_are_older_than_the_shard_are_stale(void **state)
{
    (void)state;
    struct history history;
    struct chunk chunk = {.purpose = CHUNK_LOAD, .end = CHUNK_NO_END};
    struct pass pass = {.entry = TEXT("e")};
    struct job_mark job = {.kind = JOB_BEGIN, .job = 7};
    struct sum sum = {.job = 7};
    struct sum_point point = {.job = 7};
    struct event events[] = {
        {.kind = EVENT_CHUNK, .chunk = &chunk},
        {.kind = EVENT_PASS, .pass = &pass},
        {.kind = EVENT_JOB, .job = &job},
        {.kind = EVENT_SUM, .sum = &sum},
        {.kind = EVENT_SUM_POINT, .sum_point = &point},
    };
    begin_full(&history);
    history_take(&history, (struct event){.kind = EVENT_ROW, .seq = 1, .row_id = 1});
    for (size_t i = 0; i < COUNT_OF(events); i++)
        assert_int_equal(history_take(&history, events[i]), SEQUENCE_STALE);
    assert_int_equal(history.sequence.losses, 0);
    assert_int_equal(history.sequence.coverage.job, 0);
    for (size_t i = 0; i < COUNT_OF(events); i++) {
        events[i].seq = history.sequence.seq + 1; /* an event between was lost */
        history_take(&history, events[i]);
        assert_int_equal(history.sequence.losses, i + 1);
    }
    events[0].generation = 1;
    history_take(&history, (struct event){.kind = EVENT_MARK,
                                          .generation = 2,
                                          .seq = history.sequence.seq,
                                          .mark = {.kind = MARK_FENCE, .topic_id = TEXT("topic")}});
    assert_int_equal(history_take(&history, events[0]), SEQUENCE_FENCED);
}

static void
test_L13_a_voided_event_voids_its_fields_and_a_missed_one_all(void **state)
{
    (void)state;
    struct history history;
    begin_full(&history);
    load(&history, 7, ALL);
    history_voided(&history, 1, BIT(B));
    assert_int_equal(history_complete(&history), ALL & ~BIT(B));
    assert_reason(&history, B,
                  "field b may differ from the source: a table was altered: wait for the load, or "
                  "bitdex-producer load --fields b");
    load(&history, 8, BIT(B));
    history_voided(&history, 1, BIT(B)); /* sent again */
    history_mark(&history, MARK_WATERMARK, ALL, 1, false);
    assert_int_equal(history_complete(&history), ALL);
    history_mark(&history, MARK_WATERMARK, ALL, 2, false);
    assert_int_equal(history_complete(&history), 0);
    assert_reason(&history, A,
                  "a guard of the producer did not hold, and its event was missed: "
                  "bitdex-producer load");
    load(&history, 9, ALL);
    history_voided(&history, 4, BIT(A));
    assert_int_equal(history_complete(&history), 0);
}

static void
test_L13_a_voided_event_ends_the_coverage_of_its_fields(void **state)
{
    (void)state;
    struct history history;
    begin_full(&history);
    history_job(&history, JOB_BEGIN, 7, ALL);
    history_chunk(&history, 7, 0, 100, ALL, false);
    history_voided(&history, 1, BIT(A));
    history_chunk(&history, 7, 100, CHUNK_NO_END, ALL, false);
    assert_int_equal(history_complete(&history), ALL & ~BIT(A));
}

static void
test_a_voided_event_below_the_last_seq_still_counts(void **state)
{
    (void)state;
    struct history history;
    struct voided voided = {.number = 1, .all = true, .reason = TEXT("ddl")};
    history_begin(&history);
    history_mark(&history, MARK_FENCE, ALL, 0, true);
    history_take(&history, (struct event){.kind = EVENT_ROW, .seq = 1, .row_id = 1});
    assert_int_equal(
        history_take(&history, (struct event){.kind = EVENT_VOIDED, .voided = &voided}),
        SEQUENCE_CONTROL);
    assert_int_equal(history_complete(&history), 0);
}

static void
test_a_pass_completes_its_fields_with_its_last_part(void **state)
{
    (void)state;
    struct history history;
    begin_full(&history);
    history_job(&history, JOB_BEGIN, 7, ALL);
    history_chunk(&history, 7, 0, CHUNK_NO_END, ALL & ~BIT(C), false);
    history_pass(&history, 7, 0, 0, false, BIT(C), BIT(B));
    history_pass(&history, 7, 0, 1, false, BIT(C), BIT(B));
    history_pass(&history, 7, 0, 1, false, BIT(C), BIT(B)); /* sent again */
    assert_int_equal(history_complete(&history), ALL & ~BIT(C));
    history_pass(&history, 7, 0, 2, true, BIT(C), BIT(B));
    assert_int_equal(history_complete(&history), ALL);
    history_pass(&history, 8, 0, 0, false, BIT(C), BIT(B)); /* of a job whose begin was not read */
    assert_int_equal(history_complete(&history), ALL & ~BIT(C));
    assert_reason(&history, C,
                  "a pass over field c has begun and not ended: wait for the load, or "
                  "bitdex-producer load --fields c");
}

static void
test_a_pass_counts_only_while_what_it_reads_is_complete(void **state)
{
    (void)state;
    struct history history;
    begin_full(&history);
    history_job(&history, JOB_BEGIN, 7, BIT(C));
    history_pass(&history, 7, 0, 0, true, BIT(C), BIT(B));
    assert_int_equal(history_complete(&history), 0);
    load(&history, 8, BIT(B));
    history_job(&history, JOB_BEGIN, 9, BIT(C));
    history_pass(&history, 9, 0, 0, false, BIT(C), BIT(B));
    history_pass(&history, 9, 0, 2, true, BIT(C), BIT(B)); /* a part is missing */
    assert_int_equal(history_complete(&history), BIT(B));
    history_pass(&history, 9, 0, 0, true, BIT(C), BIT(B) | BIT(D)); /* d is not in the index */
    assert_int_equal(history_complete(&history), BIT(B));
    history_pass(&history, 9, 0, 0, true, BIT(C), BIT(B));
    assert_int_equal(history_complete(&history), BIT(B) | BIT(C));
}

static void
test_a_posted_field_needs_every_offset_and_no_load_heals_it(void **state)
{
    (void)state;
    struct history history;
    history_begin(&history);
    history_mark(&history, MARK_FENCE, ALL & ~BIT(C), 0, false);
    assert_int_equal(history_complete(&history), BIT(C));
    history_gap(&history);
    assert_int_equal(history_complete(&history), BIT(C));
    history_skip_offset(&history);
    history_mark(&history, MARK_WATERMARK, ALL & ~BIT(C), 0, false);
    assert_reason(
        &history, C,
        "no trigger fills field c, and events of the topic were skipped: reset the "
        "group's offset to the beginning of the topic, if the topic still has all events");
    load(&history, 7, ALL);
    assert_int_equal(history_complete(&history), ALL & ~BIT(C));
}

static void
test_without_triggers_of_the_configuration_every_field_is_the_sources(void **state)
{
    (void)state;
    struct history history;
    history_begin(&history);
    history_mark(&history, MARK_FENCE, 0, 0, true);
    assert_int_equal(history_complete(&history), ALL);
    history_epoch(&history);
    assert_int_equal(history_complete(&history), 0);
}

static void
test_triggers_that_are_added_or_removed_void_their_fields(void **state)
{
    (void)state;
    struct history history;
    history_begin(&history);
    history_mark(&history, MARK_FENCE, ALL & ~BIT(C), 0, true);
    assert_int_equal(history_complete(&history), ALL);
    history_mark(&history, MARK_WATERMARK, ALL, 0, false);
    assert_reason(&history, C,
                  "triggers began to fill field c after the topic began: "
                  "bitdex-producer load --fields c");
    load(&history, 7, BIT(C));
    assert_int_equal(history_complete(&history), ALL);
    history_mark(&history, MARK_WATERMARK, ALL & ~BIT(A), 0, false);
    assert_reason(&history, A,
                  "no trigger in place fills field a any more: bitdex-producer triggers apply, "
                  "then bitdex-producer load --fields a");
    history_mark(&history, MARK_WATERMARK, ALL, 0, false);
    assert_int_equal(history_complete(&history), ALL & ~BIT(A));
}

static void
test_a_field_that_is_added_or_changed_is_incomplete_alone(void **state)
{
    (void)state;
    struct history history;
    history_begin(&history);
    history_mark(&history, MARK_FENCE, BITS_ALL, 0, true);
    history_change(&history, 1);
    assert_int_equal(history_complete(&history), ALL);
    assert_reason(&history, D,
                  "field d was added to index_config: bitdex-producer load --fields d");
    history_job(&history, JOB_BEGIN, 7, BITS_ALL);
    history_chunk(&history, 7, 0, 100, BITS_ALL, false);
    history_change(&history, 3);
    assert_int_equal(history_complete(&history), BIT(A) | BIT(ALIVE));
    assert_reason(&history, B,
                  "field b was changed in index_config: bitdex-producer load --fields b");
    history_chunk(&history, 7, 100, CHUNK_NO_END, BITS_ALL, false); /* d was there when it began */
    assert_int_equal(history_complete(&history), BIT(A) | BIT(D) | BIT(ALIVE));
    load(&history, 8, BIT(B));
    assert_true(sequence_complete(&history.sequence));
    history_change(&history, 2);
    history_change(&history, 3);
    assert_int_equal(history_complete(&history), BIT(A) | BIT(ALIVE));
}

static void
test_a_field_that_is_added_to_a_stand_alone_index_stays_incomplete(void **state)
{
    (void)state;
    struct sequence sequence;
    char reason[INCOMPLETE_BYTES];
    sequence_init_alone(&sequence, &history_all_fields[0]);
    assert_true(sequence_complete(&sequence));
    struct coverage_change change = {
        .old = &history_all_fields[0], .now = &history_all_fields[1], .is_alone = true};
    for (uint32_t i = 0; i < 3; i++)
        field_set_add(&change.kept, i);
    struct coverage changed;
    coverage_change(&sequence.coverage, &change, &changed);
    sequence.coverage = changed;
    assert_false(sequence_complete(&sequence));
    incomplete_describe(&sequence, &history_all_fields[1], reason, sizeof reason);
    assert_string_equal(reason,
                        "field d was added or changed after events were posted: post all entities "
                        "to a new index (another consumer.data_dir)");
}

static void
test_a_computed_field_is_as_complete_as_its_sources(void **state)
{
    (void)state;
    static const char *const sources[] = {"x", "y"};
    static const struct config_sort_field sorts[] = {{.name = "x", .bits = 8},
                                                     {.name = "y", .bits = 8},
                                                     {.name = "best",
                                                      .bits = 8,
                                                      .computed_op = COMPUTED_LEAST,
                                                      .source_fields = sources,
                                                      .source_field_count = 2}};
    static const struct config_index index = {.sort_fields = sorts, .sort_field_count = 3};
    struct config_fields fields;
    struct sequence sequence;
    char reason[INCOMPLETE_BYTES];
    config_fields_init(&fields, &index);
    sequence_init_alone(&sequence, &fields);
    struct field_set complete = incomplete_find_complete(&sequence, &fields);
    assert_true(field_set_has(&complete, 2));
    sequence.coverage.reasons[1] = COVERAGE_FIELD_CHANGED;
    complete = incomplete_find_complete(&sequence, &fields);
    assert_true(field_set_has(&complete, 0));
    assert_false(field_set_has(&complete, 2));
    incomplete_describe_field(&sequence, &fields, 2, reason, sizeof reason);
    assert_int_equal(strncmp(reason, "field y was ", 12), 0);
    config_fields_free(&fields);
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_fence_over_an_empty_source_proves_all_fields),
        cmocka_unit_test(test_F77_a_load_completes_the_fields_that_it_covers),
        cmocka_unit_test(test_F77_an_end_mark_without_the_ranges_proves_nothing),
        cmocka_unit_test(test_F77_a_last_range_that_is_closed_leaves_the_rest_uncovered),
        cmocka_unit_test(test_a_range_that_does_not_begin_at_0_or_has_a_hole_covers_nothing),
        cmocka_unit_test(test_without_the_begin_mark_nothing_is_covered),
        cmocka_unit_test(test_the_begin_mark_of_another_job_ends_a_coverage),
        cmocka_unit_test(test_a_rejected_chunk_leaves_its_fields_uncovered),
        cmocka_unit_test(test_chunks_of_other_purposes_and_lists_of_entities_cover_nothing),
        cmocka_unit_test(test_L2_a_gap_voids_all_fields_and_the_running_load),
        cmocka_unit_test(test_a_new_epoch_voids_all_fields_and_the_running_load),
        cmocka_unit_test(test_L2_events_of_a_load_that_are_older_than_the_shard_are_stale),
        cmocka_unit_test(test_L13_a_voided_event_voids_its_fields_and_a_missed_one_all),
        cmocka_unit_test(test_L13_a_voided_event_ends_the_coverage_of_its_fields),
        cmocka_unit_test(test_a_voided_event_below_the_last_seq_still_counts),
        cmocka_unit_test(test_a_pass_completes_its_fields_with_its_last_part),
        cmocka_unit_test(test_a_pass_counts_only_while_what_it_reads_is_complete),
        cmocka_unit_test(test_a_posted_field_needs_every_offset_and_no_load_heals_it),
        cmocka_unit_test(test_without_triggers_of_the_configuration_every_field_is_the_sources),
        cmocka_unit_test(test_triggers_that_are_added_or_removed_void_their_fields),
        cmocka_unit_test(test_a_field_that_is_added_or_changed_is_incomplete_alone),
        cmocka_unit_test(test_a_field_that_is_added_to_a_stand_alone_index_stays_incomplete),
        cmocka_unit_test(test_a_computed_field_is_as_complete_as_its_sources),
    };
    history_setup();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    history_teardown();
    return failed;
}
