/* Happy path: a statement is sent, and pg_collect() waits for the whole result. Only a COPY is read
 * without blocking, so that its reader can do other work meanwhile.
 *
 * Failure modes: after a lost connection every call fails with ERR_RETRY. After an unexpected COPY
 * libpq would return the same result forever; pg_leave_copy() ends the COPY. A statement that waits
 * for a lock, or a server that does not answer, would hold up a shutdown: pg_wait_input() then
 * cancels the statement, and abandons the session when that has no effect.
 */
#include "common/pg/pg.h"

#include <errno.h>
#include <libpq-fe.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/shutdown.h"
#include "common/base/thread.h"

enum { WAIT_STEP_MS = 100, SHUTDOWN_GRACE_MS = 1000 };

struct pg {
    PGconn *connection;
    char sqlstate[6];
    bool copying;      /* pg_copy_start() succeeded, and the copy has not ended */
    bool is_abandoned; /* a statement was given up, and the server may still run it */
};

/* One wait for the server. Initialise with zeros. */
struct pg_wait {
    int64_t since_us; /* monotonic: when the shutdown was noticed, or the statement cancelled */
    bool is_cancelled;
};

/* The query on pg_settings skips the timeouts that the server does not have (idle_session_timeout
 * before 14, transaction_timeout before 17). It can take longer than the statement_timeout of some
 * roles, so that one is set first. row_security = off: an error instead of rows that are silently
 * left out. */
static const char session_settings[] =
    "SET statement_timeout = 0;"
    "SELECT set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name IN"
    " ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout',"
    " 'idle_session_timeout', 'transaction_timeout');"
    /* the server detects a peer that vanished, and releases its locks */
    "SET tcp_keepalives_idle = 30;"
    "SET tcp_keepalives_interval = 10;"
    "SET tcp_keepalives_count = 3;"
    "SET tcp_user_timeout = 60000;"
    "SET synchronous_commit = on;"
    "SET default_transaction_isolation = 'read committed';"
    "SET default_transaction_read_only = off;"
    "SET row_security = off;"
    "SET default_transaction_deferrable = off;"
    /* how statements are read and values are written; the database or the role may differ (F88) */
    "SET standard_conforming_strings = on;"
    "SET quote_all_identifiers = off;"
    "SET transform_null_equals = off;"
    "SET array_nulls = on;"
    "SET bytea_output = 'hex';"
    "SET intervalstyle = 'postgres';"
    "SET timezone = 'UTC';"
    "SET datestyle = 'ISO, YMD';"
    "SET extra_float_digits = 1;"
    "SET client_min_messages = warning";

/* SQLSTATE classes (or whole codes) of temporary errors; source: PostgreSQL manual, appendix "Error
 * Codes". */
static const char *const retriable_states[] = {
    "08", "40", "53", "57P", "58", "55P03", "57014", "25006",
};

/* A session that pg_connect() returned, or is about to return. */
static void
pg_check(const struct pg *pg)
{
    CHECK(pg != NULL);
    CHECK(pg->connection != NULL);
    CHECK(memchr(pg->sqlstate, '\0', sizeof pg->sqlstate) != NULL);
}

static bool
pg_state_is_retriable(const char *state)
{
    for (size_t i = 0; i < sizeof retriable_states / sizeof retriable_states[0]; i++)
        if (strncmp(state, retriable_states[i], strlen(retriable_states[i])) == 0)
            return true;
    return false;
}

/* The length of `message` without the line break at its end. */
static int
pg_trimmed(const char *message)
{
    size_t bytes = strlen(message);
    while (bytes > 0 && (message[bytes - 1] == '\n' || message[bytes - 1] == ' '))
        bytes--;
    CHECK(bytes <= INT_MAX);
    return (int)bytes;
}

/* Reports the error of `result`, or of the connection when `result` is NULL. An error without an
 * SQLSTATE comes from libpq: the connection or the protocol failed, or memory is short. */
