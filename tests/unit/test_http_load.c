/* A server with more clients than it serves at once, and hostile ones (L10, F111). */
#include "tests/unit/http_site.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "tests/unit/random_input.h"

/* Waits until the connection has a seat: then the server has answered "100 Continue". */
static int
begin_body(struct site *site, size_t bytes)
{
    struct buffer out = {0};
    struct buffer head = {0};
    int fd = site_connect(site);
    buffer_append_format(&head, "POST /a HTTP/1.1\r\nContent-Length: %zu\r\n", bytes);
    buffer_append_text(&head, "Expect: 100-continue\r\n" LAST);
    assert_true(site_send(fd, head.data, head.bytes));
    assert_true(site_receive(fd, &out));
    assert_int_equal(strncmp(buffer_string(&out), "HTTP/1.1 100", 12), 0);
    buffer_free(&head);
    buffer_free(&out);
    return fd;
}

static void
finish_body(int fd, size_t bytes)
{
    struct buffer out = {0};
    char body[BODY_BYTES_MAX];
    assert_true(bytes <= sizeof body);
    memset(body, 'x', sizeof body);
    assert_true(site_send(fd, body, bytes));
    assert_non_null(strstr(site_receive_all(fd, &out), "HTTP/1.1 200"));
    buffer_free(&out);
}

/* A request above the limit is answered 503; when one ends, another is accepted. */
static void
test_L10_requests_above_the_limit_are_answered_503(void **state)
{
    (void)state;
    struct site *site = calloc(1, sizeof *site);
    site_start(site, "127.0.0.1:0", 2, PATIENT_S);
    const char request[] = "GET /wait HTTP/1.1\r\n" LAST;
    int fds[2];
    struct buffer out = {0};
    for (int i = 0; i < 2; i++) {
        fds[i] = site_connect(site);
        assert_true(site_send(fds[i], request, strlen(request)));
    }
    site_await_waiting(site, 2);
    site_exchange(site, request, strlen(request), &out);
    assert_non_null(strstr(buffer_string(&out), "HTTP/1.1 503"));
    assert_non_null(strstr(buffer_string(&out), "Retry-After: 1\r\n"));
    site_open(site);
    buffer_clear(&out);
    for (int i = 0; i < 2; i++)
        assert_non_null(strstr(site_receive_all(fds[i], &out), "GET /wait"));
    int64_t begin = clock_monotonic_us();
    while (!site_has_room(site))
        assert_true(clock_monotonic_us() - begin < (int64_t)PATIENCE_MS * US_PER_MS);
    buffer_free(&out);
    void *owned = site;
    site_teardown(&owned);
}

/* What is refused for its head is answered although no byte of the body was sent, and "Expect" does
 * not ask for the body. */
static void
test_F111_a_refusal_does_not_wait_for_the_body(void **state)
{
    struct buffer out = {0};
    static const char *const heads[] = {
        "POST /refused HTTP/1.1\r\nContent-Length: 900\r\n" HOST "\r\n",
        "POST /refused HTTP/1.1\r\nContent-Length: 900\r\nExpect: 100-continue\r\n" HOST "\r\n",
        "POST /refused HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" HOST "\r\n",
    };
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        buffer_clear(&out);
        site_exchange(*state, heads[i], strlen(heads[i]), &out);
        assert_int_equal(strncmp(buffer_string(&out), "HTTP/1.1 401", 12), 0);
    }
    struct http_stats stats;
    http_server_read_stats(((struct site *)*state)->server, &stats);
    assert_int_equal(stats.bodies_bytes_peak, 0);
    buffer_free(&out);
}

/* The client is still sending when it is refused. A socket that is closed with unread bytes resets
 * the connection, and the answer may be lost. */
