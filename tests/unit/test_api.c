/* The HTTP interface of a process without a partition: routes, refusals, and missing partitions in
 * every answer. */
#include "tests/unit/unit_test.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/http/client.h"
#include "consumer/api/api.h"
#include "consumer/api/dumps.h"
#include "consumer/api/health.h"
#include "consumer/api/verified.h"
#include "tests/support/memory_files.h"
#include "tests/support/temporary_directory.h"

static const struct config_filter_field filter_fields[] = {
    {.name = "colour", .type = FIELD_STRING}, {.name = "price", .type = FIELD_SINGLE_VALUE}};

static const struct config config = {
    .index = "shop",
    .index_config = {.filter_fields = filter_fields, .filter_field_count = 2},
    .topic = {.name = "t", .partitions = 2, .max_slots = 100},
    .consumer = {.group = "g",
                 .listen = "127.0.0.1:0",
                 .http_threads = 1,
                 .query_limit = 100,
                 .query_values = 100,
                 .query_timeout_ms = 10000,
                 .documents_limit = 3,
                 .documents_bytes = 1000,
                 .body_bytes = 1000,
                 .bodies_bytes = 1000,
                 .posts_max = 1},
};
static const struct data_dir data_dir;

struct fixture {
    struct memory_files *memory;
    struct dump_registry *dumps;
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
    fixture->memory = memory_files_create(1);
    struct files *files = memory_files_vtable(fixture->memory);
    assert_int_equal(files->make_directory(files, "data", &err), 0);
    assert_int_equal(dump_registry_open(files, "data", "t", 2, &fixture->dumps, &err), 0);
    fixture->assignment = assignment_create(&config, &data_dir, NULL, NULL, fixture->dumps);
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
    dump_registry_close(fixture->dumps);
    memory_files_destroy(fixture->memory);
    free(fixture);
    return 0;
}

/* `body` NULL: GET. The answer contains `part`. */
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
test_unknown_paths_and_indexes_are_refused(void **state)
{
    static const struct exchange exchanges[] = {
        {"/api/indexes/x/query", "{}", 404, "{\"error\":\"Index 'x' not found\"}"},
        {"/api/indexes/x/entities/1", NULL, 404, "{\"error\":\"Index 'x' not found\"}"},
        {"/api/indexes/shop/query", NULL, 405,
         "GET is not allowed for this path, which takes POST"},
        {"/api/indexes/shop/dumps", "{}", 405, "which takes GET, PUT"},
        {"/api/indexes/shop/nothing", NULL, 404,
         "{\"error\":\"no such path /api/indexes/shop/nothing; see routes\",\"closest\":["},
        {"/api/indexes/shop/qeury", "{}", 404,
         "\"closest\":[\"POST /api/indexes/{index}/query\"],"},
        {"/api/index/shop/entities/17", NULL, 404,
         "\"closest\":[\"GET /api/indexes/{index}/entities/{id}\""},
        {"/nothing/at/all", NULL, 404, "\"closest\":[],\"routes\":[\"GET /\",\"GET /metrics\","},
        {"/api/indexes/shop/entities/1/2", NULL, 404, "no such path"},
        {"/api/indexes/shop/entities/", NULL, 400, "'' is not an entity id"},
        {"/api/indexes/shop/entities/-1", NULL, 400, "'-1' is not an entity id"},
        {"/api/indexes/shop/entities/9223372036854775808", NULL, 400, "is not an entity id"},
        {"/api/indexes/shop/query", "{", 400, "not JSON"},
        {"/api/indexes/shop/query", "{\"limit\":101}", 400, "limit"},
        {"/api", NULL, 404, "no such path"},
        {"/api/indexes/x/cursors", NULL, 404, "Index 'x' not found"},
        {"/api/indexes/shop/cursors/default:0", NULL, 404,
         "{\"error\":\"Cursor 'default:0' not found\"}"},
    };
    CHECK_EXCHANGES(state, exchanges);
}