static int
pg_fail(struct pg *pg, const PGresult *result, struct error *err)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorMessage(result);
    if (pg->is_abandoned) {
        pg->sqlstate[0] = '\0';
        return error_set(err, ERR_RETRY,
                         "postgres: the program stops, and the server has not answered");
    }
    if (*message == '\0')
        message = PQerrorMessage(pg->connection);
    snprintf(pg->sqlstate, sizeof pg->sqlstate, "%s", state != NULL ? state : "");
    bool retriable = state == NULL || pg_state_is_retriable(state) || pg_is_lost(pg);
    return error_set(err, retriable ? ERR_RETRY : ERR_FATAL, "postgres: %.*s", pg_trimmed(message),
                     message);
}

static void
pg_ignore_notice(void *context, const PGresult *result)
{
    (void)context;
    (void)result;
}

/* A host with '@' or a port with letters is a part of a password that was not percent-encoded, and
 * libpq's messages would contain it. A host may begin with '@': an abstract socket. */
static bool
pg_option_is_sane(const PQconninfoOption *option)
{
    if (option->val == NULL || *option->val == '\0')
        return true;
    if (strcmp(option->keyword, "host") == 0)
        return strchr(option->val + 1, '@') == NULL;
    if (strcmp(option->keyword, "port") == 0)
        return option->val[strspn(option->val, "0123456789,")] == '\0';
    return true;
}

/* Does not use libpq's own message, which quotes the place of the mistake: it may be inside the
 * password. */
static int
pg_check_conninfo(const char *conninfo, struct error *err)
{
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
    bool sane = options != NULL;
    for (PQconninfoOption *one = options; sane && one->keyword != NULL; one++)
        sane = pg_option_is_sane(one);
    PQconninfoFree(options);
    if (sane)
        return 0;
    return error_set(err, ERR_USAGE,
                     "not a Postgres connection string (neither \"name=value ...\" with values in "
                     "quotes where needed, nor a URI with special characters percent-encoded)");
}

/* The keys before "dbname" are defaults, which the connection string may override. The startup
 * option lifts statement_timeout because a role's timeout may be shorter than the statement that
 * lifts it; a connection string with its own `options` relies on that statement. */
static PGconn *
pg_start(const char *conninfo, const char *session_name)
{
    const char *const keys[] = {
        "connect_timeout",
        "keepalives_idle",
        "keepalives_interval",
        "keepalives_count",
        "tcp_user_timeout",
        "fallback_application_name",
        "options",
        "dbname",
        "client_encoding",
        NULL,
    };
    const char *given = getenv("PGOPTIONS");
    char *options = memory_format("-c statement_timeout=0 %s", given != NULL ? given : "");
    const char *const values[] = {"10",         "30",    "10",     "3",    "60000",
                                  session_name, options, conninfo, "UTF8", NULL};
    _Static_assert(sizeof keys == sizeof values, "a value for each key");
    PGconn *connection = PQconnectdbParams(keys, values, 1);
    free(options);
    return connection;
}

/* A pooling proxy gives the session, with its locks and settings, to another client after each
 * transaction (F69, F119), and shows a process id of its own. Therefore this is the first
 * statement: it leaves nothing in a session that is not ours. */
static int
pg_check_direct(struct pg *pg, struct error *err)
{
    struct pg_result *result;
    int rc = pg_query_last(pg, "SELECT pg_catalog.pg_backend_pid()", &result, err);
    if (rc != 0)
        return rc;
    bool is_direct = pg_integer(result, 0, 0) == PQbackendPID(pg->connection);
    pg_result_clear(result);
    if (is_direct)
        return 0;
    return error_set(err, ERR_FATAL,
                     "postgres leads to a proxy (a connection pooler), which shares a session"
                     " between clients: name the server itself");
}