static void
test_F111_a_refusal_resets_no_client_that_sends(void **state)
{
    const char head[] = "POST /refused HTTP/1.1\r\nContent-Length: 9000000\r\n" HOST "\r\n";
    struct buffer out = {0};
    size_t bytes = 300000;
    uint8_t *body = calloc(1, bytes);
    int fd = site_connect(*state);
    assert_true(site_send(fd, head, strlen(head)));
    assert_true(site_send(fd, body, bytes));
    while (site_receive(fd, &out))
        continue;
    assert_int_equal(strncmp(buffer_string(&out), "HTTP/1.1 401", 12), 0);
    struct pollfd reset = {.fd = fd};
    assert_int_equal(poll(&reset, 1, 200), 0);
    close(fd);
    free(body);
    buffer_free(&out);
}

static void
test_F111_get_has_no_body(void **state)
{
    site_check_raw(*state, "GET /a HTTP/1.1\r\nContent-Length: 0\r\n" LAST, "HTTP/1.1 200");
    site_check_raw(*state, "GET /a HTTP/1.1\r\nContent-Length: 1\r\n" LAST, "HTTP/1.1 413");
    site_check_raw(*state, "GET /health HTTP/1.1\r\nContent-Length: 1\r\n" LAST, "HTTP/1.1 413");
    site_check_raw(*state, "GET /health HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" LAST,
                   "HTTP/1.1 413");
}

/* One body uses the memory of all bodies: another is refused at once, with and without a length. */
static void
test_F111_bodies_have_one_budget(void **state)
{
    struct site *site = *state;
    struct http_stats stats;
    http_server_set_limits(site->server, BODY_BYTES_MAX, BODY_BYTES_MAX);
    int fd = begin_body(site, 900);
    site_check_raw(site, "POST /a HTTP/1.1\r\nContent-Length: 101\r\n" LAST, "HTTP/1.1 503");
    site_check_raw(
        site,
        "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" LAST
        "3d\r\n0123456789012345678901234567890123456789012345678901234567890\r\n0\r\n\r\n",
        "HTTP/1.1 503");
    site_check_raw(site, "POST /a HTTP/1.1\r\nContent-Length: 2\r\n" LAST "ab", "HTTP/1.1 200");
    site_check_alive(site);
    http_server_read_stats(site->server, &stats);
    assert_int_equal(stats.bodies_bytes, 900);
    assert_int_equal(stats.refused, 2);
    finish_body(fd, 900);
    finish_body(begin_body(site, 101), 101);
    http_server_read_stats(site->server, &stats);
    assert_true(stats.bodies_bytes_peak <= BODY_BYTES_MAX);
}

/* A lower limit holds for the next request; one that has begun keeps its own. */
static void
test_F114_limits_change_while_a_body_is_read(void **state)
{
    struct site *site = *state;
    int fd = begin_body(site, 900);
    http_server_set_limits(site->server, 10, 10);
    site_check_raw(site, "POST /a HTTP/1.1\r\nContent-Length: 11\r\n" LAST, "HTTP/1.1 413");
    site_check_raw(site, "POST /a HTTP/1.1\r\nContent-Length: 1\r\n" LAST, "HTTP/1.1 503");
    finish_body(fd, 900);
    http_server_set_limits(site->server, 2000, 2000);
    site_check_raw(site, "POST /a HTTP/1.1\r\nContent-Length: 2\r\n" LAST "ab", "HTTP/1.1 200");
}

/* Bodies that do not arrive take all seats, and heads that do not arrive all other connections: the
 * health check is answered. */
static void
test_F111_slow_clients_do_not_shut_out_the_health_check(void **state)
{
    (void)state;
    enum { SEATS = 3, HEADS = HTTP_RESERVE + SEATS + 50 };
    struct site *site = calloc(1, sizeof *site);
    struct http_stats stats;
    int fds[SEATS + HEADS];
    site_start(site, "127.0.0.1:0", SEATS, PATIENT_S);
    for (int i = 0; i < SEATS; i++)
        fds[i] = begin_body(site, 10);
    for (int i = SEATS; i < SEATS + HEADS; i++) {
        fds[i] = site_connect(site);
        site_send(fds[i], "GET /he", 7);
    }
    assert_false(site_has_room(site));
    for (int i = 0; i < 10; i++)
        site_check_call(site, "/health", NULL, 200, "GET /health - 0 ");
    http_server_read_stats(site->server, &stats);
    assert_true(stats.dropped >= HEADS - HTTP_RESERVE);
    for (int i = 0; i < SEATS; i++)
        finish_body(fds[i], 10); /* a body that has begun is not dropped */
    for (int i = SEATS; i < SEATS + HEADS; i++)
        close(fds[i]);
    void *owned = site;
    site_teardown(&owned);
}

