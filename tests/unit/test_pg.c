/* libpq against a server that follows a script: the states of a session, without a database. The
 * integration tests run the statements on a real one. */
#include "tests/unit/unit_test.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/shutdown.h"
#include "common/pg/pg.h"

/* A script is a row of letters:
 *   wait for   Q a query   X a query with parameters   f a failed COPY IN   k a cancel request
 *              x the end of the session, and nothing else
 *   send       A authenticated   E+SQLSTATE an error   C command complete   Z ready   I empty query
 *              T one column   D a row with "42"   N a row with null
 *              H copy out   G copy in   d "row;"   c copy done
 *   else       / the next message in two parts   ~ a rest   ! the connection is closed
 */
struct script {
    const char *steps;
    int listener;
    int socket;
    int port;
    pthread_t thread;
    bool is_split;
    bool is_played; /* whether the script was played to its end */
};

static bool
script_read(int fd, void *data, size_t bytes)
{
    return bytes == 0 || recv(fd, data, bytes, MSG_WAITALL) == (ssize_t)bytes;
}

static uint32_t
script_length(const uint8_t bytes[4])
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* Reads messages up to one of `type`; 0 stands for the first packet, which has none. */
static bool
script_await(int fd, char type)
{
    char got = 0;
    do {
        uint8_t length[4];
        char body[8192];
        if ((type != 0 && !script_read(fd, &got, 1)) || !script_read(fd, length, sizeof length))
            return false;
        uint32_t bytes = script_length(length) - 4;
        if (bytes > sizeof body || !script_read(fd, body, bytes))
            return false;
    } while (got != type);
    return true;
}

static bool
script_next_is(const struct script *script, char type)
{
    char got;
    return script_read(script->socket, &got, 1) && got == type;
}

static bool
script_send(struct script *script, char type, const char *body, size_t bytes)
{
    struct buffer out = {0};
    size_t length = bytes + 4;
    uint8_t head[] = {(uint8_t)type, 0, 0, (uint8_t)(length >> 8), (uint8_t)length};
    buffer_append(&out, head, sizeof head);
    buffer_append(&out, body, bytes);
    size_t first = script->is_split ? 3 : 0;
    script->is_split = false;
    bool sent = send(script->socket, out.data, first, MSG_NOSIGNAL) == (ssize_t)first;
    if (first > 0)
        clock_sleep_ms(50);
    size_t rest = out.bytes - first;
    sent = sent && send(script->socket, out.data + first, rest, MSG_NOSIGNAL) == (ssize_t)rest;
    buffer_free(&out);
    return sent;
}

static bool
script_take_cancel(struct script *script)
{
    int fd = accept(script->listener, NULL, NULL);
    bool taken = fd >= 0 && script_await(fd, 0);
    close(fd);
    return taken;
}

#define SEND(type, body) script_send(script, type, (body), sizeof(body) - 1)

static bool
script_send_error(struct script *script, const char *state)
{
    char body[] = "SERROR\0C00000\0Mno such luck\0";
    memcpy(strchr(body, '\0') + 2, state, 5);
    return script_send(script, 'E', body, sizeof body); /* with its terminating zero */
}

static bool
script_step(struct script *script, char step)
{
    switch (step) {
    case 'Q':
    case 'f':
        return script_await(script->socket, step);
    case 'X':
        return script_await(script->socket, 'S') && SEND('1', "") && SEND('2', "");
    case 'k':
        return script_take_cancel(script);
    case 'x':
        return script_next_is(script, 'X');
    case 'A':
        return SEND('R', "\0\0\0\0") && SEND('K', "\0\0\0\52\0\0\0\2"); /* process 42 */
    case 'C':
        return SEND('C', "UPDATE 3\0");
    case 'Z':
        return SEND('Z', "I");
    case 'T':
        return SEND('T', "\0\1n\0\0\0\0\0\0\0\0\0\0\24\0\10\377\377\377\377\0\0");
    case 'D':
        return SEND('D', "\0\1\0\0\0\00242");
    case 'N':
        return SEND('D', "\0\1\377\377\377\377");
    case 'd':
        return SEND('d', "row;");
    case 'H':
    case 'G':
        return SEND(step, "\0\0\0");
    case 'I':
    case 'c':
        return SEND(step, "");
    case '/':
        return script->is_split = true;
    case '~':
        clock_sleep_ms(300);
        return true;
    case '!':
        return shutdown(script->socket, SHUT_RDWR) == 0;
    default:
        return false;
    }
}

