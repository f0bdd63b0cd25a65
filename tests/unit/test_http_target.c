/* What a server decides from the head of a request alone: target, bearer token, route. */
#include "tests/unit/unit_test.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "common/http/route_list.h"
#include "common/http/server.h"
#include "common/http/target.h"

static const struct http_route routes[] = {
    {"GET", "/"},
    {"GET", "/api/indexes/{index}/stats"},
    {"POST", "/api/indexes/{index}/query"},
    {"GET", "/api/indexes/{index}/entities/{id}"},
    {"GET", "/api/indexes/{index}/dumps"},
    {"PUT", "/api/indexes/{index}/dumps"},
};

static void
test_targets_are_decoded_and_checked(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        const char *path; /* NULL: refused */
        const char *query;
    } cases[] = {
        {"/", "/", NULL},
        {"/a%20b%2Fc", "/a b/c", NULL},
        {"/a?b=%zz&c", "/a", "b=%zz&c"},
        {"/a?", "/a", ""},
        {"/a??", "/a", "?"},
        {"/a%3fb", "/a?b", NULL},
        {"/...", "/...", NULL},
        {"/a..b/..c/d..", "/a..b/..c/d..", NULL},
        {"/\xc3\xa4%c3%a4", "/\xc3\xa4\xc3\xa4", NULL},
        {"", NULL, NULL},
        {"a", NULL, NULL},
        {"*", NULL, NULL},
        {"http://x/", NULL, NULL},
        {"%2f", NULL, NULL},
        {"/%", NULL, NULL},
        {"/%4", NULL, NULL},
        {"/%4g", NULL, NULL},
        {"/%00", NULL, NULL},
        {"/%0a", NULL, NULL},
        {"/%7F", NULL, NULL},
        {"/a\tb", NULL, NULL},
        {"/..", NULL, NULL},
        {"/a/../b", NULL, NULL},
        {"/a/..", NULL, NULL},
        {"/%2e%2E/a", NULL, NULL},
        {"/a%2f..%2fb", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *copy = memory_strdup(cases[i].target);
        const char *path;
        const char *query;
        bool valid = http_target_parse(copy, &path, &query);
        if (valid != (cases[i].path != NULL))
            fail_msg("%s", cases[i].target);
        if (valid) {
            assert_string_equal(path, cases[i].path);
            assert_int_equal(query == NULL, cases[i].query == NULL);
            if (query != NULL)
                assert_string_equal(query, cases[i].query);
        }
        free(copy);
    }
}

static void
test_a_bearer_token_must_match_completely(void **state)
{
    (void)state;
    assert_true(http_bearer_matches("Bearer abc", "abc"));
    assert_true(http_bearer_matches("bearer abc", "abc"));
    assert_false(http_bearer_matches("Bearer abd", "abc"));
    assert_false(http_bearer_matches("Bearer bbc", "abc"));
    assert_false(http_bearer_matches("Bearer abcd", "abc"));
    assert_false(http_bearer_matches("Bearer ab", "abc"));
    assert_false(http_bearer_matches("Bearer ", ""));
    assert_false(http_bearer_matches("Basic abc", "abc"));
    assert_false(http_bearer_matches("", "abc"));
    assert_false(http_bearer_matches(NULL, "abc"));
    assert_false(http_bearer_matches("Bearer abc", NULL));
}

/* The closest routes that the refusal of a path names, as JSON. */
static void
assert_closest(const char *path, const char *wanted)
{
    struct http_response response = {.status = 200};
    http_respond_no_route(&response, path, routes, sizeof routes / sizeof routes[0]);
    const char *answer = buffer_string(&response.body);
    assert_int_equal(response.status, 404);
    assert_non_null(strstr(answer, "\"routes\":[\"GET /\",\"GET /api/indexes/{index}/stats\","));
    struct buffer part = {0};
    buffer_append_format(&part, "; see routes\",\"closest\":[%s],\"routes\":", wanted);
    if (strstr(answer, buffer_string(&part)) == NULL)
        fail_msg("%s: wanted %s, got %s", path, wanted, answer);
    buffer_free(&part);
    buffer_free(&response.body);
}

static void
test_an_unknown_path_is_answered_with_the_closest_routes(void **state)
{
    (void)state;
    assert_closest("/api/indexes/shop/qeury", "\"POST /api/indexes/{index}/query\"");
    assert_closest("/api/index/shop/query", "\"POST /api/indexes/{index}/query\"");
    assert_closest("/api/indexes/shop/Stats", "\"GET /api/indexes/{index}/stats\"");
    assert_closest("/api/indexes/shop/entity/17", "\"GET /api/indexes/{index}/entities/{id}\"");
    assert_closest("/api/indexes/shop/entities", "\"GET /api/indexes/{index}/entities/{id}\"");
    assert_closest("/api/indexes/shop/query/", "\"POST /api/indexes/{index}/query\"");
    assert_closest("/nothing/like/it", "");
    assert_closest("/", "\"GET /\"");
    char path[1000];
    memset(path, '/', sizeof path);
    path[sizeof path - 1] = '\0';
    assert_closest(path, "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_targets_are_decoded_and_checked),
        cmocka_unit_test(test_a_bearer_token_must_match_completely),
        cmocka_unit_test(test_an_unknown_path_is_answered_with_the_closest_routes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