int
pg_connect(const char *conninfo, const char *session_name, struct pg **out, struct error *err)
{
    CHECK(conninfo != NULL);
    CHECK(session_name != NULL);
    int rc = pg_check_conninfo(conninfo, err);
    if (rc != 0)
        return rc;
    struct pg *pg = memory_zalloc(sizeof *pg);
    pg->connection = pg_start(conninfo, session_name);
    if (pg_is_lost(pg)) { /* NULL, when memory is short, is lost too */
        const char *message = PQerrorMessage(pg->connection);
        rc = error_set(err, ERR_RETRY, "could not connect to postgres: %.*s", pg_trimmed(message),
                       message);
        goto fail;
    }
    PQsetNoticeReceiver(pg->connection, pg_ignore_notice, NULL);
    rc = pg_check_direct(pg, err);
    if (rc == 0)
        rc = pg_exec(pg, session_settings, err);
    if (rc != 0)
        goto fail;
    CHECK(PQtransactionStatus(pg->connection) == PQTRANS_IDLE || pg_is_lost(pg));
    *out = pg;
    return 0;
fail:
    pg_close(pg);
    return rc;
}

void
pg_close(struct pg *pg)
{
    if (pg == NULL)
        return;
    PQfinish(pg->connection);
    free(pg);
}

bool
pg_is_lost(const struct pg *pg)
{
    return pg->is_abandoned || PQstatus(pg->connection) != CONNECTION_OK;
}

struct pg_cancel {
    PGcancel *request;
    bool is_sent;
    char reason[256]; /* when it is not sent */
    atomic_int
        owners; /* the thread that sends it, and the one that waits for that: the last frees */
};

static void
pg_cancel_release(struct pg_cancel *cancel)
{
    if (atomic_fetch_sub(&cancel->owners, 1) > 1)
        return;
    PQfreeCancel(cancel->request);
    free(cancel);
}

static void *
pg_cancel_run(void *context)
{
    struct pg_cancel *cancel = context;
    cancel->is_sent = PQcancel(cancel->request, cancel->reason, sizeof cancel->reason) == 1;
    pg_cancel_release(cancel);
    return NULL;
}

/* Asks the server to cancel the running statement. PQcancel() opens a connection and waits for its
 * end without a limit, so it gets a thread of its own. During a shutdown, a request that the server
 * does not take is left to the end of the process. */
static int
pg_cancel(struct pg *pg, struct error *err)
{
    pthread_t thread;
    struct pg_cancel *cancel = memory_zalloc(sizeof *cancel);
    cancel->request = PQgetCancel(pg->connection);
    atomic_init(&cancel->owners, 2);
    int rc = thread_start(&thread, "pg cancel", pg_cancel_run, cancel, err);
    if (rc != 0)
        pg_cancel_release(cancel); /* for the thread */
    bool is_over = rc != 0;
    while (!is_over) {
        is_over = thread_join_within(thread, 1);
        if (shutdown_requested())
            break;
    }
    if (!is_over) {
        CHECK(pthread_detach(thread) == 0);
        rc = error_set(err, ERR_RETRY, "postgres: the server takes no cancel request");
    } else if (rc == 0 && !cancel->is_sent)
        rc = error_set(err, ERR_RETRY, "postgres: could not cancel a statement: %.*s",
                       pg_trimmed(cancel->reason), cancel->reason);
    pg_cancel_release(cancel);
    return rc;
}

/* A statement gets some time after a shutdown was requested; the last position is saved then. */
static void
pg_wait_less(struct pg *pg, struct pg_wait *wait)
{
    int64_t now_us = clock_monotonic_us();
    if (!shutdown_requested() || pg->is_abandoned)
        return;
    if (wait->since_us == 0)
        wait->since_us = now_us;
    CHECK(now_us >= wait->since_us);
    if (now_us - wait->since_us < (int64_t)SHUTDOWN_GRACE_MS * US_PER_MS)
        return;
    pg->is_abandoned = wait->is_cancelled || pg_cancel(pg, NULL) != 0;
    wait->is_cancelled = true;
    wait->since_us = clock_monotonic_us();
}

/* Waits for bytes of the server, and takes them. False: the connection is lost, or abandoned. */
static bool
pg_wait_input(struct pg *pg, struct pg_wait *wait)
{
    struct pollfd one = {.fd = PQsocket(pg->connection), .events = POLLIN};
    poll(&one, 1, WAIT_STEP_MS);
    /* even when the socket is not readable: TLS may hold bytes back */
    if (PQconsumeInput(pg->connection) == 0)
        return false;
    pg_wait_less(pg, wait);
    return !pg->is_abandoned;
}