static bool
script_play(struct script *script)
{
    for (const char *step = script->steps; *step != '\0'; step++) {
        bool done;
        if (*step == 'E') {
            done = script_send_error(script, step + 1);
            step += 5;
        } else {
            done = script_step(script, *step);
        }
        if (!done)
            return false;
    }
    return true;
}

static void *
script_run(void *context)
{
    struct script *script = context;
    script->socket = accept(script->listener, NULL, NULL);
    script->is_played =
        script->socket >= 0 && script_await(script->socket, 0) && script_play(script);
    char rest;
    while (script->is_played && recv(script->socket, &rest, 1, 0) > 0)
        continue; /* until the client goes */
    close(script->socket);
    return NULL;
}

static void
script_start(struct script *script, const char *steps)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof name;
    *script = (struct script){.steps = steps, .listener = socket(AF_INET, SOCK_STREAM, 0)};
    assert_int_equal(bind(script->listener, (struct sockaddr *)&name, sizeof name), 0);
    assert_int_equal(listen(script->listener, 5), 0);
    assert_int_equal(getsockname(script->listener, (struct sockaddr *)&name, &bytes), 0);
    script->port = ntohs(name.sin_port);
    assert_int_equal(pthread_create(&script->thread, NULL, script_run, script), 0);
}

/* Closes the session, and checks that every step was played. */
static void
script_end(struct script *script, struct pg *pg)
{
    pg_close(pg);
    pthread_join(script->thread, NULL);
    close(script->listener);
    if (!script->is_played)
        fail_msg("the script was not played to its end: %s", script->steps);
}

static int
connect_to(const struct script *script, struct pg **pg, struct error *err)
{
    char *conninfo = memory_format("host=127.0.0.1 port=%d user=u dbname=d password=s3cret "
                                   "sslmode=disable gssencmode=disable",
                                   script->port);
    int rc = pg_connect(conninfo, "test", pg, err);
    free(conninfo);
    return rc;
}

/* Opens a session; `steps` come after the statements that ask for its process and pin its settings.
 */
static struct pg *
open_session(struct script *script, const char *steps)
{
    static char all[256];
    struct pg *pg;
    struct error err;
    snprintf(all, sizeof all, "AZQTDCZQCZ%s", steps);
    script_start(script, all);
    if (connect_to(script, &pg, &err) != 0)
        fail_msg("%s", err.message);
    return pg;
}

static void
check_free(struct pg *pg)
{
    struct error err;
    if (pg_exec(pg, "SELECT", &err) != 0)
        fail_msg("%s", err.message);
}

static void
test_F56_connection_strings_are_checked_and_not_shown(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "d",
        "host=h password=my s3cret",
        "host=h password='s3cret",
        "host=h s3cret",
        "host=h passwort=s3cret",
        "postgres://u:100%s3cret@h/d",
        "postgres://u:p@s3cret@h/d",
        "postgres://u:s3cret/p@h/d",
        "postgres://u@[s3cret/d",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct pg *pg;
        struct error err;
        if (pg_connect(wrong[i], "test", &pg, &err) != ERR_USAGE)
            fail_msg("%s: %s", wrong[i], err.message);
        assert_null(strstr(err.message, "s3cret"));
    }
}

/* A connection that fails is a retriable error. */
static void
test_failed_connections_may_be_retried(void **state)
{
    (void)state;
    static const char *const endings[] = {
        "!", "E28P01!", "E57P03!", "AZQE42501Z", "AZQ!", "AZQTDCZQE42501Z", "AZQTDCZQ!",
    };
    static const int codes[] = {ERR_RETRY, ERR_RETRY, ERR_RETRY, ERR_FATAL,
                                ERR_RETRY, ERR_FATAL, ERR_RETRY};
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        struct script script;
        struct pg *pg;
        struct error err;
        script_start(&script, endings[i]);
        if (connect_to(&script, &pg, &err) != codes[i])
            fail_msg("%s: %s", endings[i], err.message);
        assert_null(strstr(err.message, "s3cret"));
        script_end(&script, NULL);
        assert_int_equal(connect_to(&script, &pg, &err), ERR_RETRY); /* there is no server */
        assert_null(strstr(err.message, "s3cret"));
    }
}

