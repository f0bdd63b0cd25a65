/* The producer's HTTP interface, from a status that the test sets. */
#include "tests/unit/unit_test.h"

#include <string.h>

#include "common/base/clock.h"
#include "producer/api/api.h"

enum { MINUTE_US = 60 * US_PER_S };

static const struct config config = {.producer = {.name = "p"}, .topic = {.name = "t"}};

/* The answer has status `code` and contains `part`. */
static void
check_answer(struct status *status, const char *method, const char *path, int code,
             const char *part)
{
    struct api api = {&config, status};
    struct http_request request = {.method = method, .path = path};
    struct http_response response = {.status = 200};
    if (api_judge(&api, &request, &response) != HTTP_REFUSED)
        api_handle(&api, &request, &response);
    if (response.status != code || strstr(buffer_string(&response.body), part) == NULL)
        fail_msg("%s %s: %d %s", method, path, response.status, buffer_string(&response.body));
    buffer_free(&response.body);
}

static void
test_health_fails_for_a_stuck_drain_but_not_during_a_server_call(void **unused)
{
    (void)unused;
    struct status status;
    status_init(&status);
    status_set_phase(&status, STATUS_BROKER);
    status_set_phase(&status, STATUS_TOPIC);
    status_set_phase(&status, STATUS_DRAINING);
    check_answer(&status, "GET", "/api/health", 200, "ok");
    atomic_store(&status.heartbeat_us, clock_monotonic_us() - MINUTE_US);
    check_answer(&status, "GET", "/api/health", 503, "heartbeat of the drain was 60 s ago");
    status_begin_server_call(&status);
    status_begin_server_call(&status); /* nested */
    status_end_server_call(&status);
    atomic_store(&status.heartbeat_us, clock_monotonic_us() - MINUTE_US);
    check_answer(&status, "GET", "/api/health", 200, "ok");
    status_end_server_call(&status);
    status_set_phase(&status, STATUS_STOPPED);
    check_answer(&status, "GET", "/api/health", 503, "the drain has stopped");
    status_free(&status);
}

static void
test_freshness_is_null_before_the_first_acknowledged_snapshot(void **unused)
{
    (void)unused;
    struct status status;
    struct status_progress progress = {.backlog_rows = 5};
    status_init(&status);
    status_publish(&status, &progress);
    check_answer(&status, "GET", "/api/status", 200, "\"freshness_seconds\":null");
    check_answer(&status, "GET", "/metrics", 200, "bitdex_sync_lag_rows{source=\"p\"} 5\n");
    progress.delivered_us = clock_monotonic_us() - MINUTE_US;
    status_publish(&status, &progress);
    check_answer(&status, "GET", "/api/status", 200, "\"freshness_seconds\":60.");
    check_answer(&status, "GET", "/api/status", 200, "\"backlog_seconds\":60.");
    check_answer(&status, "GET", "/metrics", 200, "bitdex_producer_freshness_seconds{");
    status_free(&status);
}

static void
test_other_paths_and_methods_are_refused(void **unused)
{
    (void)unused;
    struct status status;
    status_init(&status);
    check_answer(&status, "POST", "/api/status", 405, "which takes GET");
    check_answer(&status, "GET", "/api", 404, "\"routes\":[\"GET /api/health\",");
    check_answer(&status, "GET", "/", 200, "bitdex-producer p, topic t");
    status_free(&status);
}

static void
test_a_running_load_is_shown(void **unused)
{
    (void)unused;
    struct status status;
    struct status_load load = {.job = 3, .stage = "ranges", .ratio = 0.5, .job_rows = 9, .rows = 7};
    status_init(&status);
    check_answer(&status, "GET", "/api/status", 200, "\"load_job\":null");
    check_answer(&status, "GET", "/metrics", 200, "bitdex_load_running{source=\"p\"} 0\n");
    status_publish_load(&status, &load);
    check_answer(&status, "GET", "/api/status", 200,
                 "\"load_job\":3,\"load_stage\":\"ranges\",\"load_ratio\":0.5,\"load_rows\":9");
    check_answer(&status, "GET", "/metrics", 200, "bitdex_load_running{source=\"p\"} 1\n");
    check_answer(&status, "GET", "/metrics", 200, "bitdex_load_progress_ratio{source=\"p\"} 0.5\n");
    check_answer(&status, "GET", "/metrics", 200, "bitdex_load_rows_total{source=\"p\"} 7\n");
    load.ratio = -1; /* unknown */
    status_publish_load(&status, &load);
    check_answer(&status, "GET", "/api/status", 200, "\"load_ratio\":null");
    status_free(&status);
}

