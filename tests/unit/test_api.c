/* The HTTP interface of a process that no partition was given to yet: routes, refusals, and that
 * every answer says what is missing. */
#include "tests/unit/unit_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/http/client.h"
#include "consumer/api/api_internal.h"

static const struct config config = {
    .index = "shop",
    .topic = {.name = "t", .partitions = 2, .max_slots = 100},
    .consumer = {.group = "g",
                 .listen = "127.0.0.1:0",
                 .http_threads = 1,
                 .query_limit = 100,
                 .query_timeout_ms = 10000,
                 .body_bytes = 1000,
                 .posts_max = 1},
};
static const struct data_dir data_dir;

struct fixture {
    struct assignment *assignment;
    struct ops_sink sink;
    struct api *api;
    char listen[32];
};

static int
fixture_begin(void **state)
{
    struct error err = {0};
    struct fixture *fixture = memory_zalloc(sizeof *fixture);
    fixture->assignment = assignment_create(&config, &data_dir, NULL, NULL);
    assert_int_equal(api_start(&config, fixture->assignment, &fixture->sink, &fixture->api, &err),
                     0);
    snprintf(fixture->listen, sizeof fixture->listen, "127.0.0.1:%d", api_port(fixture->api));
    *state = fixture;
    return 0;
}

static int
fixture_end(void **state)
{
    struct fixture *fixture = *state;
    api_stop(fixture->api);
    assignment_destroy(fixture->assignment);
    free(fixture);
    return 0;
}

/* `body` NULL: GET. `part` is in the answer. */
struct exchange {
    const char *path;
    const char *body;
    int status;
    const char *part;
};

static void
check_exchanges(void **state, const struct exchange *exchanges, size_t count)
{
    const struct fixture *fixture = *state;
    for (size_t i = 0; i < count; i++) {
        const struct exchange *one = &exchanges[i];
        struct error err = {0};
        struct buffer answer;
        int status;
        buffer_init(&answer);
        if (http_client_call(fixture->listen, one->path, one->body, NULL, 10, &answer, &status,
                             &err))
            fail_msg("%s: %s", one->path, err.message);
        if (status != one->status || strstr(buffer_string(&answer), one->part) == NULL)
            fail_msg("%s: %d %s", one->path, status, buffer_string(&answer));
        buffer_free(&answer);
    }
}

#define CHECK_EXCHANGES(state, list) check_exchanges(state, list, sizeof(list) / sizeof(list)[0])

static void
test_what_is_not_there_is_refused(void **state)
{
    static const struct exchange exchanges[] = {
        {"/api/indexes/x/query", "{}", 404, "{\"error\":\"Index 'x' not found\"}"},
        {"/api/indexes/x/entities/1", NULL, 404, "{\"error\":\"Index 'x' not found\"}"},
        {"/api/indexes/shop/query", NULL, 405, "GET is not for this path"},
        {"/api/indexes/shop/nothing", NULL, 404, "no such path"},
        {"/api/indexes/shop/entities/1/2", NULL, 404, "no such path"},
        {"/api/indexes/shop/entities/", NULL, 400, "'' is not an entity id"},
        {"/api/indexes/shop/entities/-1", NULL, 400, "'-1' is not an entity id"},
        {"/api/indexes/shop/entities/9223372036854775808", NULL, 400, "is not an entity id"},
        {"/api/indexes/shop/query", "{", 400, "not JSON"},
        {"/api/indexes/shop/query", "{\"limit\":101}", 400, "limit"},
        {"/api", NULL, 404, "no such path"},
    };
    CHECK_EXCHANGES(state, exchanges);
}

static void
test_what_changes_state_is_refused_without_a_token(void **state)
{
    static const struct exchange exchanges[] = {
        {"/api/indexes/shop/ops", "{\"ops\":[]}", 403, "consumer.token_file is not set"},
        {"/api/indexes/shop/ops", "not looked at", 403, "consumer.token_file is not set"},
        {"/api/indexes/shop/ops", NULL, 405, "GET is not for this path"},
        {"/api/indexes/x/ops", "{}", 404, "Index 'x' not found"},
        {"/api/indexes/shop/checkpoint", "", 403, "consumer.token_file is not set"},
        {"/api/indexes/shop/checkpoint", NULL, 405, "GET is not for this path"},
    };
    CHECK_EXCHANGES(state, exchanges);
}

static void
test_L9_every_answer_says_that_partitions_are_missing(void **state)
{
    static const struct exchange exchanges[] = {
        {"/api/indexes/shop/query", "{}", 200, "\"complete\":false,\"missing_partitions\":[0,1]"},
        {"/api/indexes/shop/entities/3", NULL, 503, "partition 1 is not here"},
        {"/api/ready", NULL, 503, "\"ready\":false"},
        {"/api/health", NULL, 200, "\"healthy\":true"},
        {"/", NULL, 200, "0 of 2 partitions are here"},
    };
    CHECK_EXCHANGES(state, exchanges);
}

static void
test_the_rest_answers_as_well(void **state)
{
    static const struct exchange exchanges[] = {
        {"/api/indexes", NULL, 200, "{\"indexes\":[\"shop\"]}"},
        {"/api/indexes/shop/stats", NULL, 200, "\"index\":\"shop\",\"partitions\":0"},
        {"/api/internal/sync-lag", NULL, 200, "\"sources\":[]"},
        {"/metrics", NULL, 200, "# TYPE bitdex_freshness_seconds gauge\n"},
    };
    CHECK_EXCHANGES(state, exchanges);
}

enum { SECOND_US = 1000000 };

static void
test_F42_a_main_thread_that_stands_still_fails_health(void **state)
{
    static const struct exchange stuck[] = {
        {"/api/health", NULL, 503, "{\"stuck\":[\"main\"],\"healthy\":false}"},
    };
    static const struct exchange well[] = {{"/api/health", NULL, 200, "\"healthy\":true"}};
    const struct fixture *fixture = *state;
    atomic_store(&fixture->api->main_heartbeat_us, clock_monotonic_us() - 61 * (int64_t)SECOND_US);
    CHECK_EXCHANGES(state, stuck);
    api_beat(fixture->api);
    CHECK_EXCHANGES(state, well);
}

static void
test_F42_a_worker_that_stands_still_fails_health(void **state)
{
    (void)state;
    struct partition_status items[] = {{.partition = 3, .silent_us = 1},
                                       {.partition = 5, .silent_us = 61 * (int64_t)SECOND_US}};
    struct buffer out;
    struct json_writer json;
    buffer_init(&out);
    json_writer_init(&json, &out);
    json_array_begin(&json);
    assert_false(
        health_list_stuck(&(struct partition_status_list){.items = items, .count = 2}, 0, &json));
    json_array_end(&json);
    assert_string_equal(buffer_string(&out), "[\"partition 5\"]");
    assert_true(
        health_list_stuck(&(struct partition_status_list){.items = items, .count = 1}, 0, &json));
    buffer_free(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_not_there_is_refused),
        cmocka_unit_test(test_what_changes_state_is_refused_without_a_token),
        cmocka_unit_test(test_L9_every_answer_says_that_partitions_are_missing),
        cmocka_unit_test(test_the_rest_answers_as_well),
        cmocka_unit_test(test_F42_a_main_thread_that_stands_still_fails_health),
        cmocka_unit_test(test_F42_a_worker_that_stands_still_fails_health),
    };
    return cmocka_run_group_tests(tests, fixture_begin, fixture_end);
}