/* A session that a pooler shares gets no setting: nothing follows the question. */
static void
test_F119_a_pooler_is_refused_before_the_first_setting(void **state)
{
    (void)state;
    struct script script;
    struct pg *pg;
    struct error err;
    script_start(&script, "AZQTNCZx");
    assert_int_equal(connect_to(&script, &pg, &err), ERR_FATAL);
    assert_non_null(strstr(err.message, "connection pooler"));
    script_end(&script, NULL);
}

static void
test_errors_are_classed_by_sqlstate(void **state)
{
    (void)state;
    struct script script;
    struct error err;
    struct pg *pg = open_session(&script, "QE42P01ZQE40001ZQE55P03ZQE55000ZQE57P01Z");
    assert_int_equal(pg_exec(pg, "x", &err), ERR_FATAL);
    assert_string_equal(pg_last_sqlstate(pg), "42P01");
    assert_string_equal(err.message, "postgres: ERROR:  no such luck");
    assert_int_equal(pg_exec(pg, "x", &err), ERR_RETRY);
    assert_string_equal(pg_last_sqlstate(pg), "40001");
    assert_int_equal(pg_exec(pg, "x", &err), ERR_RETRY);
    assert_int_equal(pg_exec(pg, "x", &err), ERR_FATAL);
    assert_int_equal(pg_exec(pg, "x", &err), ERR_RETRY);
    assert_false(pg_is_lost(pg));
    script_end(&script, pg);
}

/* 54000: jsonb above 1 GB as text; 22P05: a character that UTF-8 does not have. */
static void
test_F103_errors_of_a_row_are_told_from_others(void **state)
{
    (void)state;
    struct script script;
    struct error err;
    struct pg *pg = open_session(&script, "QE54000ZQE22P05ZQEXX000ZQE42501ZQE53200ZQE57014Z");
    for (int i = 0; i < 6; i++) {
        assert_int_not_equal(pg_exec(pg, "x", &err), 0);
        assert_int_equal(pg_failed_on_a_row(pg), i < 3);
    }
    script_end(&script, pg);
}

static void
test_a_lost_connection_is_detected_and_stays_lost(void **state)
{
    (void)state;
    struct script script;
    struct error err;
    struct pg_result *result = NULL;
    struct pg *pg = open_session(&script, "QE42P01ZQ!");
    assert_int_equal(pg_exec(pg, "x", &err), ERR_FATAL);
    assert_int_equal(pg_exec(pg, "x", &err), ERR_RETRY);
    assert_true(pg_is_lost(pg));
    assert_string_equal(pg_last_sqlstate(pg), "");
    assert_int_equal(pg_query(pg, "x", 0, NULL, &result, &err), ERR_RETRY);
    assert_null(result);
    assert_int_equal(pg_copy_start(pg, "x", &err), ERR_RETRY);
    assert_int_equal(pg_copy_cancel(pg, &err), ERR_RETRY);
    script_end(&script, pg);
}

static void
test_a_query_returns_values(void **state)
{
    (void)state;
    struct script script;
    struct error err;
    struct pg_result *result;
    struct pg *pg = open_session(&script, "XTDNCZXE22P02ZQCZ");
    const char *const params[] = {"a", NULL};
    assert_int_equal(pg_query(pg, "x", 2, params, &result, &err), 0);
    assert_int_equal(pg_rows(result), 2);
    assert_int_equal(pg_integer(result, 0, 0), 42);
    assert_false(pg_is_null(result, 0, 0));
    assert_true(pg_is_null(result, 1, 0));
    assert_string_equal(pg_text(result, 1, 0), "");
    assert_int_equal(pg_integer(result, 1, 0), 0);
    pg_result_clear(result);
    assert_int_equal(pg_query(pg, "x", 2, params, &result, &err), ERR_FATAL);
    check_free(pg);
    script_end(&script, pg);
}

/* An answer to another kind of statement is refused, and the session can be used again. */
/* Of several statements the last result stays. What was sent without waiting ends before the next
 * statement, and its error is not that of the next one. */
static void
test_statements_in_one_message_and_without_waiting(void **state)
{
    (void)state;
    struct script script;
    struct error err;
    struct pg_result *result;
    struct pg *pg = open_session(&script, "QCTDCZQE40001ZQTNCZQE42P01ZQ!");
    assert_int_equal(pg_query_last(pg, "x; y", &result, &err), 0);
    assert_int_equal(pg_integer(result, 0, 0), 42);
    pg_result_clear(result);
    assert_int_equal(pg_send(pg, "x", &err), 0);
    assert_int_equal(pg_query_last(pg, "x; y", &result, &err), 0);
    assert_true(pg_is_null(result, 0, 0));
    pg_result_clear(result);
    assert_int_equal(pg_query_last(pg, "x; y", &result, &err), ERR_FATAL);
    assert_int_equal(pg_exec(pg, "x", &err), ERR_RETRY);
    assert_int_equal(pg_send(pg, "x", &err), ERR_RETRY);
    script_end(&script, pg);
}

