/* A real server on the loopback interface, called by our client and by raw sockets that violate the
 * protocol (F58). */
#include "tests/unit/unit_test.h"

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/http/client.h"
#include "common/http/listen.h"
#include "common/http/route_list.h"
#include "common/http/server.h"
#include "common/http/target.h"
#include "tests/unit/random_input.h"

enum { BODY_BYTES_MAX = 1000, CONNECTIONS_MAX = 300, TIMEOUT_S = 1, PATIENCE_MS = 60000 };

/* Of servers that drop no client, however late a slow machine runs it. */
enum { PATIENT_S = 60 };

/* Shared by the handler and the tests. */
struct site {
    struct http_server *server;
    char address[32];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int waiting; /* how many handlers of /wait have begun */
    bool open;   /* whether they may end */
};

static void
site_wait(struct site *site)
{
    pthread_mutex_lock(&site->lock);
    site->waiting++;
    pthread_cond_broadcast(&site->changed);
    while (!site->open)
        pthread_cond_wait(&site->changed, &site->lock);
    pthread_mutex_unlock(&site->lock);
}

static void
site_await_waiting(struct site *site, int count)
{
    pthread_mutex_lock(&site->lock);
    while (site->waiting < count)
        pthread_cond_wait(&site->changed, &site->lock);
    pthread_mutex_unlock(&site->lock);
}

static void
site_open(struct site *site)
{
    pthread_mutex_lock(&site->lock);
    site->open = true;
    pthread_cond_broadcast(&site->changed);
    pthread_mutex_unlock(&site->lock);
}

static const struct http_route routes[] = {
    {"GET", "/"},
    {"GET", "/api/indexes/{index}/stats"},
    {"POST", "/api/indexes/{index}/query"},
    {"GET", "/api/indexes/{index}/entities/{id}"},
    {"GET", "/api/indexes/{index}/dumps"},
    {"PUT", "/api/indexes/{index}/dumps"},
};

static void
on_request(void *context, const struct http_request *request, struct http_response *response)
{
    const char *path = request->path;
    if (strcmp(path, "/untouched") == 0)
        return;
    if (strcmp(path, "/nothing") == 0) {
        response->status = 204;
    } else if (strcmp(path, "/secret") == 0) {
        http_respond_error(response, 401, "who are you, \"%s\"?", "x\n");
    } else if (strcmp(path, "/dumps") == 0) {
        http_respond_wrong_method(response, request->method, &routes[4], 2);
    } else if (strcmp(path, "/large") == 0) {
        size_t bytes = strtoul(request->query, NULL, 10);
        memset(buffer_reserve(&response->body, bytes), 'x', bytes);
        response->body.bytes = bytes;
        response->content_type = "text/plain";
    } else {
        if (strcmp(path, "/wait") == 0)
            site_wait(context);
        buffer_append_format(&response->body, "%s %s %s %zu %.*s", request->method, path,
                             request->query != NULL ? request->query : "-", request->body.bytes,
                             TEXT_ARGS(request->body));
    }
}

static void
site_start(struct site *site, const char *listen, int connections_max, int timeout_s)
{
    struct http_options options = {
        .listen = listen,
        .connections_max = connections_max,
        .body_bytes_max = BODY_BYTES_MAX,
        .timeout_s = timeout_s,
    };
    struct error err = {0};
    pthread_mutex_init(&site->lock, NULL);
    pthread_cond_init(&site->changed, NULL);
    if (http_server_start(&options, on_request, site, &site->server, &err) != 0)
        fail_msg("%s", err.message);
    snprintf(site->address, sizeof site->address, "%.*s%d", (int)strlen(listen) - 1, listen,
             http_server_port(site->server));
}

static int
setup(void **state)
{
    struct site *site = calloc(1, sizeof *site);
    site_start(site, "127.0.0.1:0", CONNECTIONS_MAX, PATIENT_S);
    *state = site;
    return 0;
}

static int
setup_impatient(void **state)
{
    struct site *site = calloc(1, sizeof *site);
    site_start(site, "127.0.0.1:0", CONNECTIONS_MAX, TIMEOUT_S);
    *state = site;
    return 0;
}