static void
test_calls_that_change_state_are_refused_without_a_token(void **state)
{
    static const struct exchange exchanges[] = {
        {"/api/indexes/shop/ops", "{\"ops\":[]}", 403, "consumer.token_file is not set"},
        {"/api/indexes/shop/ops", "not read", 403, "consumer.token_file is not set"},
        {"/api/indexes/shop/ops", NULL, 405, "GET is not allowed for this path"},
        {"/api/indexes/x/ops", "{}", 404, "Index 'x' not found"},
        {"/api/indexes/shop/checkpoint", "", 403, "consumer.token_file is not set"},
        {"/api/indexes/shop/dumps/clear", "", 403, "consumer.token_file is not set"},
        {"/api/indexes/shop/dumps/a/loaded", "{}", 403, "consumer.token_file is not set"},
        {"/api/indexes/shop/dumps/a", "{}", 405, "POST is not allowed for this path"},
        {"/api/indexes/shop/checkpoint", NULL, 405, "GET is not allowed for this path"},
    };
    CHECK_EXCHANGES(state, exchanges);
}

static void
test_requests_for_documents_are_refused_with_the_reason(void **state)
{
    static const struct exchange exchanges[] = {
        {"/api/indexes/shop/documents", "{}", 400, "the body needs ids, a list of integers"},
        {"/api/indexes/shop/documents", "{\"ids\":[1,2,3,4]}", 400, "consumer.documents_limit, 3"},
        {"/api/indexes/shop/documents", "{\"ids\":[1],\"fields\":[\"prize\"]}", 400,
         "fields: the index has no field \\\"prize\\\"; closest: \\\"price\\\"; fields: id, "
         "colour, price"},
        {"/api/indexes/shop/document", "{\"slot_id\":1,\"fields\":[\"prize\"]}", 400, "no field"},
        {"/api/indexes/shop/document", "{\"slot_id\":\"1\"}", 400, "needs slot_id"},
        {"/api/indexes/shop/documents/x", NULL, 400, "'x' is not an entity id"},
        {"/api/indexes/shop/documents", NULL, 405, "which takes POST"},
        {"/api/indexes/shop/query", "{\"include_docs\":true,\"limit\":3,\"offset\":1}", 400,
         "limit plus offset of a query with include_docs is more than consumer.documents_limit, 3"},
        {"/api/indexes/shop/query", "{\"include_docs\":[\"prize\"],\"limit\":3}", 400,
         "include_docs: the index has no field"},
    };
    CHECK_EXCHANGES(state, exchanges);
}

static void
test_L9_every_answer_names_the_missing_partitions(void **state)
{
    static const struct exchange exchanges[] = {
        {"/api/indexes/shop/query", "{}", 200, "\"complete\":false,\"missing_partitions\":[0,1]"},
        {"/api/indexes/shop/query", "{\"include_docs\":true,\"limit\":3}", 200,
         "{\"ids\":[],\"documents\":[],\"total_matched\":0"},
        {"/api/indexes/shop/query", "{}", 200,
         "\"snapshot\":null,\"tick\":null,\"lag_seconds\":null}"},
        {"/api/indexes/shop/query", "{\"after_xid\":\"745\"}", 400,
         "after_xid and consistent need a topic: a stand-alone index has no snapshots"},
        {"/api/indexes/shop/query", "{\"consistent\":true}", 400,
         "after_xid and consistent need a topic"},
        {"/api/indexes/shop/entities/3", NULL, 503, "partition 1 is not on this process"},
        {"/api/indexes/shop/documents/3", NULL, 503, "partition 1 is not on this process"},
        {"/api/indexes/shop/document", "{\"slot_id\":4}", 503,
         "partition 0 is not on this process"},
        {"/api/indexes/shop/documents", "{\"ids\":[5,-1,7]}", 200,
         "{\"documents\":[null,null,null],\"complete\":false,\"missing_partitions\":[1]}"},
        {"/api/indexes/shop/documents", "{\"ids\":[-1]}", 200,
         "{\"documents\":[null],\"complete\":true,\"missing_partitions\":[]}"},
        {"/api/indexes/shop/documents/9223372036854775807", NULL, 503, "partition 1"},
        {"/api/ready", NULL, 503, "\"ready\":false"},
        {"/api/health", NULL, 200, "\"healthy\":true"},
        {"/", NULL, 200, "this process has 0 of 2 partitions"},
    };
    CHECK_EXCHANGES(state, exchanges);
}

