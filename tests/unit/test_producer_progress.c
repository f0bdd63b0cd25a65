#include "tests/unit/unit_test.h"

#include "producer/drain/progress.h"

static void
test_a_backlog_of_any_two_ids_is_a_count_of_rows(void **unused)
{
    (void)unused;
    assert_int_equal(progress_backlog_rows(7, 5), 2);
    assert_int_equal(progress_backlog_rows(5, 7), 0);
    assert_int_equal(progress_backlog_rows(INT64_MAX, INT64_MIN), INT64_MAX);
    assert_int_equal(progress_backlog_rows(INT64_MIN, INT64_MAX), 0);
}

static void
test_counts_continue_with_the_next_publisher(void **unused)
{
    (void)unused;
    struct status status;
    struct progress progress;
    struct status_view view;
    const struct publisher_counts first = {.events = 5, .marks = 2, .bytes = 100};
    const struct publisher_counts second = {.events = 1, .marks = 1, .bytes = 10};
    status_init(&status);
    progress_init(&progress, &status);
    progress_observe(&progress, &first, 3, "");
    progress_close_publisher(&progress, &first);
    progress_observe(&progress, &second, 2, "");
    progress_publish(&progress);
    status_read(&status, &view);
    assert_int_equal(view.progress.events, 6);
    assert_int_equal(view.progress.marks, 3);
    assert_int_equal(view.progress.bytes, 110);
    assert_int_equal(view.progress.outstanding, 2);
    status_free(&status);
}

/* The next session shows the error of the failed one until everything is acknowledged. */
static void
test_F50_an_error_stays_until_the_drain_recovers(void **unused)
{
    (void)unused;
    struct status status;
    struct progress progress;
    struct status_view view;
    struct error err;
    const struct publisher_counts counts = {0};
    error_set(&err, ERR_RETRY, "connection refused");
    status_init(&status);
    progress_init(&progress, &status);
    progress_fail(&progress, &err);
    progress_observe(&progress, &counts, 1, "all brokers are down");
    status_read(&status, &view);
    assert_true(view.progress.failing);
    assert_string_equal(view.error, "all brokers are down");
    progress_observe(&progress, &counts, 0, "");
    status_read(&status, &view);
    assert_string_equal(view.error, "connection refused");
    progress_recover(&progress);
    progress_observe(&progress, &counts, 0, "");
    progress_publish(&progress);
    status_read(&status, &view);
    assert_false(view.progress.failing);
    assert_string_equal(view.error, "");
    status_free(&status);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_backlog_of_any_two_ids_is_a_count_of_rows),
        cmocka_unit_test(test_counts_continue_with_the_next_publisher),
        cmocka_unit_test(test_F50_an_error_stays_until_the_drain_recovers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