static int
teardown(void **state)
{
    struct site *site = *state;
    site_open(site);
    http_server_stop(site->server);
    pthread_cond_destroy(&site->changed);
    pthread_mutex_destroy(&site->lock);
    free(site);
    return 0;
}

/* Any thread. */
static bool
answers(struct site *site, const char *path, const char *body, int status, const char *answer)
{
    struct buffer out = {0};
    struct error err = {0};
    int got = 0;
    int rc = http_client_call(site->address, path, body, NULL, 20, &out, &got, &err);
    bool same = rc == 0 && got == status && strcmp(buffer_string(&out), answer) == 0;
    if (!same)
        print_error("%s: %d %s%.100s\n", path, got, err.message, buffer_string(&out));
    buffer_free(&out);
    return same;
}

static void
check_call(struct site *site, const char *path, const char *body, int status, const char *answer)
{
    assert_true(answers(site, path, body, status, answer));
}

static void
check_alive(struct site *site)
{
    check_call(site, "/alive", NULL, 200, "GET /alive - 0 ");
}

/* False when the server closes the connection. */
static bool
site_has_room(struct site *site)
{
    struct buffer out = {0};
    struct error err;
    int status = 0;
    int rc = http_client_call(site->address, "/a", NULL, NULL, 20, &out, &status, &err);
    assert_true(rc == ERR_RETRY || (rc == 0 && status == 200));
    buffer_free(&out);
    return rc == 0;
}

static int
raw_connect(struct site *site)
{
    struct sockaddr_in name = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)http_server_port(site->server)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof name), 0);
    return fd;
}

/* False once the server has closed. */
static bool
raw_send(int fd, const void *data, size_t bytes)
{
    return send(fd, data, bytes, MSG_NOSIGNAL) == (ssize_t)bytes;
}

/* Appends what the server sends; false when it has closed. Silence for too long fails the test. */
static bool
raw_receive(int fd, struct buffer *out)
{
    struct pollfd one = {.fd = fd, .events = POLLIN};
    if (poll(&one, 1, PATIENCE_MS) != 1)
        fail_msg("the server neither answers nor closes");
    ssize_t bytes = recv(fd, buffer_reserve(out, 65536), 65536, 0);
    if (bytes <= 0)
        return false;
    out->bytes += (size_t)bytes;
    return true;
}

static const char *
raw_receive_all(int fd, struct buffer *out)
{
    while (raw_receive(fd, out))
        continue;
    close(fd);
    return buffer_string(out);
}

static void
raw_exchange(struct site *site, const void *data, size_t bytes, struct buffer *out)
{
    int fd = raw_connect(site);
    raw_send(fd, data, bytes);
    raw_receive_all(fd, out);
}

/* Sends `text`; the answer has to begin with `wanted`. */
static void
check_raw(struct site *site, const char *text, const char *wanted)
{
    struct buffer out = {0};
    raw_exchange(site, text, strlen(text), &out);
    if (strncmp(buffer_string(&out), wanted, strlen(wanted)) != 0)
        fail_msg("%.60s: wanted \"%s\", got \"%.60s\"", text, wanted, buffer_string(&out));
    buffer_free(&out);
}

#define HOST "Host: x\r\n"
#define LAST HOST "Connection: close\r\n\r\n"

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

static void
test_the_handler_gets_the_request(void **state)
{
    check_call(*state, "/a%20b?c=%20d", NULL, 200, "GET /a b c=%20d 0 ");
    check_call(*state, "/ops", "{\"a\":1}", 200, "POST /ops - 7 {\"a\":1}");
    check_raw(*state, "PUT /p HTTP/1.1\r\nContent-Length: 2\r\n" LAST "ab", "HTTP/1.1 200");
    check_raw(*state, "DELETE /p HTTP/1.1\r\n" LAST, "HTTP/1.1 200");
}