/* The next result of what was sent; NULL: there is no further one, or the connection is lost. */
static PGresult *
pg_next_result(struct pg *pg)
{
    struct pg_wait wait = {0};
    if (pg->is_abandoned)
        return NULL;
    while (PQisBusy(pg->connection) == 1)
        if (!pg_wait_input(pg, &wait))
            return NULL;
    return PQgetResult(pg->connection);
}

static bool
pg_status_is_copy(ExecStatusType status)
{
    return status == PGRES_COPY_OUT || status == PGRES_COPY_IN;
}

/* Reads the results that are left, so that the session can run the next statement. */
static int
pg_finish(struct pg *pg, struct error *err)
{
    int rc = 0;
    PGresult *result;
    while ((result = pg_next_result(pg)) != NULL) {
        ExecStatusType status = PQresultStatus(result);
        if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && rc == 0)
            rc = pg_fail(pg, result, err);
        PQclear(result);
        if (pg_status_is_copy(status))
            break; /* libpq would return the same result forever */
    }
    return rc == 0 && pg_is_lost(pg) ? pg_fail(pg, NULL, err) : rc;
}

/* The last result of what was sent, or the first error. NULL: the connection was lost before. */
static PGresult *
pg_collect(struct pg *pg)
{
    PGresult *last = NULL;
    PGresult *next;
    while ((next = pg_next_result(pg)) != NULL) {
        if (last != NULL && PQresultStatus(last) == PGRES_FATAL_ERROR) {
            PQclear(next);
            continue;
        }
        PQclear(last);
        last = next;
        if (pg_status_is_copy(PQresultStatus(last)))
            return last;
    }
    if (last != NULL && pg_is_lost(pg) && PQresultStatus(last) != PGRES_FATAL_ERROR) {
        PQclear(last);
        return NULL;
    }
    return last;
}

/* As PQexec(), with a wait that a shutdown ends. */
static PGresult *
pg_run(struct pg *pg, const char *sql)
{
    if (pg_is_lost(pg))
        return NULL;
    pg_finish(pg, NULL); /* what pg_send() has begun */
    return PQsendQuery(pg->connection, sql) == 1 ? pg_collect(pg) : NULL;
}

static void
pg_leave_copy(struct pg *pg, ExecStatusType status)
{
    CHECK(!pg->copying);
    if (status == PGRES_COPY_OUT) {
        pg_copy_cancel(pg, NULL);
    } else if (status == PGRES_COPY_IN) {
        PQputCopyEnd(pg->connection, "unexpected COPY FROM STDIN");
        pg_finish(pg, NULL);
    }
}

/* 0 when the status of `result` is `wanted`. After an error the session can run the next
 * statement, unless it is lost. */
static int
pg_check_result(struct pg *pg, const PGresult *result, ExecStatusType wanted, struct error *err)
{
    CHECK(wanted == PGRES_TUPLES_OK || wanted == PGRES_COPY_OUT);
    ExecStatusType status = PQresultStatus(result);
    if (status == wanted || (status == PGRES_COMMAND_OK && wanted == PGRES_TUPLES_OK))
        return 0;
    if (status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE)
        return pg_fail(pg, result, err);
    pg_leave_copy(pg, status);
    pg->sqlstate[0] = '\0';
    return error_set(err, ERR_FATAL, "postgres: unexpected result %s", PQresStatus(status));
}

int
pg_exec(struct pg *pg, const char *sql, struct error *err)
{
    pg_check(pg);
    CHECK(!pg->copying);
    CHECK(sql != NULL);
    PGresult *result = pg_run(pg, sql);
    int rc = pg_check_result(pg, result, PGRES_TUPLES_OK, err);
    PQclear(result);
    return rc;
}