static void
test_unexpected_answers_leave_the_session_usable(void **state)
{
    (void)state;
    struct script script;
    struct error err;
    struct pg_result *result;
    struct pg *pg = open_session(&script, "QIZ"          /* nothing */
                                          "QHddkE57014Z" /* COPY TO STDOUT */
                                          "QGfE57014Z"   /* COPY FROM STDIN */
                                          "XHdkE57014Z"  /* the same as a query */
                                          "QCZ"          /* not a copy */
                                          "QTDCZ"        /* a copy that is a SELECT */
                                          "QGfE57014Z"   /* a copy the wrong way */
                                          "QCHdkE57014Z" /* two statements, the second a copy */
                                          "QE42P01Z"     /* a copy of an unknown table */
                                          "QCZ");
    assert_int_equal(pg_exec(pg, "", &err), ERR_FATAL);
    assert_int_equal(pg_exec(pg, "x", &err), ERR_FATAL);
    assert_string_equal(pg_last_sqlstate(pg), "");
    assert_int_equal(pg_exec(pg, "x", &err), ERR_FATAL);
    assert_int_equal(pg_query(pg, "x", 0, NULL, &result, &err), ERR_FATAL);
    assert_int_equal(pg_copy_start(pg, "x", &err), ERR_FATAL);
    assert_int_equal(pg_copy_start(pg, "x", &err), ERR_FATAL);
    assert_int_equal(pg_copy_start(pg, "x", &err), ERR_FATAL);
    assert_int_equal(pg_exec(pg, "x", &err), ERR_FATAL);
    assert_int_equal(pg_copy_start(pg, "x", &err), ERR_FATAL);
    check_free(pg);
    script_end(&script, pg);
}

static int
read_copy(struct pg *pg, struct buffer *out, struct error *err)
{
    bool done = false;
    int rc = 0;
    while (rc == 0 && !done)
        rc = pg_copy_read(pg, 1000, out, &done, err);
    if (rc != 0)
        assert_false(done);
    return rc;
}

static void
test_a_copy_is_read_to_its_end(void **state)
{
    (void)state;
    struct script script;
    struct error err;
    struct buffer out = {0};
    struct pg *pg = open_session(&script, "QH/dd~d/d/c/C/ZQHcCZQCZ");
    assert_int_equal(pg_copy_start(pg, "x", &err), 0);
    assert_int_equal(read_copy(pg, &out, &err), 0);
    assert_string_equal(buffer_string(&out), "row;row;row;row;");
    assert_int_equal(pg_copy_start(pg, "x", &err), 0);
    assert_int_equal(read_copy(pg, &out, &err), 0); /* an empty one appends nothing */
    assert_string_equal(buffer_string(&out), "row;row;row;row;");
    check_free(pg);
    buffer_free(&out);
    script_end(&script, pg);
}

static void
test_reading_a_copy_returns_when_nothing_arrives(void **state)
{
    (void)state;
    struct script script;
    struct error err;
    struct buffer out = {0};
    bool done = true;
    struct pg *pg = open_session(&script, "QH~dcCZ");
    assert_int_equal(pg_copy_start(pg, "x", &err), 0);
    assert_int_equal(pg_copy_read(pg, 1, &out, &done, &err), 0);
    assert_int_equal(out.bytes, 0);
    assert_false(done);
    assert_int_equal(read_copy(pg, &out, &err), 0);
    assert_string_equal(buffer_string(&out), "row;");
    buffer_free(&out);
    script_end(&script, pg);
}

static void
test_an_interrupted_copy_is_not_complete(void **state)
{
    (void)state;
    struct script script;
    struct error err;
    struct buffer out = {0};
    struct pg *pg = open_session(&script, "QHdE22012ZQHdcE40001ZQHd!");
    assert_int_equal(pg_copy_start(pg, "x", &err), 0);
    assert_int_equal(read_copy(pg, &out, &err), ERR_FATAL);
    assert_string_equal(pg_last_sqlstate(pg), "22012");
    assert_int_equal(pg_copy_start(pg, "x", &err), 0);
    assert_int_equal(read_copy(pg, &out, &err), ERR_RETRY); /* after its last row */
    assert_int_equal(pg_copy_start(pg, "x", &err), 0);
    assert_int_equal(read_copy(pg, &out, &err), ERR_RETRY);
    assert_true(pg_is_lost(pg));
    buffer_free(&out);
    script_end(&script, pg);
}