static void
test_answers_have_their_defaults(void **state)
{
    check_call(*state, "/untouched", NULL, 200, "{}");
    check_call(*state, "/nothing", NULL, 204, "");
    check_call(*state, "/secret", NULL, 401, "{\"error\":\"who are you, \\\"x\\n\\\"?\"}");
    struct buffer out = {0};
    const char request[] = "GET /secret HTTP/1.1\r\n" LAST;
    raw_exchange(*state, request, strlen(request), &out);
    assert_non_null(strstr(buffer_string(&out), "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(buffer_string(&out), "\r\nWWW-Authenticate: Bearer\r\n"));
    buffer_free(&out);
}

static void
test_a_wrong_method_is_answered_with_those_of_the_path(void **state)
{
    struct buffer out = {0};
    const char request[] = "DELETE /dumps HTTP/1.1\r\n" LAST;
    raw_exchange(*state, request, strlen(request), &out);
    const char *answer = buffer_string(&out);
    assert_int_equal(strncmp(answer, "HTTP/1.1 405", 12), 0);
    assert_non_null(strstr(answer, "\r\nAllow: GET, PUT\r\n"));
    assert_non_null(strstr(
        answer, "{\"error\":\"DELETE is not allowed for this path, which takes GET, PUT\"}"));
    buffer_free(&out);
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

static void
test_head_is_get_without_the_body(void **state)
{
    struct buffer out = {0};
    const char request[] = "HEAD /large?500 HTTP/1.1\r\n" LAST;
    raw_exchange(*state, request, strlen(request), &out);
    const char *answer = buffer_string(&out);
    assert_non_null(strstr(answer, "\r\nContent-Length: 500\r\n"));
    assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
    buffer_free(&out);
}

static void
test_other_methods_are_not_implemented(void **state)
{
    check_raw(*state, "PATCH /a HTTP/1.1\r\n" LAST, "HTTP/1.1 501");
    check_raw(*state, "OPTIONS * HTTP/1.1\r\n" LAST, "HTTP/1.1 501");
    check_raw(*state, "get /a HTTP/1.1\r\n" LAST, "HTTP/1.1 501");
    check_raw(*state, "PATCH /a HTTP/1.1\r\nContent-Length: 3\r\n" HOST "\r\nGET", "HTTP/1.1 501");
}

static void
test_path_tricks_are_refused(void **state)
{
    static const char *const paths[] = {"/a/../b", "/%2e%2e/b", "/%00", "/a%zz", "http://x/a"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct buffer text = {0};
        buffer_append_format(&text, "GET %s HTTP/1.1\r\n" LAST, paths[i]);
        check_raw(*state, buffer_string(&text), "HTTP/1.1 400");
        buffer_free(&text);
    }
}

static void
test_F58_a_body_above_the_limit_is_refused(void **state)
{
    static const char refusal[] = "{\"error\":\"the body is too large\"}";
    struct buffer body = {0};
    for (int i = 0; i < BODY_BYTES_MAX; i++)
        buffer_append(&body, "x", 1);
    struct buffer answer = {0};
    buffer_append_format(&answer, "POST /a - %d %s", BODY_BYTES_MAX, buffer_string(&body));
    check_call(*state, "/a", buffer_string(&body), 200, buffer_string(&answer));
    buffer_append(&body, "x", 1);
    check_call(*state, "/a", buffer_string(&body), 413, refusal);
    size_t bytes = 2000000;
    memset(buffer_reserve(&body, bytes), 'x', bytes);
    body.bytes += bytes;
    check_call(*state, "/a", buffer_string(&body), 413, refusal);
    check_raw(*state, "POST /a HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n" LAST,
              "HTTP/1.1 4");
    check_raw(*state, "POST /a HTTP/1.1\r\nContent-Length: -1\r\n" LAST, "HTTP/1.1 400");
    buffer_free(&body);
    buffer_free(&answer);
}

/* The limit also holds for a body without a Content-Length. */
static void
test_F58_a_chunked_body_above_the_limit_is_refused(void **state)
{
    struct buffer request = {0};
    buffer_append_text(&request, "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" LAST);
    for (int i = 0; i < 1000; i++)
        buffer_append_text(&request, "a\r\n0123456789\r\n");
    buffer_append_text(&request, "0\r\n\r\n");
    check_raw(*state, buffer_string(&request), "HTTP/1.1 413");
    buffer_free(&request);
    check_raw(*state,
              "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" LAST
              "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
              "HTTP/1.1 200");
}

static void
test_F58_a_head_above_the_limit_is_refused(void **state)
{
    struct buffer request = {0};
    buffer_append_text(&request, "GET /a HTTP/1.1\r\n" HOST);
    for (int i = 0; i < 5000; i++)
        buffer_append_format(&request, "X-%d: 0123456789\r\n", i);
    buffer_append_text(&request, "\r\n");
    check_raw(*state, buffer_string(&request), "HTTP/1.1 431");
    buffer_clear(&request);
    buffer_append_text(&request, "GET /");
    for (int i = 0; i < 50000; i++)
        buffer_append(&request, "a", 1);
    buffer_append_text(&request, " HTTP/1.1\r\n" LAST);
    check_raw(*state, buffer_string(&request), "HTTP/1.1 414");
    buffer_free(&request);
    check_alive(*state);
}

/* Sends `text` and then nothing: the server closes the connection, and answers others meanwhile. */
static void
check_stall(struct site *site, const char *text)
{
    struct buffer out = {0};
    int fd = raw_connect(site);
    assert_true(raw_send(fd, text, strlen(text)));
    check_alive(site);
    raw_receive_all(fd, &out);
    buffer_free(&out);
}

static void
test_F58_stalled_requests_are_dropped(void **state)
{
    check_stall(*state, "");
    check_stall(*state, "GET /a HT");
    check_stall(*state, "GET /a HTTP/1.1\r\n" HOST "X: y");
    check_stall(*state, "POST /a HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n12345");
    check_stall(*state, "GET /a HTTP/1.1\r\n" HOST "\r\n"); /* answered, then idle */
}

/* Sends `text` and then `drop` repeatedly: the connection is never idle, and the server closes it
 * all the same. */
static void
check_trickle(struct site *site, const char *text, const char *drop)
{
    int64_t begin = clock_monotonic_us();
    int fd = raw_connect(site);
    assert_true(raw_send(fd, text, strlen(text)));
    while (raw_send(fd, drop, strlen(drop))) {
        clock_sleep_ms(100);
        assert_true(clock_monotonic_us() - begin < (int64_t)PATIENCE_MS * US_PER_MS);
    }
    close(fd);
    assert_true(clock_monotonic_us() - begin >= (int64_t)TIMEOUT_S * US_PER_S);
}

static void
test_F58_trickling_requests_are_dropped(void **state)
{
    check_trickle(*state, "GET /a HTTP/1.1\r\n" HOST, "X: y\r\n");
    check_trickle(*state, "POST /a HTTP/1.1\r\n" HOST "Content-Length: 900\r\n\r\n", "x");
    check_trickle(*state, "POST /a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n",
                  "3\r\nabc\r\n");
}

/* Reads a large answer in pieces of `sip_bytes` with pauses. The server, which accepts one
 * connection only, closes it and answers others. */
static void
check_slow_reader(size_t sip_bytes)
{
    const char request[] = "GET /large?30000000 HTTP/1.1\r\n" HOST "\r\n";
    struct site *site = calloc(1, sizeof *site);
    site_start(site, "127.0.0.1:0", 1, TIMEOUT_S);
    int64_t begin = clock_monotonic_us();
    int fd = raw_connect(site);
    assert_true(raw_send(fd, request, strlen(request)));
    struct buffer sip = {0};
    raw_receive(fd, &sip); /* the server has accepted the connection */
    while (!site_has_room(site)) {
        clock_sleep_ms(100);
        recv(fd, buffer_reserve(&sip, sip_bytes), sip_bytes, MSG_DONTWAIT);
        assert_true(clock_monotonic_us() - begin < (int64_t)PATIENCE_MS * US_PER_MS);
    }
    assert_true(clock_monotonic_us() - begin >= (int64_t)TIMEOUT_S * US_PER_S);
    close(fd);
    buffer_free(&sip);
    void *owned = site;
    teardown(&owned);
}

static void
test_F58_slow_readers_are_dropped(void **state)
{
    (void)state;
    check_slow_reader(0);
    check_slow_reader(32768);
}

static void
test_random_bytes_do_not_affect_other_clients(void **state)
{
    random_seed();
    for (int i = 0; i < 200; i++) {
        char noise[512];
        size_t bytes = 1 + random_below(sizeof noise);
        for (size_t j = 0; j < bytes; j++)
            noise[j] = (char)random_next();
        if (i % 2 == 0) /* it begins like a request line */
            memcpy(noise, "GET /", bytes < 5 ? bytes : 5);
        int fd = raw_connect(*state);
        raw_send(fd, noise, bytes);
        raw_send(fd, "\r\n\r\n", 4);
        shutdown(fd, SHUT_WR);
        struct buffer out = {0};
        raw_receive_all(fd, &out);
        buffer_free(&out);
    }
    check_raw(*state, "\r\n\r\nGET /a HTTP/1.1\r\n" LAST, "HTTP/1.1 200");
    check_raw(*state, "GET /a HTTP/1.1\r\nConnection: close\r\n\r\n", "HTTP/1.1 400"); /* no Host */
    check_alive(*state);
}

static int
count(const char *text, const char *part)
{
    int found = 0;
    while ((text = strstr(text, part)) != NULL) {
        text += strlen(part);
        found++;
    }
    return found;
}

/* Two requests in one packet get two answers; bytes after a valid request do not affect it. */
static void
test_pipelined_requests_are_answered_in_turn(void **state)
{
    struct buffer out = {0};
    const char two[] = "POST /1 HTTP/1.1\r\nContent-Length: 2\r\n" HOST "\r\nab"
                       "GET /2 HTTP/1.1\r\n" LAST;
    raw_exchange(*state, two, strlen(two), &out);
    assert_int_equal(count(buffer_string(&out), "HTTP/1.1 200"), 2);
    assert_true(strstr(buffer_string(&out), "POST /1 - 2 ab") <
                strstr(buffer_string(&out), "GET /2 - 0"));
    buffer_clear(&out);
    const char rubbish[] = "GET /1 HTTP/1.1\r\n" HOST "\r\n\x01\x02\x03 rubbish\r\n\r\n";
    raw_exchange(*state, rubbish, sizeof rubbish - 1, &out);
    assert_int_equal(count(buffer_string(&out), "HTTP/1.1 200"), 1);
    assert_non_null(strstr(buffer_string(&out), "GET /1 - 0"));
    buffer_free(&out);
}

/* The body of a refused request is not interpreted as the next request. */
static void
test_a_refused_body_is_not_read_as_a_request(void **state)
{
    static const char *const heads[] = {
        "PATCH /1 HTTP/1.1\r\nContent-Length: 99\r\n",
        "POST /../1 HTTP/1.1\r\nContent-Length: 99\r\n",
        "GET /1 HTTP/1.1\r\nContent-Length: 5000\r\n",
        "DELETE /1 HTTP/1.1\r\nContent-Length: 5000\r\n",
        "PUT /../1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n",
    };
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        struct buffer text = {0};
        struct buffer out = {0};
        buffer_append_format(&text, "%s%s\r\nGET /2 HTTP/1.1\r\n" LAST, heads[i], HOST);
        raw_exchange(*state, text.data, text.bytes, &out);
        assert_int_equal(count(buffer_string(&out), "HTTP/1.1 "), 1);
        assert_null(strstr(buffer_string(&out), "GET /2"));
        buffer_free(&text);
        buffer_free(&out);
    }
}

enum { MANY = 200 };

static void
test_many_connections_are_served_at_once(void **state)
{
    const char request[] = "GET /wait HTTP/1.1\r\n" LAST;
    int fds[MANY];
    for (int i = 0; i < MANY; i++) {
        fds[i] = raw_connect(*state);
        assert_true(raw_send(fds[i], request, strlen(request)));
    }
    site_await_waiting(*state, MANY); /* all handlers run at the same time */
    check_alive(*state);
    site_open(*state);
    for (int i = 0; i < MANY; i++) {
        struct buffer out = {0};
        assert_non_null(strstr(raw_receive_all(fds[i], &out), "GET /wait"));
        buffer_free(&out);
    }
}

/* The time that a handler takes does not count as the client's. */
static void
test_a_long_handler_is_not_interrupted(void **state)
{
    struct buffer out = {0};
    const char request[] = "GET /wait HTTP/1.1\r\n" LAST;
    int fd = raw_connect(*state);
    assert_true(raw_send(fd, request, strlen(request)));
    site_await_waiting(*state, 1);
    clock_sleep_ms((2 * TIMEOUT_S + 2) * MS_PER_S);
    site_open(*state);
    assert_non_null(strstr(raw_receive_all(fd, &out), "GET /wait"));
    buffer_free(&out);
}

/* A connection above the limit is closed at once; when one ends, another is accepted. */
static void
test_L10_connections_above_the_limit_are_closed(void **state)
{
    (void)state;
    struct site *site = calloc(1, sizeof *site);
    site_start(site, "127.0.0.1:0", 2, PATIENT_S);
    const char request[] = "GET /wait HTTP/1.1\r\n" LAST;
    int fds[2];
    struct buffer out = {0};
    for (int i = 0; i < 2; i++) {
        fds[i] = raw_connect(site);
        assert_true(raw_send(fds[i], request, strlen(request)));
    }
    site_await_waiting(site, 2);
    raw_exchange(site, request, strlen(request), &out);
    assert_int_equal(out.bytes, 0);
    site_open(site);
    for (int i = 0; i < 2; i++)
        assert_non_null(strstr(raw_receive_all(fds[i], &out), "GET /wait"));
    int64_t begin = clock_monotonic_us();
    while (!site_has_room(site))
        assert_true(clock_monotonic_us() - begin < (int64_t)PATIENCE_MS * US_PER_MS);
    buffer_free(&out);
    void *owned = site;
    teardown(&owned);
}

enum { CALLERS = 8, CALLS = 50 };

static void *
call_often(void *site)
{
    for (int i = 0; i < CALLS; i++)
        if (!answers(site, "/g", NULL, 200, "GET /g - 0 ") ||
            !answers(site, "/p", "{}", 200, "POST /p - 2 {}"))
            return NULL;
    return site;
}

static void
test_concurrent_calls_do_not_mix(void **state)
{
    pthread_t threads[CALLERS];
    for (int i = 0; i < CALLERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, call_often, *state), 0);
    for (int i = 0; i < CALLERS; i++) {
        void *all_good;
        pthread_join(threads[i], &all_good);
        assert_non_null(all_good);
    }
}

static void *
stop_server(void *context)
{
    struct site *site = context;
    http_server_stop(site->server);
    return NULL;
}

/* While the server stops, running requests are answered and new ones are refused. */
static void
test_stop_waits_for_running_handlers(void **state)
{
    (void)state;
    struct site *site = calloc(1, sizeof *site);
    site_start(site, "127.0.0.1:0", CONNECTIONS_MAX, PATIENT_S);
    const char request[] = "GET /wait HTTP/1.1\r\n" HOST "\r\n";
    int running = raw_connect(site);
    assert_true(raw_send(running, request, strlen(request)));
    site_await_waiting(site, 1);
    pthread_t stopper;
    assert_int_equal(pthread_create(&stopper, NULL, stop_server, site), 0);
    struct buffer out = {0};
    int64_t begin = clock_monotonic_us();
    int status = 0;
    do {
        struct error err;
        buffer_clear(&out);
        assert_int_equal(http_client_call(site->address, "/a", NULL, NULL, 20, &out, &status, &err),
                         0);
        assert_true(clock_monotonic_us() - begin < (int64_t)PATIENCE_MS * US_PER_MS);
    } while (status == 200); /* until the server is stopping */
    assert_int_equal(status, 503);
    site_open(site);
    buffer_clear(&out);
    assert_non_null(strstr(raw_receive_all(running, &out), "GET /wait"));
    buffer_free(&out);
    pthread_join(stopper, NULL);
    pthread_cond_destroy(&site->changed);
    pthread_mutex_destroy(&site->lock);
    free(site);
}

static void
test_an_address_that_cannot_be_listened_on_is_named(void **state)
{
    struct site *site = *state;
    static const char *const wrong[] = {
        "",
        "127.0.0.1",
        ":80",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:x",
        "127.0.0.1:8 0",
        "::1:80",
        "[::1]",
        "[::1:80",
        "[]:80",
        "256.0.0.1:80:",
    };
    struct error err;
    int fd;
    int port;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (http_listen(wrong[i], &fd, &port, &err) != ERR_USAGE)
            fail_msg("%s", wrong[i]);
    assert_int_equal(http_listen(site->address, &fd, &port, &err), ERR_FATAL);
    assert_non_null(strstr(err.message, site->address));
    assert_non_null(strstr(err.message, "in use"));
}

static void
test_ipv6_address_is_served(void **state)
{
    (void)state;
    struct error err;
    int fd;
    int port;
    if (http_listen("[::1]:0", &fd, &port, &err) != 0)
        skip(); /* a machine without IPv6 */
    close(fd);
    struct site *site = calloc(1, sizeof *site);
    site_start(site, "[::1]:0", 2, PATIENT_S);
    check_alive(site);
    void *owned = site;
    teardown(&owned);
}

static void
test_the_client_reports_what_is_wrong(void **state)
{
    struct site *site = *state;
    struct buffer out = {0};
    struct error err;
    int status;
    int fd;
    int port;
    assert_int_equal(http_listen("127.0.0.1:0", &fd, &port, &err), 0);
    close(fd);
    char nobody[32];
    snprintf(nobody, sizeof nobody, "127.0.0.1:%d", port);
    assert_int_equal(http_client_call(nobody, "/", NULL, NULL, 5, &out, &status, &err), ERR_RETRY);
    assert_non_null(strstr(err.message, nobody));
    assert_int_equal(http_client_call("a b:1", "/", NULL, NULL, 5, &out, &status, &err), ERR_USAGE);
    assert_int_equal(http_client_call(site->address, "/wait", NULL, NULL, 1, &out, &status, &err),
                     ERR_RETRY);
    buffer_append_text(&out, "kept");
    int rc;
    int attempts = 0;
    do /* on a loaded machine the server may drop this client as a slow reader */
        rc =
            http_client_call(site->address, "/large?67108865", NULL, NULL, 60, &out, &status, &err);
    while (rc == ERR_RETRY && ++attempts < 20);
    assert_int_equal(rc, ERR_DATA);
    assert_string_equal(buffer_string(&out), "kept");
    buffer_free(&out);
}

#define ON_SITE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define ON_IMPATIENT(test) cmocka_unit_test_setup_teardown(test, setup_impatient, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_targets_are_decoded_and_checked),
        cmocka_unit_test(test_a_bearer_token_must_match_completely),
        ON_SITE(test_the_handler_gets_the_request),
        ON_SITE(test_answers_have_their_defaults),
        ON_SITE(test_head_is_get_without_the_body),
        ON_SITE(test_a_wrong_method_is_answered_with_those_of_the_path),
        cmocka_unit_test(test_an_unknown_path_is_answered_with_the_closest_routes),
        ON_SITE(test_other_methods_are_not_implemented),
        ON_SITE(test_path_tricks_are_refused),
        ON_SITE(test_F58_a_body_above_the_limit_is_refused),
        ON_SITE(test_F58_a_chunked_body_above_the_limit_is_refused),
        ON_SITE(test_F58_a_head_above_the_limit_is_refused),
        ON_IMPATIENT(test_F58_stalled_requests_are_dropped),
        ON_IMPATIENT(test_F58_trickling_requests_are_dropped),
        ON_SITE(test_F58_slow_readers_are_dropped),
        ON_SITE(test_random_bytes_do_not_affect_other_clients),
        ON_SITE(test_pipelined_requests_are_answered_in_turn),
        ON_SITE(test_a_refused_body_is_not_read_as_a_request),
        ON_SITE(test_many_connections_are_served_at_once),
        ON_IMPATIENT(test_a_long_handler_is_not_interrupted),
        cmocka_unit_test(test_L10_connections_above_the_limit_are_closed),
        ON_SITE(test_concurrent_calls_do_not_mix),
        cmocka_unit_test(test_stop_waits_for_running_handlers),
        ON_SITE(test_an_address_that_cannot_be_listened_on_is_named),
        cmocka_unit_test(test_ipv6_address_is_served),
        ON_SITE(test_the_client_reports_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