/* A pg_result is libpq's PGresult; no header names libpq. Takes it over. */
static int
pg_keep(struct pg *pg, PGresult *result, struct pg_result **out, struct error *err)
{
    int rc = pg_check_result(pg, result, PGRES_TUPLES_OK, err);
    CHECK(rc != 0 || result != NULL);
    if (rc == 0)
        *out = (struct pg_result *)(void *)result;
    else
        PQclear(result);
    return rc;
}

int
pg_query_last(struct pg *pg, const char *sql, struct pg_result **out, struct error *err)
{
    pg_check(pg);
    CHECK(!pg->copying);
    return pg_keep(pg, pg_run(pg, sql), out, err);
}

int
pg_send(struct pg *pg, const char *sql, struct error *err)
{
    pg_check(pg);
    CHECK(!pg->copying);
    return PQsendQuery(pg->connection, sql) == 1 ? 0 : pg_fail(pg, NULL, err);
}

int
pg_query(struct pg *pg, const char *sql, int count, const char *const *params,
         struct pg_result **out, struct error *err)
{
    pg_check(pg);
    CHECK(!pg->copying);
    CHECK(count >= 0 && count <= UINT16_MAX); /* the protocol counts in 16 bits */
    CHECK(params != NULL || count == 0);
    PGresult *result = NULL;
    if (!pg_is_lost(pg)) {
        pg_finish(pg, NULL); /* what pg_send() has begun */
        if (PQsendQueryParams(pg->connection, sql, count, NULL, params, NULL, NULL, 0) == 1)
            result = pg_collect(pg);
    }
    return pg_keep(pg, result, out, err);
}

static PGresult *
pg_unwrap(const struct pg_result *result)
{
    CHECK(result != NULL);
    return (PGresult *)(uintptr_t)result;
}

static void
pg_check_cell(const struct pg_result *result, int row, int column)
{
    CHECK(row >= 0 && row < PQntuples(pg_unwrap(result)));
    CHECK(column >= 0 && column < PQnfields(pg_unwrap(result)));
}

void
pg_result_clear(struct pg_result *result)
{
    if (result != NULL)
        PQclear(pg_unwrap(result));
}

int
pg_rows(const struct pg_result *result)
{
    return PQntuples(pg_unwrap(result));
}

int
pg_columns(const struct pg_result *result)
{
    return PQnfields(pg_unwrap(result));
}

bool
pg_is_null(const struct pg_result *result, int row, int column)
{
    pg_check_cell(result, row, column);
    return PQgetisnull(pg_unwrap(result), row, column) != 0;
}

const char *
pg_text(const struct pg_result *result, int row, int column)
{
    pg_check_cell(result, row, column);
    return PQgetvalue(pg_unwrap(result), row, column);
}

int64_t
pg_integer(const struct pg_result *result, int row, int column)
{
    return strtoll(pg_text(result, row, column), NULL, 10);
}

bool
pg_boolean(const struct pg_result *result, int row, int column)
{
    return *pg_text(result, row, column) == 't';
}

int64_t
pg_column_type(const struct pg_result *result, int column)
{
    CHECK(column >= 0 && column < PQnfields(pg_unwrap(result)));
    return PQftype(pg_unwrap(result), column);
}

int
pg_copy_start(struct pg *pg, const char *sql, struct error *err)
{
    pg_check(pg);
    CHECK(!pg->copying);
    CHECK(sql != NULL);
    PGresult *result = pg_run(pg, sql);
    int rc = pg_check_result(pg, result, PGRES_COPY_OUT, err);
    PQclear(result);
    pg->copying = rc == 0;
    CHECK(!pg->copying || PQtransactionStatus(pg->connection) == PQTRANS_ACTIVE);
    return rc;
}

/* Appends the complete messages that libpq has read. */
static int
pg_copy_take(struct pg *pg, struct buffer *out, bool *done, struct error *err)
{
    CHECK(pg->copying);
    char *data;
    int bytes;
    while ((bytes = PQgetCopyData(pg->connection, &data, 1)) > 0) {
        buffer_append(out, data, (size_t)bytes);
        PQfreemem(data);
    }
    if (bytes == 0)
        return 0;
    int rc = bytes == -1 ? pg_finish(pg, err) : pg_fail(pg, NULL, err);
    *done = rc == 0;
    pg->copying = false;
    return rc;
}