static void
test_what_the_patrol_has_found_is_shown(void **unused)
{
    (void)unused;
    struct status status;
    struct status_patrol patrol = {
        .is_on = true, .ranges = 8, .differing = 1, .unknown = 2, .oldest_s = -1, .error = "e"};
    status_init(&status);
    check_answer(&status, "GET", "/api/status", 200, "\"patrol\":null");
    status_publish_patrol(&status, &patrol);
    check_answer(&status, "GET", "/api/status", 200,
                 "\"patrol\":{\"ranges\":8,\"differing\":1,\"unknown\":2,\"oldest_s\":null,"
                 "\"error\":\"e\"}");
    check_answer(&status, "GET", "/metrics", 200, "bitdex_patrol_ranges{source=\"p\"} 8\n");
    check_answer(&status, "GET", "/metrics", 200,
                 "bitdex_patrol_ranges_differing{source=\"p\"} 1\n");
    check_answer(&status, "GET", "/metrics", 200, "bitdex_patrol_unknown{source=\"p\"} 2\n");
    patrol.oldest_s = 3;
    status_publish_patrol(&status, &patrol);
    check_answer(&status, "GET", "/metrics", 200, "bitdex_patrol_oldest_seconds{source=\"p\"} 3\n");
    status_free(&status);
}

static void
test_owed_requests_are_shown(void **unused)
{
    (void)unused;
    struct status status;
    struct status_refresh refresh = {.requests = 9, .answers = 4, .error = "no table"};
    status_init(&status);
    check_answer(&status, "GET", "/api/status", 200,
                 "\"refresh_owed\":0,\"refresh_oldest_owed_seconds\":0.0,");
    refresh.owed = 5;
    refresh.oldest_us = clock_monotonic_us() - 50 * US_PER_S;
    status_publish_refresh(&status, &refresh);
    check_answer(&status, "GET", "/api/status", 200,
                 "\"refresh_owed\":5,\"refresh_oldest_owed_seconds\":50.");
    check_answer(&status, "GET", "/api/status", 200,
                 "\"refresh_requests\":9,\"refresh_answers\":4,\"refresh_error\":\"no table\"");
    check_answer(&status, "GET", "/metrics", 200, "bitdex_refresh_owed{source=\"p\"} 5\n");
    check_answer(&status, "GET", "/metrics", 200, "bitdex_refresh_error{source=\"p\"} 1\n");
    check_answer(&status, "GET", "/metrics", 200, "bitdex_refresh_answers_total{source=\"p\"} 4\n");
    check_answer(&status, "GET", "/metrics", 200,
                 "bitdex_refresh_turn_seconds_count{source=\"p\"} 0\n");
    status_free(&status);
}

/* The status while the drain delivers. */
static void
begin_draining(struct status *status)
{
    const struct status_progress progress = {.moved_us = clock_monotonic_us()};
    status_init(status);
    status_set_phase(status, STATUS_BROKER);
    status_set_phase(status, STATUS_TOPIC);
    status_set_phase(status, STATUS_DRAINING);
    status_publish(status, &progress);
}

static void
test_F109_open_dead_letters_are_a_warning_of_readiness(void **unused)
{
    (void)unused;
    struct status status;
    begin_draining(&status);
    check_answer(&status, "GET", "/api/ready", 200, "\"dead_letters\":null");
    check_answer(&status, "GET", "/api/ready", 200, "\"warnings\":[]");
    status_publish_letters(&status, 0);
    check_answer(&status, "GET", "/api/ready", 200, "\"warnings\":[]");
    status_publish_letters(&status, 3);
    check_answer(&status, "GET", "/api/ready", 200,
                 "\"warnings\":[\"3 dead letters are open: bitdex-producer dead-letters list\"]");
    check_answer(&status, "GET", "/api/status", 200, "\"warnings\":[\"3 dead letters");
    status_free(&status);
}

static void
test_L11_exempt_fields_are_named(void **unused)
{
    (void)unused;
    struct status status;
    struct status_exempt exempt = {.count = 2, .names = {"modelPoi", "rank"}};
    begin_draining(&status);
    check_answer(&status, "GET", "/api/ready", 200, "\"exempt_fields\":[]");
    status_publish_exempt(&status, &exempt);
    check_answer(&status, "GET", "/api/ready", 200, "\"exempt_fields\":[\"modelPoi\",\"rank\"]");
    check_answer(&status, "GET", "/api/ready", 200,
                 "\"warnings\":[\"2 fields are not guaranteed: bitdex-producer check says why\"]");
    check_answer(&status, "GET", "/api/status", 200, "\"exempt_fields\":[\"modelPoi\",\"rank\"]");
    exempt.count = STATUS_EXEMPT_MAX + 1; /* only the first ones have names */
    status_publish_exempt(&status, &exempt);
    check_answer(&status, "GET", "/api/ready", 200, "33 fields are not guaranteed");
    status_free(&status);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_health_fails_for_a_stuck_drain_but_not_during_a_server_call),
        cmocka_unit_test(test_freshness_is_null_before_the_first_acknowledged_snapshot),
        cmocka_unit_test(test_other_paths_and_methods_are_refused),
        cmocka_unit_test(test_a_running_load_is_shown),
        cmocka_unit_test(test_what_the_patrol_has_found_is_shown),
        cmocka_unit_test(test_owed_requests_are_shown),
        cmocka_unit_test(test_F109_open_dead_letters_are_a_warning_of_readiness),
        cmocka_unit_test(test_L11_exempt_fields_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