static void
test_the_other_paths_answer(void **state)
{
    static const struct exchange exchanges[] = {
        {"/api/indexes", NULL, 200, "{\"indexes\":[\"shop\"]}"},
        {"/api/indexes/shop/stats", NULL, 200, "\"index\":\"shop\",\"partitions\":0"},
        {"/api/indexes/shop/dumps", NULL, 200, "{\"dumps\":{},\"all_complete\":false}"},
        {"/api/indexes/shop/cursors", NULL, 200, "{\"cursors\":[]}"},
        {"/api/indexes/shop/verify?job=7&sums=1", NULL, 200,
         "\"partitions\":[],\"not_comparable\":[],\"exempt_fields\":[],\"ranges\":0,"
         "\"differing\":0,\"oldest_s\":null}"},
        {"/api/indexes/shop/verify?job=-1", NULL, 400, "the number of a job"},
        {"/api/internal/sync-lag", NULL, 200, "\"sources\":[]"},
        {"/metrics", NULL, 200, "# TYPE bitdex_freshness_seconds gauge\n"},
    };
    CHECK_EXCHANGES(state, exchanges);
}

/* Its token does not make the index of a moment change. */
static void
test_an_index_as_of_a_moment_refuses_calls_that_change_state(void **state)
{
    struct fixture *fixture = *state;
    struct feed_source source = {.as_of_us = 1};
    struct config moment = config;
    struct assignment *assignment =
        assignment_create(&moment, &data_dir, &source, NULL, fixture->dumps);
    struct api *api;
    struct error err = {0};
    struct buffer answer = {0};
    char path[64], listen[32];
    int status;
    void *directory;
    assert_int_equal(temporary_directory_setup(&directory), 0);
    snprintf(path, sizeof path, "%s/token", (const char *)directory);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs("secret\n", file) >= 0 && fclose(file) == 0);
    moment.consumer.token_file = path;
    assert_int_equal(api_start(&moment, assignment, &fixture->sink, &api, &err), 0);
    snprintf(listen, sizeof listen, "127.0.0.1:%d", api_port(api));
    assert_int_equal(http_client_call(listen, "/api/indexes/shop/checkpoint", "", "secret", 10,
                                      &answer, &status, &err),
                     0);
    assert_int_equal(status, 403);
    assert_non_null(strstr(buffer_string(&answer), "as of a moment"));
    buffer_free(&answer);
    api_stop(api);
    assignment_destroy(assignment);
    assert_int_equal(temporary_directory_teardown(&directory), 0);
}

/* Sends the head of a request whose body never comes. The answer begins with `wanted`. */
static void
check_head(const struct fixture *fixture, const char *line, const char *wanted)
{
    struct sockaddr_in name = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)api_port(fixture->api)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    struct buffer text = {0};
    char answer[64] = "";
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof name), 0);
    buffer_append_format(&text, "%s HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n", line);
    assert_int_equal(send(fd, text.data, text.bytes, MSG_NOSIGNAL), text.bytes);
    struct pollfd one = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&one, 1, 15000), 1); /* the server drops the client after 30 s */
    assert_true(recv(fd, answer, sizeof answer - 1, 0) > 0);
    if (strncmp(answer, wanted, strlen(wanted)) != 0)
        fail_msg("%s: %s", line, answer);
    buffer_free(&text);
    close(fd);
}

static void
test_F111_requests_are_judged_before_their_bodies(void **state)
{
    check_head(*state, "POST /nothing", "HTTP/1.1 404");
    check_head(*state, "POST /api/indexes/other/query", "HTTP/1.1 404");
    check_head(*state, "PUT /api/indexes/shop/query", "HTTP/1.1 405");
    check_head(*state, "POST /api/indexes/shop/ops", "HTTP/1.1 403");
    check_head(*state, "GET /api/health", "HTTP/1.1 413");
}

/* A request about dumps that has passed the check of the token, and its answer. */
struct dump_exchange {
    void (*answer)(struct api_call *call);
    const char *id;
    const char *body;
    int status;
    const char *wanted;
};