static void
test_a_cancelled_copy_leaves_the_session_usable(void **state)
{
    (void)state;
    struct script script;
    struct error err;
    struct pg *pg = open_session(&script, "QHdkddE57014Z" /* cancelled */
                                          "QHdkcCZ"       /* it had ended */
                                          "QHdkE22012Z"   /* it failed by itself */
                                          "QCZ");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pg_copy_start(pg, "x", &err), 0);
        assert_int_equal(pg_copy_cancel(pg, &err), i < 2 ? 0 : ERR_FATAL);
    }
    check_free(pg);
    script_end(&script, pg);
}

static void
test_a_session_may_be_closed_during_a_copy(void **state)
{
    (void)state;
    struct script script;
    struct error err;
    struct buffer out = {0};
    bool done;
    struct pg *pg = open_session(&script, "QHd");
    assert_int_equal(pg_copy_start(pg, "x", &err), 0);
    while (out.bytes == 0)
        assert_int_equal(pg_copy_read(pg, 1000, &out, &done, &err), 0);
    script_end(&script, pg);
    buffer_free(&out);
    pg_close(NULL);
    pg_result_clear(NULL);
}

static void
test_names_and_texts_are_quoted(void **state)
{
    (void)state;
    struct buffer out = {0};
    pg_append_identifier(&out, "app.Image \"x\"");
    buffer_append_text(&out, " = ");
    pg_append_literal(&out, "it's \\ \"so\"");
    assert_string_equal(buffer_string(&out), "\"app\".\"Image \"\"x\"\"\" = 'it''s \\ \"so\"'");
    buffer_free(&out);
}

/* The last test, because a shutdown cannot be taken back. */
static void
test_a_shutdown_ends_a_wait(void **state)
{
    (void)state;
    struct script script;
    struct error err;
    struct pg *pg = open_session(&script, "QkE57014ZQk");
    shutdown_request();
    assert_int_equal(pg_exec(pg, "x", &err), ERR_RETRY); /* cancelled */
    assert_string_equal(pg_last_sqlstate(pg), "57014");
    assert_false(pg_is_lost(pg));
    assert_int_equal(pg_exec(pg, "x", &err), ERR_RETRY); /* the server does not cancel */
    assert_non_null(strstr(err.message, "has not answered"));
    assert_true(pg_is_lost(pg));
    assert_int_equal(pg_exec(pg, "x", &err), ERR_RETRY);
    script_end(&script, pg);
    pg = open_session(&script, "QH");
    assert_int_equal(pg_copy_start(pg, "x", &err), 0);
    assert_int_equal(pg_copy_cancel(pg, &err), ERR_RETRY); /* it does not take the request */
    pg_close(pg);
    shutdown(script.listener, SHUT_RDWR);
    pthread_join(script.thread, NULL);
    close(script.listener);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_F56_connection_strings_are_checked_and_not_shown),
        cmocka_unit_test(test_failed_connections_may_be_retried),
        cmocka_unit_test(test_F119_a_pooler_is_refused_before_the_first_setting),
        cmocka_unit_test(test_errors_are_classed_by_sqlstate),
        cmocka_unit_test(test_F103_errors_of_a_row_are_told_from_others),
        cmocka_unit_test(test_a_lost_connection_is_detected_and_stays_lost),
        cmocka_unit_test(test_a_query_returns_values),
        cmocka_unit_test(test_statements_in_one_message_and_without_waiting),
        cmocka_unit_test(test_unexpected_answers_leave_the_session_usable),
        cmocka_unit_test(test_a_copy_is_read_to_its_end),
        cmocka_unit_test(test_reading_a_copy_returns_when_nothing_arrives),
        cmocka_unit_test(test_an_interrupted_copy_is_not_complete),
        cmocka_unit_test(test_a_cancelled_copy_leaves_the_session_usable),
        cmocka_unit_test(test_a_session_may_be_closed_during_a_copy),
        cmocka_unit_test(test_names_and_texts_are_quoted),
        cmocka_unit_test(test_a_shutdown_ends_a_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
