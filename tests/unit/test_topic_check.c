#include "tests/unit/unit_test.h"

#include <string.h>

#include "producer/sink/topic_check.h"

/* Generation 7 has just fenced; window 20 is saved. */
static const struct topic_expectation expected = {
    .source = "main",
    .topic_id = "11111111-1111-1111-1111-111111111111",
    .epoch = 2,
    .generation = 7,
    .tick = 20,
};

static struct event
make_row(int64_t epoch, int64_t generation, int64_t tick)
{
    return (struct event){
        .epoch = epoch,
        .generation = generation,
        .tick = tick,
        .seq = 5,
        .source = text_of("main"),
        .kind = EVENT_ROW,
    };
}

static struct event
make_mark(int64_t generation, const char *topic_id)
{
    struct event event = make_row(2, generation, 20);
    event.kind = EVENT_MARK;
    event.mark.topic_id = text_of(topic_id);
    return event;
}

static void
check_allowed(struct event event)
{
    struct error err = {0};
    if (topic_check_event(&expected, &event, &err) != 0)
        fail_msg("refused: %s", err.message);
}

static void
check_refused(struct event event, const char *reason)
{
    struct error err = {0};
    assert_int_equal(topic_check_event(&expected, &event, &err), ERR_FATAL);
    if (strstr(err.message, reason) == NULL)
        fail_msg("wanted \"%s\", got \"%s\"", reason, err.message);
}

static void
test_events_of_our_earlier_generations_are_allowed(void **state)
{
    (void)state;
    check_allowed(make_row(2, 6, 20)); /* the saved window, sent before */
    check_allowed(make_row(2, 3, 1));
    check_allowed(make_row(1, 900, 900)); /* before the epoch was opened */
    check_allowed(make_mark(6, expected.topic_id));
}

static void
test_events_over_http_are_allowed(void **state)
{
    (void)state;
    struct event event = make_row(0, 0, 0);
    event.seq = 0;
    event.source = text_of("somebody");
    check_allowed(event);
}

static void
test_F76_events_later_than_the_cursor_prove_that_the_database_was_rolled_back(void **state)
{
    (void)state;
    check_refused(make_row(2, 6, 21), "ahead of the cursor");
    check_refused(make_row(2, 7, 20), "ahead of the cursor");
    check_refused(make_row(2, 8, 1), "ahead of the cursor");
    check_refused(make_row(3, 1, 1), "ahead of the cursor");
    check_refused(make_mark(8, expected.topic_id), "ahead of the cursor");
}

static void
test_another_source_or_topic_id_is_refused(void **state)
{
    (void)state;
    struct event event = make_row(2, 6, 20);
    event.source = text_of("other");
    check_refused(event, "another producer, \"other\"");
    check_refused(make_mark(6, "22222222-2222-2222-2222-222222222222"), "another cursor");
}

/* Its clock shows whether the original of a copied database still runs. */
static void
test_F101_the_newest_mark_is_noted(void **state)
{
    (void)state;
    static const int64_t clocks_us[] = {5, 9, 7};
    static const char *const names[] = {"a", "b", "c"};
    struct topic_mark newest = {0};
    struct topic_expectation expectation = expected;
    expectation.newest = &newest;
    for (size_t i = 0; i < 3; i++) {
        struct event event = make_mark(6, expected.topic_id);
        event.mark.clock_us = clocks_us[i];
        event.mark.start_name = text_of(names[i]);
        assert_int_equal(topic_check_event(&expectation, &event, NULL), 0);
    }
    assert_int_equal(newest.clock_us, 9);
    assert_string_equal(newest.start_name, "b");
}

/* What is checked of a partition of which the cursor has saved offset 100. */
static struct topic_range
range_of(int64_t low, int64_t high, int64_t fence, bool whole, const char *reason)
{
    struct topic_expectation expectation = expected;
    struct topic_range range;
    struct error err = {0};
    expectation.whole = whole;
    int rc = topic_check_range(&expectation, low, high, 100, fence, &range, &err);
    assert_int_equal(rc, reason == NULL ? 0 : ERR_FATAL);
    if (reason != NULL)
        assert_non_null(strstr(err.message, reason));
    return range;
}