static void
check_dump_exchange(const struct fixture *fixture, const struct dump_exchange *one)
{
    struct api_context context = {
        .config = &config, .assignment = fixture->assignment, .dumps = fixture->dumps};
    const struct http_request request = {.method = "POST", .body = text_of(one->body)};
    struct http_response response = {.status = 200};
    struct api_call call = {
        .api = &context, .request = &request, .response = &response, .id = text_of(one->id)};
    one->answer(&call);
    if (response.status != one->status || strcmp(buffer_string(&response.body), one->wanted) != 0)
        fail_msg("%s: %d %s", one->wanted, response.status, buffer_string(&response.body));
    buffer_free(&response.body);
}

static void
test_dumps_are_registered_loaded_and_removed(void **state)
{
    const struct fixture *fixture = *state;
    static const struct dump_exchange exchanges[] = {
        {api_answer_dump_put, "", "{\"name\":\"a\",\"note\":[1]}", 201,
         "{\"name\":\"a\",\"status\":\"writing\"}"},
        {api_answer_dump_loaded, "a", "{\"ops_written\":0}", 200,
         "{\"name\":\"a\",\"status\":\"loading\"}"},
        {api_answer_dump_loaded, "a", "{\"ops_written\":1}", 409,
         "{\"error\":\"Dump 'a' has failed: register it again\"}"},
        {api_answer_dump_loaded, "b", "{\"ops_written\":1}", 404,
         "{\"error\":\"Dump 'b' not found\"}"},
        {api_answer_dump_delete, "a", "", 204, ""},
        {api_answer_dump_delete, "a", "", 404, "{\"error\":\"Dump 'a' not found\"}"},
        {api_answer_dump_put, "", "{\"name\":\"a\"}", 201,
         "{\"name\":\"a\",\"status\":\"writing\"}"},
        {api_answer_dumps_clear, "", "", 204, ""},
        {api_answer_dumps, "", "", 200, "{\"dumps\":{},\"all_complete\":false}"},
    };
    for (size_t i = 0; i < sizeof exchanges / sizeof exchanges[0]; i++)
        check_dump_exchange(fixture, &exchanges[i]);
}

static void
test_invalid_requests_about_dumps_are_refused(void **state)
{
    const struct fixture *fixture = *state;
    static const char no_name[] =
        "{\"error\":\"the body must be an object in which \\\"name\\\" is a text\"}";
    static const char no_count[] = "{\"error\":\"the body must be an object in which "
                                   "\\\"ops_written\\\" is an integer\"}";
    static const char bad_name[] =
        "{\"error\":\"the name of a dump has 1 to 127 bytes, without '/' and control characters\"}";
    static const struct dump_exchange exchanges[] = {
        {api_answer_dump_put, "", "{}", 400, no_name},
        {api_answer_dump_put, "", "[]", 400, no_name},
        {api_answer_dump_put, "", "{\"name\":1}", 400, no_name},
        {api_answer_dump_put, "", "{\"name\":\"\"}", 400, bad_name},
        {api_answer_dump_put, "", "{\"name\":\"a/b\"}", 400, bad_name},
        {api_answer_dump_loaded, "a", "{}", 400, no_count},
        {api_answer_dump_loaded, "a", "{\"ops_written\":1.5}", 400, no_count},
        {api_answer_dump_loaded, "a", "{\"ops_written\":-1}", 400,
         "{\"error\":\"ops_written must not be negative\"}"},
    };
    for (size_t i = 0; i < sizeof exchanges / sizeof exchanges[0]; i++)
        check_dump_exchange(fixture, &exchanges[i]);
}

/* What GET /api/health answers so long after the last heartbeat of the main thread. */
static int
health_after(const struct fixture *fixture, int64_t age_us, struct buffer *body)
{
    struct api_context context = {.config = &config, .assignment = fixture->assignment};
    const struct http_request request = {.method = "GET", .path = "/api/health"};
    struct http_response response = {.status = 200};
    struct api_call call = {.api = &context, .request = &request, .response = &response};
    atomic_store(&context.main_heartbeat_us, clock_monotonic_us() - age_us);
    api_answer_health(&call);
    *body = response.body;
    return response.status;
}

