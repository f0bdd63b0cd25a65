/* A real server on the loopback interface, called by our client and by raw sockets that violate the
 * protocol (F58). */
#include "tests/unit/http_site.h"

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
#include "tests/unit/random_input.h"

static void
test_the_handler_gets_the_request(void **state)
{
    site_check_call(*state, "/a%20b?c=%20d", NULL, 200, "GET /a b c=%20d 0 ");
    site_check_call(*state, "/ops", "{\"a\":1}", 200, "POST /ops - 7 {\"a\":1}");
    site_check_raw(*state, "PUT /p HTTP/1.1\r\nContent-Length: 2\r\n" LAST "ab", "HTTP/1.1 200");
    site_check_raw(*state, "DELETE /p HTTP/1.1\r\n" LAST, "HTTP/1.1 200");
}

static void
test_answers_have_their_defaults(void **state)
{
    site_check_call(*state, "/untouched", NULL, 200, "{}");
    site_check_call(*state, "/nothing", NULL, 204, "");
    site_check_call(*state, "/secret", NULL, 401, "{\"error\":\"who are you, \\\"x\\n\\\"?\"}");
    struct buffer out = {0};
    const char request[] = "GET /secret HTTP/1.1\r\n" LAST;
    site_exchange(*state, request, strlen(request), &out);
    assert_non_null(strstr(buffer_string(&out), "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(buffer_string(&out), "\r\nWWW-Authenticate: Bearer\r\n"));
    buffer_free(&out);
}

static void
test_a_wrong_method_is_answered_with_those_of_the_path(void **state)
{
    struct buffer out = {0};
    const char request[] = "DELETE /dumps HTTP/1.1\r\n" LAST;
    site_exchange(*state, request, strlen(request), &out);
    const char *answer = buffer_string(&out);
    assert_int_equal(strncmp(answer, "HTTP/1.1 405", 12), 0);
    assert_non_null(strstr(answer, "\r\nAllow: GET, PUT\r\n"));
    assert_non_null(strstr(
        answer, "{\"error\":\"DELETE is not allowed for this path, which takes GET, PUT\"}"));
    buffer_free(&out);
}

static void
test_head_is_get_without_the_body(void **state)
{
    struct buffer out = {0};
    const char request[] = "HEAD /large?500 HTTP/1.1\r\n" LAST;
    site_exchange(*state, request, strlen(request), &out);
    const char *answer = buffer_string(&out);
    assert_non_null(strstr(answer, "\r\nContent-Length: 500\r\n"));
    assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
    buffer_free(&out);
}

static void
test_other_methods_are_not_implemented(void **state)
{
    site_check_raw(*state, "PATCH /a HTTP/1.1\r\n" LAST, "HTTP/1.1 501");
    site_check_raw(*state, "OPTIONS * HTTP/1.1\r\n" LAST, "HTTP/1.1 501");
    site_check_raw(*state, "get /a HTTP/1.1\r\n" LAST, "HTTP/1.1 501");
    site_check_raw(*state, "PATCH /a HTTP/1.1\r\nContent-Length: 3\r\n" HOST "\r\nGET",
                   "HTTP/1.1 501");
}

static void
test_path_tricks_are_refused(void **state)
{
    static const char *const paths[] = {"/a/../b", "/%2e%2e/b", "/%00", "/a%zz", "http://x/a"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct buffer text = {0};
        buffer_append_format(&text, "GET %s HTTP/1.1\r\n" LAST, paths[i]);
        site_check_raw(*state, buffer_string(&text), "HTTP/1.1 400");
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
    site_check_call(*state, "/a", buffer_string(&body), 200, buffer_string(&answer));
    buffer_append(&body, "x", 1);
    site_check_call(*state, "/a", buffer_string(&body), 413, refusal);
    size_t bytes = 2000000;
    memset(buffer_reserve(&body, bytes), 'x', bytes);
    body.bytes += bytes;
    site_check_call(*state, "/a", buffer_string(&body), 413, refusal);
    site_check_raw(*state, "POST /a HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n" LAST,
                   "HTTP/1.1 4");
    site_check_raw(*state, "POST /a HTTP/1.1\r\nContent-Length: -1\r\n" LAST, "HTTP/1.1 400");
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
    site_check_raw(*state, buffer_string(&request), "HTTP/1.1 413");
    buffer_free(&request);
    site_check_raw(*state,
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
    site_check_raw(*state, buffer_string(&request), "HTTP/1.1 431");
    buffer_clear(&request);
    buffer_append_text(&request, "GET /");
    for (int i = 0; i < 50000; i++)
        buffer_append(&request, "a", 1);
    buffer_append_text(&request, " HTTP/1.1\r\n" LAST);
    site_check_raw(*state, buffer_string(&request), "HTTP/1.1 414");
    buffer_free(&request);
    site_check_alive(*state);
}

/* Sends `text` and then nothing: the server closes the connection, and answers others meanwhile. */
static void
check_stall(struct site *site, const char *text)
{
    struct buffer out = {0};
    int fd = site_connect(site);
    assert_true(site_send(fd, text, strlen(text)));
    site_check_alive(site);
    site_receive_all(fd, &out);
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
    int fd = site_connect(site);
    assert_true(site_send(fd, text, strlen(text)));
    while (site_send(fd, drop, strlen(drop))) {
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

/* Reads a large answer in pieces of `sip_bytes` with pauses. The server, which has one seat
 * only, closes it and answers others. */
static void
check_slow_reader(size_t sip_bytes)
{
    const char request[] = "GET /large?30000000 HTTP/1.1\r\n" HOST "\r\n";
    struct site *site = calloc(1, sizeof *site);
    site_start(site, "127.0.0.1:0", 1, TIMEOUT_S);
    int64_t begin = clock_monotonic_us();
    int fd = site_connect(site);
    assert_true(site_send(fd, request, strlen(request)));
    struct buffer sip = {0};
    site_receive(fd, &sip); /* the server has accepted the connection */
    while (!site_has_room(site)) {
        clock_sleep_ms(100);
        recv(fd, buffer_reserve(&sip, sip_bytes), sip_bytes, MSG_DONTWAIT);
        assert_true(clock_monotonic_us() - begin < (int64_t)PATIENCE_MS * US_PER_MS);
    }
    assert_true(clock_monotonic_us() - begin >= (int64_t)TIMEOUT_S * US_PER_S);
    close(fd);
    buffer_free(&sip);
    void *owned = site;
    site_teardown(&owned);
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
        int fd = site_connect(*state);
        site_send(fd, noise, bytes);
        site_send(fd, "\r\n\r\n", 4);
        shutdown(fd, SHUT_WR);
        struct buffer out = {0};
        site_receive_all(fd, &out);
        buffer_free(&out);
    }
    site_check_raw(*state, "\r\n\r\nGET /a HTTP/1.1\r\n" LAST, "HTTP/1.1 200");
    site_check_raw(*state, "GET /a HTTP/1.1\r\nConnection: close\r\n\r\n",
                   "HTTP/1.1 400"); /* no Host */
    site_check_alive(*state);
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
    site_exchange(*state, two, strlen(two), &out);
    assert_int_equal(count(buffer_string(&out), "HTTP/1.1 200"), 2);
    assert_true(strstr(buffer_string(&out), "POST /1 - 2 ab") <
                strstr(buffer_string(&out), "GET /2 - 0"));
    buffer_clear(&out);
    const char rubbish[] = "GET /1 HTTP/1.1\r\n" HOST "\r\n\x01\x02\x03 rubbish\r\n\r\n";
    site_exchange(*state, rubbish, sizeof rubbish - 1, &out);
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
        site_exchange(*state, text.data, text.bytes, &out);
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
        fds[i] = site_connect(*state);
        assert_true(site_send(fds[i], request, strlen(request)));
    }
    site_await_waiting(*state, MANY); /* all handlers run at the same time */
    site_check_alive(*state);
    site_open(*state);
    for (int i = 0; i < MANY; i++) {
        struct buffer out = {0};
        assert_non_null(strstr(site_receive_all(fds[i], &out), "GET /wait"));
        buffer_free(&out);
    }
}

/* The time that a handler takes does not count as the client's. */
static void
test_a_long_handler_is_not_interrupted(void **state)
{
    struct buffer out = {0};
    const char request[] = "GET /wait HTTP/1.1\r\n" LAST;
    int fd = site_connect(*state);
    assert_true(site_send(fd, request, strlen(request)));
    site_await_waiting(*state, 1);
    clock_sleep_ms((2 * TIMEOUT_S + 2) * MS_PER_S);
    site_open(*state);
    assert_non_null(strstr(site_receive_all(fd, &out), "GET /wait"));
    buffer_free(&out);
}

enum { CALLERS = 8, CALLS = 50 };

static void *
call_often(void *site)
{
    for (int i = 0; i < CALLS; i++)
        if (!site_answers(site, "/g", NULL, 200, "GET /g - 0 ") ||
            !site_answers(site, "/p", "{}", 200, "POST /p - 2 {}"))
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
    int running = site_connect(site);
    assert_true(site_send(running, request, strlen(request)));
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
    assert_non_null(strstr(site_receive_all(running, &out), "GET /wait"));
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
    site_check_alive(site);
    void *owned = site;
    site_teardown(&owned);
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

#define ON_SITE(test) cmocka_unit_test_setup_teardown(test, site_setup, site_teardown)
#define ON_IMPATIENT(test) \
    cmocka_unit_test_setup_teardown(test, site_setup_impatient, site_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        ON_SITE(test_the_handler_gets_the_request),
        ON_SITE(test_answers_have_their_defaults),
        ON_SITE(test_head_is_get_without_the_body),
        ON_SITE(test_a_wrong_method_is_answered_with_those_of_the_path),
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
        ON_SITE(test_concurrent_calls_do_not_mix),
        cmocka_unit_test(test_stop_waits_for_running_handlers),
        ON_SITE(test_an_address_that_cannot_be_listened_on_is_named),
        cmocka_unit_test(test_ipv6_address_is_served),
        ON_SITE(test_the_client_reports_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