static void
test_a_partition_is_checked_from_the_saved_offset_to_our_fence(void **state)
{
    (void)state;
    struct topic_range range = range_of(0, 200, 150, false, NULL);
    assert_int_equal(range.next, 101);
    assert_int_equal(range.end, 150);
    assert_false(range.skip_fence);
    range = range_of(0, 200, INT64_MAX, false, NULL);
    assert_int_equal(range.end, 200);
    assert_false(range.skip_fence);
    range = range_of(0, 200, -1, false, NULL);
    assert_int_equal(range.end, 200);
    assert_true(range.skip_fence); /* the fence is somewhere in the range */
    range = range_of(120, 200, 150, false, NULL);
    assert_int_equal(range.next, 120); /* retention has removed what is before it */
}

static void
test_F66_a_partition_that_ends_before_the_saved_offset_is_refused(void **state)
{
    (void)state;
    range_of(0, 101, INT64_MAX, false, NULL);
    range_of(0, 100, INT64_MAX, false, "created again");
    range_of(0, 200, 100, false, "created again"); /* our fence has the offset of another message */
}

static void
test_F104_on_a_new_timeline_everything_after_the_saved_offset_must_be_there(void **state)
{
    (void)state;
    assert_int_equal(range_of(101, 200, 150, true, NULL).next, 101);
    assert_int_equal(range_of(7, 200, 150, true, NULL).next, 101);
    range_of(102, 200, 150, true, "retention has removed");
    range_of(0, 100, INT64_MAX, true, "created again");
}

static void
check_shape(const struct kafka_topic *topic, const char *reason)
{
    static const struct config_topic config = {.name = "ops", .partitions = 4};
    struct error err = {0};
    int rc = topic_check_shape(&config, topic, &err);
    assert_int_equal(rc, reason == NULL ? 0 : ERR_FATAL);
    if (reason != NULL)
        assert_non_null(strstr(err.message, reason));
}

static void
test_F53_F63_each_shape_that_breaks_a_law_is_refused(void **state)
{
    (void)state;
    const struct kafka_topic good = {.exists = true,
                                     .partitions = 4,
                                     .cleanup_delete = true,
                                     .log_append_time = true,
                                     .message_bytes_max = 1048588};
    struct kafka_topic bad = good;
    check_shape(&good, NULL);
    bad.exists = false;
    check_shape(&bad, "does not exist: run bitdex-producer init");
    bad = good;
    bad.partitions = 5;
    check_shape(&bad, "has 5 partitions, but topic.partitions is 4");
    bad = good;
    bad.cleanup_delete = false;
    check_shape(&bad, "cleanup.policy=delete");
    bad = good;
    bad.log_append_time = false;
    check_shape(&bad, "message.timestamp.type=LogAppendTime");
}

/* What may differ is said with the way out. */
static void
test_F116_what_differs_from_the_configuration_is_said(void **state)
{
    (void)state;
    char said[TOPIC_DIFFERENCE_BYTES];
    const struct config_topic config = {
        .name = "ops", .partitions = 4, .replication_factor = 3, .retention_hours = 2};
    struct kafka_topic topic = {.exists = true, .retention_ms = 7200000, .replication = 3};
    topic_check_difference(&config, &topic, said, sizeof said);
    assert_string_equal(said, "");
    topic.retention_ms = 3600000;
    topic_check_difference(&config, &topic, said, sizeof said);
    assert_non_null(strstr(said, "retention.ms=3600000"));
    assert_non_null(strstr(said, "asks for 7200000: bitdex-producer init sets it"));
    assert_null(strstr(said, "replica"));
    topic.replication = 1;
    topic_check_difference(&config, &topic, said, sizeof said);
    assert_non_null(strstr(said, "init sets it; "));
    assert_non_null(strstr(said, "has 1 replica(s), and topic.replication_factor is 3"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events_of_our_earlier_generations_are_allowed),
        cmocka_unit_test(test_events_over_http_are_allowed),
        cmocka_unit_test(
            test_F76_events_later_than_the_cursor_prove_that_the_database_was_rolled_back),
        cmocka_unit_test(test_another_source_or_topic_id_is_refused),
        cmocka_unit_test(test_a_partition_is_checked_from_the_saved_offset_to_our_fence),
        cmocka_unit_test(test_F101_the_newest_mark_is_noted),
        cmocka_unit_test(test_F66_a_partition_that_ends_before_the_saved_offset_is_refused),
        cmocka_unit_test(
            test_F104_on_a_new_timeline_everything_after_the_saved_offset_must_be_there),
        cmocka_unit_test(test_F116_what_differs_from_the_configuration_is_said),
        cmocka_unit_test(test_F53_F63_each_shape_that_breaks_a_law_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