static void
test_F42_a_main_thread_without_heartbeats_fails_health(void **state)
{
    struct buffer body;
    assert_int_equal(health_after(*state, 61 * (int64_t)US_PER_S, &body), 503);
    assert_string_equal(buffer_string(&body), "{\"stuck\":[\"main\"],\"healthy\":false}");
    buffer_free(&body);
    assert_int_equal(health_after(*state, 59 * (int64_t)US_PER_S, &body), 200);
    assert_string_equal(buffer_string(&body), "{\"stuck\":[],\"healthy\":true}");
    buffer_free(&body);
}

static void
test_F42_a_worker_without_heartbeats_fails_health(void **state)
{
    (void)state;
    struct partition_status items[] = {
        {.partition = 3, .heartbeat_age_us = 1},
        {.partition = 5, .heartbeat_age_us = 61 * (int64_t)US_PER_S}};
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

/* A partition whose oldest comparison is so old; negative: nothing was compared. */
static struct partition_status
compared_before(int64_t age_s, bool is_whole, int64_t differing)
{
    int64_t clock_us = age_s < 0 ? -1 : clock_realtime_us() - age_s * US_PER_S;
    return (struct partition_status){.shard.verdicts = {.ranges = 4,
                                                        .differing = differing,
                                                        .is_whole = is_whole,
                                                        .oldest_clock_us = clock_us}};
}

static void
assert_verified(struct partition_status status, int64_t limit_s, const char *wanted)
{
    char reason[2 * ERROR_MESSAGE_BYTES];
    verified_describe(&status, limit_s, reason, sizeof reason);
    if (wanted[0] == '\0')
        assert_string_equal(reason, "");
    else if (strstr(reason, wanted) == NULL)
        fail_msg("\"%s\" does not contain \"%s\"", reason, wanted);
}

static void
test_L9_readiness_with_a_limit_needs_a_recent_equal_comparison_of_everything(void **state)
{
    (void)state;
    struct partition_status status = compared_before(30, true, 0);
    assert_verified(status, 60, "");
    assert_verified(status, 20, "the oldest comparison with the source is 30 s old");
    assert_verified(compared_before(0, true, 1), 60, "1 of 4 ranges differ from the source");
    assert_verified(compared_before(0, false, 0), 60, "not all entities were compared");
    assert_verified(compared_before(-1, false, 0), 60, "not all entities were compared");
    status.shard.verdicts.oldest_clock_us = 0; /* the source's clock was not known */
    assert_verified(status, 60, "consumer.ready_requires_verified_s is 60");
}

static void
test_readiness_without_a_limit_does_not_depend_on_comparisons(void **state)
{
    (void)state;
    assert_verified(compared_before(-1, false, 0), 0, "");
    assert_verified(compared_before(1000000, true, 1), 0, "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unknown_paths_and_indexes_are_refused),
        cmocka_unit_test(test_F111_requests_are_judged_before_their_bodies),
        cmocka_unit_test(test_calls_that_change_state_are_refused_without_a_token),
        cmocka_unit_test(test_an_index_as_of_a_moment_refuses_calls_that_change_state),
        cmocka_unit_test(test_requests_for_documents_are_refused_with_the_reason),
        cmocka_unit_test(test_L9_every_answer_names_the_missing_partitions),
        cmocka_unit_test(test_the_other_paths_answer),
        cmocka_unit_test(test_dumps_are_registered_loaded_and_removed),
        cmocka_unit_test(test_invalid_requests_about_dumps_are_refused),
        cmocka_unit_test(test_F42_a_main_thread_without_heartbeats_fails_health),
        cmocka_unit_test(test_F42_a_worker_without_heartbeats_fails_health),
        cmocka_unit_test(
            test_L9_readiness_with_a_limit_needs_a_recent_equal_comparison_of_everything),
        cmocka_unit_test(test_readiness_without_a_limit_does_not_depend_on_comparisons),
    };
    return cmocka_run_group_tests(tests, fixture_begin, fixture_end);
}
