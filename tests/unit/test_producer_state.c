#include "tests/unit/unit_test.h"

#include <stdio.h>

#include "common/base/clock.h"
#include "producer/drain/state.h"

enum { MINUTE_US = 60 * 1000 * 1000 };

static struct state_view
make_view(void)
{
    return (struct state_view){
        .phase = STATE_DRAINING,
        .progress = {.moved_us = clock_monotonic_us()},
    };
}

static void
test_health_ends_with_silence_but_not_while_a_server_is_waited_for(void **state)
{
    (void)state;
    struct state_view view = make_view();
    assert_true(state_is_healthy(&view));
    view.beat_age_us = MINUTE_US;
    assert_false(state_is_healthy(&view));
    view.in_server_call = true;
    assert_true(state_is_healthy(&view));
    view.phase = STATE_STOPPED;
    assert_false(state_is_healthy(&view));
}

static void
test_an_outage_is_healthy_and_not_ready(void **state)
{
    (void)state;
    char why[200];
    struct state_view view = make_view();
    view.phase = STATE_DATABASE;
    snprintf(view.trouble, sizeof view.trouble, "connection refused");
    assert_true(state_is_healthy(&view));
    assert_false(state_is_ready(&view, why, sizeof why));
    assert_string_equal(why, "waiting for database: connection refused");
}

static void
test_a_drain_that_does_not_move_is_not_ready(void **state)
{
    (void)state;
    char why[200];
    struct state_view view = make_view();
    assert_true(state_is_ready(&view, why, sizeof why));
    view.progress.moved_us -= MINUTE_US;
    assert_false(state_is_ready(&view, why, sizeof why));
    assert_string_equal(why, "nothing acknowledged for 60 s");
}

/* A session that begins after a failure is not ready before it has got further. (F50) */
static void
test_a_failure_outlasts_its_session(void **state)
{
    (void)state;
    char why[200];
    struct state_view view = make_view();
    view.progress.failing = true;
    snprintf(view.trouble, sizeof view.trouble, "too large");
    assert_false(state_is_ready(&view, why, sizeof why));
    assert_string_equal(why, "draining: too large");
}

static void
test_what_is_published_is_read(void **state)
{
    (void)state;
    struct state shared;
    struct state_view view;
    const struct state_progress progress = {.epoch = 3, .rows = 99};
    state_init(&shared);
    state_set_phase(&shared, STATE_LOCK);
    state_publish(&shared, &progress);
    state_server_call(&shared, true);
    state_read(&shared, &view);
    assert_int_equal(view.phase, STATE_LOCK);
    assert_int_equal(view.progress.rows, 99);
    assert_true(view.in_server_call);
    state_free(&shared);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_health_ends_with_silence_but_not_while_a_server_is_waited_for),
        cmocka_unit_test(test_an_outage_is_healthy_and_not_ready),
        cmocka_unit_test(test_a_drain_that_does_not_move_is_not_ready),
        cmocka_unit_test(test_a_failure_outlasts_its_session),
        cmocka_unit_test(test_what_is_published_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
