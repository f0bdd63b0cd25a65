#include "tests/unit/unit_test.h"

#include <stdio.h>

#include "common/base/clock.h"
#include "producer/drain/status.h"

enum { MINUTE_US = 60 * US_PER_S };

static struct status_view
make_view(void)
{
    return (struct status_view){
        .phase = STATUS_DRAINING,
        .progress = {.moved_us = clock_monotonic_us()},
    };
}

static void
test_health_needs_heartbeats_except_during_a_server_call(void **state)
{
    (void)state;
    struct status_view view = make_view();
    assert_true(status_is_healthy(&view));
    view.heartbeat_age_us = MINUTE_US;
    assert_false(status_is_healthy(&view));
    view.in_server_call = true;
    assert_true(status_is_healthy(&view));
    view.phase = STATUS_STOPPED;
    assert_false(status_is_healthy(&view));
}

static void
test_an_outage_is_healthy_and_not_ready(void **state)
{
    (void)state;
    char why[200];
    struct status_view view = make_view();
    view.phase = STATUS_DATABASE;
    snprintf(view.error, sizeof view.error, "connection refused");
    assert_true(status_is_healthy(&view));
    assert_false(status_is_ready(&view, why, sizeof why));
    assert_string_equal(why, "waiting for database: connection refused");
}

static void
test_a_drain_without_acknowledgements_is_not_ready(void **state)
{
    (void)state;
    char why[200];
    struct status_view view = make_view();
    assert_true(status_is_ready(&view, why, sizeof why));
    view.progress.moved_us -= MINUTE_US;
    assert_false(status_is_ready(&view, why, sizeof why));
    assert_string_equal(why, "nothing acknowledged for 60 s");
}

static void
test_a_drain_without_a_broker_waits_for_it(void **state)
{
    (void)state;
    struct status_view view = make_view();
    view.progress.outstanding = 4;
    assert_string_equal(status_state_name(&view), "draining");
    view.progress.moved_us -= MINUTE_US;
    assert_string_equal(status_state_name(&view), "waiting for broker");
    view.progress.outstanding = 0;
    assert_string_equal(status_state_name(&view), "draining");
    view.phase = STATUS_STOPPING;
    assert_string_equal(status_state_name(&view), "stopping");
}

static void
test_a_standby_is_ready_unless_it_has_an_error(void **state)
{
    (void)state;
    char why[200];
    struct status_view view = make_view();
    view.phase = STATUS_LOCK;
    assert_true(status_is_standby(&view));
    assert_true(status_is_ready(&view, why, sizeof why));
    snprintf(view.error, sizeof view.error, "connection refused");
    assert_false(status_is_standby(&view));
    assert_false(status_is_ready(&view, why, sizeof why));
}

/* A session that begins after an error is not ready before an acknowledgement. */
static void
test_F50_an_error_stays_when_the_next_session_begins(void **state)
{
    (void)state;
    char why[200];
    struct status_view view = make_view();
    view.progress.failing = true;
    snprintf(view.error, sizeof view.error, "too large");
    assert_false(status_is_ready(&view, why, sizeof why));
    assert_string_equal(why, "draining: too large");
}

static void
test_readers_get_what_was_published(void **state)
{
    (void)state;
    struct status shared;
    struct status_view view;
    const struct status_progress progress = {.epoch = 3, .rows = 99};
    status_init(&shared);
    status_set_phase(&shared, STATUS_LOCK);
    status_publish(&shared, &progress);
    status_begin_server_call(&shared);
    status_read(&shared, &view);
    assert_int_equal(view.phase, STATUS_LOCK);
    assert_int_equal(view.progress.rows, 99);
    assert_true(view.in_server_call);
    status_end_server_call(&shared);
    status_free(&shared);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_health_needs_heartbeats_except_during_a_server_call),
        cmocka_unit_test(test_an_outage_is_healthy_and_not_ready),
        cmocka_unit_test(test_a_standby_is_ready_unless_it_has_an_error),
        cmocka_unit_test(test_a_drain_without_acknowledgements_is_not_ready),
        cmocka_unit_test(test_a_drain_without_a_broker_waits_for_it),
        cmocka_unit_test(test_F50_an_error_stays_when_the_next_session_begins),
        cmocka_unit_test(test_readers_get_what_was_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
