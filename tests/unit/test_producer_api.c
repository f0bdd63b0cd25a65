/* The producer's HTTP interface, from a state that the test sets. */
#include "tests/unit/unit_test.h"

#include <string.h>

#include "common/base/clock.h"
#include "producer/api/api.h"

enum { MINUTE_US = 60 * 1000 * 1000 };

static const struct config config = {.producer = {.name = "p"}, .topic = {.name = "t"}};

/* `part` is in the answer. */
static void
check_answer(struct state *state, const char *method, const char *path, int status,
             const char *part)
{
    struct api api = {&config, state};
    const struct http_request request = {.method = method, .path = path};
    struct http_response response = {.status = 200};
    api_handle(&api, &request, &response);
    if (response.status != status || strstr(buffer_string(&response.body), part) == NULL)
        fail_msg("%s %s: %d %s", method, path, response.status, buffer_string(&response.body));
    buffer_free(&response.body);
}

static void
test_health_fails_for_a_drain_that_is_stuck_by_itself(void **unused)
{
    (void)unused;
    struct state state;
    state_init(&state);
    state_set_phase(&state, STATE_DRAINING);
    check_answer(&state, "GET", "/api/health", 200, "ok");
    atomic_store(&state.beat_us, clock_monotonic_us() - MINUTE_US);
    check_answer(&state, "GET", "/api/health", 503, "heartbeat of the drain was 60 s ago");
    state_server_call(&state, true);
    state_server_call(&state, true); /* one inside the other */
    state_server_call(&state, false);
    atomic_store(&state.beat_us, clock_monotonic_us() - MINUTE_US);
    check_answer(&state, "GET", "/api/health", 200, "ok");
    state_server_call(&state, false);
    state_set_phase(&state, STATE_STOPPED);
    check_answer(&state, "GET", "/api/health", 503, "the drain has stopped");
    state_free(&state);
}

static void
test_freshness_is_not_known_before_the_first_acknowledged_moment(void **unused)
{
    (void)unused;
    struct state state;
    struct state_progress progress = {.backlog_rows = 5};
    state_init(&state);
    state_publish(&state, &progress);
    check_answer(&state, "GET", "/api/status", 200, "\"freshness_seconds\":null");
    check_answer(&state, "GET", "/metrics", 200, "bitdex_sync_lag_rows{source=\"p\"} 5\n");
    progress.delivered_clock_us = clock_realtime_us() - MINUTE_US;
    state_publish(&state, &progress);
    check_answer(&state, "GET", "/api/status", 200, "\"freshness_seconds\":60.");
    check_answer(&state, "GET", "/api/status", 200, "\"backlog_seconds\":60.");
    check_answer(&state, "GET", "/metrics", 200, "bitdex_producer_freshness_seconds{");
    state_free(&state);
}

static void
test_what_is_not_there_is_refused(void **unused)
{
    (void)unused;
    struct state state;
    state_init(&state);
    check_answer(&state, "POST", "/api/status", 405, "POST is not for this path");
    check_answer(&state, "GET", "/api", 404, "no such path");
    check_answer(&state, "GET", "/", 200, "bitdex-producer p, topic t");
    state_free(&state);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_health_fails_for_a_drain_that_is_stuck_by_itself),
        cmocka_unit_test(test_freshness_is_not_known_before_the_first_acknowledged_moment),
        cmocka_unit_test(test_what_is_not_there_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