/* A client with a random fault. It ends when the server closes, or by itself. */
static int
attack(struct site *site)
{
    static const char *const texts[] = {
        "",
        "GET /hea",
        "GET /health HTTP/1.1\r\n" HOST "X: y\r\n",
        "GET /health HTTP/1.1\r\n" HOST "\r\n",
        "GET /health HTTP/1.1\r\nContent-Length: 900\r\n" HOST "\r\n",
        "POST /a HTTP/1.1\r\nContent-Length: 900\r\n" HOST "\r\nx",
        "POST /a HTTP/1.1\r\nContent-Length: 900\r\nExpect: 100-continue\r\n" HOST "\r\n",
        "POST /a HTTP/1.1\r\nContent-Length: 99999999999\r\n" HOST "\r\n0123456789",
        "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" HOST "\r\n3\r\nabc\r\n",
        "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" HOST "\r\nfffffff\r\nabc",
        "POST /refused HTTP/1.1\r\nContent-Length: 900\r\n" HOST "\r\nx",
        "GET /large?300000 HTTP/1.1\r\n" HOST "\r\n",
    };
    const char *text = texts[random_below(sizeof texts / sizeof texts[0])];
    int fd = site_connect(site);
    site_send(fd, text, strlen(text));
    return fd;
}

/* As many as the connections of the server, each with another fault, come and go. */
static void
test_F111_hostile_clients_while_the_health_is_asked(void **state)
{
    (void)state;
    enum { SEATS = 20, ATTACKERS = 150, ROUNDS = 600 };
    struct site *site = calloc(1, sizeof *site);
    struct http_stats stats;
    int fds[ATTACKERS];
    random_seed();
    site_start(site, "127.0.0.1:0", SEATS, PATIENT_S);
    http_server_set_limits(site->server, BODY_BYTES_MAX, 5 * BODY_BYTES_MAX);
    for (int i = 0; i < ATTACKERS; i++)
        fds[i] = attack(site);
    for (int i = 0; i < ROUNDS; i++) {
        size_t which = random_below(ATTACKERS);
        close(fds[which]);
        fds[which] = attack(site);
        if (i % 20 == 0)
            site_check_call(site, "/health", NULL, 200, "GET /health - 0 ");
    }
    for (int i = 0; i < ATTACKERS; i++)
        close(fds[i]);
    int64_t begin = clock_monotonic_us();
    do {
        http_server_read_stats(site->server, &stats);
        assert_true(clock_monotonic_us() - begin < (int64_t)PATIENCE_MS * US_PER_MS);
    } while (stats.connections > 0 || stats.bodies_bytes > 0);
    assert_true(stats.bodies_bytes_peak > BODY_BYTES_MAX);
    assert_true(stats.bodies_bytes_peak <= 5 * BODY_BYTES_MAX);
    site_check_alive(site);
    void *owned = site;
    site_teardown(&owned);
}

#define ON_SITE(test) cmocka_unit_test_setup_teardown(test, site_setup, site_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_L10_requests_above_the_limit_are_answered_503),
        ON_SITE(test_F111_a_refusal_does_not_wait_for_the_body),
        ON_SITE(test_F111_a_refusal_resets_no_client_that_sends),
        ON_SITE(test_F111_get_has_no_body),
        ON_SITE(test_F111_bodies_have_one_budget),
        ON_SITE(test_F114_limits_change_while_a_body_is_read),
        cmocka_unit_test(test_F111_slow_clients_do_not_shut_out_the_health_check),
        cmocka_unit_test(test_F111_hostile_clients_while_the_health_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