int
pg_copy_wait(struct pg *const *sessions, uint32_t count, int wait_ms, struct error *err)
{
    struct pollfd sockets[PG_SESSIONS_MAX];
    CHECK(count > 0 && count <= PG_SESSIONS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        CHECK(sessions[i]->copying);
        sockets[i] = (struct pollfd){.fd = PQsocket(sessions[i]->connection), .events = POLLIN};
    }
    if (poll(sockets, count, wait_ms) < 0 && errno != EINTR)
        return error_set_errno(err, ERR_RETRY, "postgres: poll");
    return 0;
}

static int
pg_copy_consume(struct pg *pg, int wait_ms, struct error *err)
{
    int rc = pg_copy_wait(&pg, 1, wait_ms, err);
    if (rc != 0)
        return rc;
    /* even when the socket is not readable: TLS may hold bytes back */
    return PQconsumeInput(pg->connection) == 1 ? 0 : pg_fail(pg, NULL, err);
}

int
pg_copy_read(struct pg *pg, int wait_ms, struct buffer *out, bool *done, struct error *err)
{
    pg_check(pg);
    CHECK(pg->copying);
    CHECK(wait_ms >= 0);
    size_t before = out->bytes;
    *done = false;
    int rc = pg_copy_take(pg, out, done, err);
    if (rc != 0 || *done || out->bytes > before)
        return rc;
    rc = pg_copy_consume(pg, wait_ms, err);
    if (rc == 0)
        rc = pg_copy_take(pg, out, done, err);
    pg->copying = rc == 0 && !*done;
    CHECK(out->bytes >= before);
    return rc;
}

int
pg_copy_cancel(struct pg *pg, struct error *err)
{
    struct pg_wait wait = {0};
    char *data;
    int bytes;
    pg_check(pg);
    pg->copying = false;
    int rc = pg_is_lost(pg) ? pg_fail(pg, NULL, err) : pg_cancel(pg, err);
    if (rc != 0)
        return rc;
    while ((bytes = PQgetCopyData(pg->connection, &data, 1)) >= 0)
        if (bytes > 0)
            PQfreemem(data);
        else if (!pg_wait_input(pg, &wait))
            return pg_fail(pg, NULL, err);
    rc = pg_finish(pg, err);
    /* 57014 query_canceled is the expected end; the copy may also have ended before the cancel */
    return rc != 0 && strcmp(pg->sqlstate, "57014") == 0 ? 0 : rc;
}

void
pg_append_identifier(struct buffer *out, const char *name)
{
    CHECK(name != NULL);
    CHECK(name[0] != '\0');
    buffer_append(out, "\"", 1);
    for (; *name != '\0'; name++) {
        if (*name == '.')
            buffer_append(out, "\".\"", 3);
        else if (*name == '"')
            buffer_append(out, "\"\"", 2);
        else
            buffer_append(out, name, 1);
    }
    buffer_append(out, "\"", 1);
}

void
pg_append_literal(struct buffer *out, const char *text)
{
    CHECK(text != NULL);
    buffer_append(out, "'", 1);
    for (; *text != '\0'; text++)
        buffer_append(out, *text == '\'' ? "''" : text, *text == '\'' ? 2 : 1);
    buffer_append(out, "'", 1);
}

const char *
pg_last_sqlstate(const struct pg *pg)
{
    pg_check(pg);
    return pg->sqlstate;
}

/* Data exceptions; program limits; internal errors, as which memory requests above 1 GB and damaged
 * values are reported. */
bool
pg_failed_on_a_row(const struct pg *pg)
{
    static const char *const classes[] = {"22", "54", "XX"};
    pg_check(pg);
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
        if (strncmp(pg->sqlstate, classes[i], 2) == 0)
            return !pg_is_lost(pg);
    return false;
}

int
pg_backend_pid(const struct pg *pg)
{
    pg_check(pg);
    return PQbackendPID(pg->connection);
}
