/* Happy path: PQexec and friends, which wait for the whole answer. Only a copy is read without
 * blocking, so that its reader can look at other things.
 *
 * Failure modes: a lost connection makes every later call fail with ERR_RETRY. A COPY where none
 * belongs would leave the session in a state in which libpq hands out the same result for ever;
 * pg_leave_copy ends it.
 */
#include "common/pg/pg.h"

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"

struct pg {
    PGconn *connection;
    char sqlstate[6];
};

/* Timeouts that the server does not know (idle_session_timeout before 14, transaction_timeout
 * before 17) are skipped; asking which takes longer than some roles allow. row_security: an error
 * is better than rows that are silently left out. */
static const char session_settings[] =
    "SET statement_timeout = 0;"
    "SELECT set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name IN"
    " ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout',"
    " 'idle_session_timeout', 'transaction_timeout');"
    /* the server, too, notices a peer that went away without a word: its locks are free then */
    "SET tcp_keepalives_idle = 30;"
    "SET tcp_keepalives_interval = 10;"
    "SET tcp_keepalives_count = 3;"
    "SET tcp_user_timeout = 60000;"
    "SET synchronous_commit = on;"
    "SET default_transaction_isolation = 'read committed';"
    "SET default_transaction_read_only = off;"
    "SET row_security = off;"
    "SET standard_conforming_strings = on;"
    "SET timezone = 'UTC';"
    "SET datestyle = 'ISO, YMD';"
    "SET extra_float_digits = 1;"
    "SET client_min_messages = warning";

/* SQLSTATE classes (or whole codes) that time heals; source: PostgreSQL manual, appendix "Error
 * Codes". */
static const char *const retriable_states[] = {
    "08", "40", "53", "57P", "58", "55P03", "57014", "25006",
};

static bool
pg_state_is_retriable(const char *state)
{
    for (size_t i = 0; i < sizeof retriable_states / sizeof retriable_states[0]; i++)
        if (strncmp(state, retriable_states[i], strlen(retriable_states[i])) == 0)
            return true;
    return false;
}

static int
pg_trimmed(const char *message)
{
    size_t bytes = strlen(message);
    while (bytes > 0 && (message[bytes - 1] == '\n' || message[bytes - 1] == ' '))
        bytes--;
    return (int)bytes;
}

/* The error in `result`, or in the connection if that is NULL. One without SQLSTATE is libpq's own:
 * the connection or the protocol failed, or memory is short. */
static int
pg_fail(struct pg *pg, const PGresult *result, struct error *err)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorMessage(result);
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

/* A host with '@' or a port with letters is the rest of a password that was not percent-encoded;
 * connecting would put it into messages. A host may begin with '@': an abstract socket. */
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

/* libpq's own message quotes the place of the mistake, which may be inside the password. */
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

/* What stands before the connection string are defaults, which it may override. A role's
 * statement_timeout may be shorter than the statement that would lift it, so that is done as the
 * session begins; whoever gives `options` of their own relies on that statement. */
static PGconn *
pg_start(const char *conninfo, const char *what)
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
    const char *const values[] = {"10", "30",    "10",     "3",    "60000",
                                  what, options, conninfo, "UTF8", NULL};
    PGconn *connection = PQconnectdbParams(keys, values, 1);
    CHECK(connection != NULL);
    free(options);
    return connection;
}

int
pg_connect(const char *conninfo, const char *what, struct pg **out, struct error *err)
{
    /* conninfo overrides what stands before it */
    int rc = pg_check_conninfo(conninfo, err);
    if (rc != 0)
        return rc;
    struct pg *pg = memory_zalloc(sizeof *pg);
    pg->connection = pg_start(conninfo, what);
    if (pg_is_lost(pg)) {
        const char *message = PQerrorMessage(pg->connection);
        rc = error_set(err, ERR_RETRY, "could not connect to postgres: %.*s", pg_trimmed(message),
                       message);
        goto fail;
    }
    PQsetNoticeReceiver(pg->connection, pg_ignore_notice, NULL);
    rc = pg_exec(pg, session_settings, err);
    if (rc != 0)
        goto fail;
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
    return PQstatus(pg->connection) != CONNECTION_OK;
}

/* Takes the answers that are left, until the session is free. */
static int
pg_finish(struct pg *pg, struct error *err)
{
    int rc = 0;
    PGresult *result;
    while ((result = PQgetResult(pg->connection)) != NULL) {
        ExecStatusType status = PQresultStatus(result);
        if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && rc == 0)
            rc = pg_fail(pg, result, err);
        PQclear(result);
        if (status == PGRES_COPY_OUT || status == PGRES_COPY_IN)
            break; /* it would come again and again */
    }
    return rc;
}

static void
pg_leave_copy(struct pg *pg, ExecStatusType status)
{
    if (status == PGRES_COPY_OUT) {
        pg_copy_cancel(pg, NULL);
    } else if (status == PGRES_COPY_IN) {
        PQputCopyEnd(pg->connection, "not expected here");
        pg_finish(pg, NULL);
    }
}

/* 0 when `result` is `wanted`; else the error, with the session free again. */
static int
pg_check_result(struct pg *pg, const PGresult *result, ExecStatusType wanted, struct error *err)
{
    ExecStatusType status = PQresultStatus(result);
    if (status == wanted || (status == PGRES_COMMAND_OK && wanted == PGRES_TUPLES_OK))
        return 0;
    if (status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE)
        return pg_fail(pg, result, err);
    pg_leave_copy(pg, status);
    pg->sqlstate[0] = '\0';
    return error_set(err, ERR_FATAL, "postgres: unexpected answer %s", PQresStatus(status));
}

int
pg_exec(struct pg *pg, const char *sql, struct error *err)
{
    PGresult *result = PQexec(pg->connection, sql);
    int rc = pg_check_result(pg, result, PGRES_TUPLES_OK, err);
    PQclear(result);
    return rc;
}

int
pg_query(struct pg *pg, const char *sql, int count, const char *const *params,
         struct pg_result **out, struct error *err)
{
    PGresult *result = PQexecParams(pg->connection, sql, count, NULL, params, NULL, NULL, 0);
    int rc = pg_check_result(pg, result, PGRES_TUPLES_OK, err);
    if (rc == 0)
        *out = (struct pg_result *)(void *)result;
    else
        PQclear(result);
    return rc;
}

/* A pg_result is libpq's own; the name keeps libpq inside this file. */
static PGresult *
pg_unwrap(const struct pg_result *result)
{
    return (PGresult *)(uintptr_t)result; /* PQcmdTuples reads only, but does not say so */
}

void
pg_result_clear(struct pg_result *result)
{
    PQclear(pg_unwrap(result));
}

int
pg_rows(const struct pg_result *result)
{
    return PQntuples(pg_unwrap(result));
}

bool
pg_is_null(const struct pg_result *result, int row, int column)
{
    return PQgetisnull(pg_unwrap(result), row, column) != 0;
}

const char *
pg_text(const struct pg_result *result, int row, int column)
{
    const char *text = PQgetvalue(pg_unwrap(result), row, column);
    CHECK(text != NULL); /* row and column exist */
    return text;
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
    return PQftype(pg_unwrap(result), column);
}

int
pg_copy_start(struct pg *pg, const char *sql, struct error *err)
{
    PGresult *result = PQexec(pg->connection, sql);
    int rc = pg_check_result(pg, result, PGRES_COPY_OUT, err);
    PQclear(result);
    return rc;
}

/* Takes what libpq has read and completed. */
static int
pg_copy_take(struct pg *pg, struct buffer *out, bool *done, struct error *err)
{
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
    return rc;
}

static int
pg_copy_wait(struct pg *pg, int wait_ms, struct error *err)
{
    struct pollfd socket = {.fd = PQsocket(pg->connection), .events = POLLIN};
    if (poll(&socket, 1, wait_ms) < 0 && errno != EINTR)
        return error_set_errno(err, ERR_RETRY, "postgres: poll");
    /* even if the socket shows nothing: TLS may hold bytes back */
    return PQconsumeInput(pg->connection) == 1 ? 0 : pg_fail(pg, NULL, err);
}

int
pg_copy_read(struct pg *pg, int wait_ms, struct buffer *out, bool *done, struct error *err)
{
    size_t before = out->bytes;
    *done = false;
    int rc = pg_copy_take(pg, out, done, err);
    if (rc != 0 || *done || out->bytes > before)
        return rc;
    rc = pg_copy_wait(pg, wait_ms, err);
    return rc != 0 ? rc : pg_copy_take(pg, out, done, err);
}

int
pg_copy_cancel(struct pg *pg, struct error *err)
{
    char reason[256];
    PGcancel *cancel = PQgetCancel(pg->connection);
    int sent = PQcancel(cancel, reason, sizeof reason);
    PQfreeCancel(cancel);
    if (!sent)
        return error_set(err, ERR_RETRY, "postgres: could not cancel a copy: %.*s",
                         pg_trimmed(reason), reason);
    char *data;
    while (PQgetCopyData(pg->connection, &data, 0) > 0)
        PQfreemem(data);
    int rc = pg_finish(pg, err);
    /* 57014 query_canceled is what we asked for; a copy that ended first is as good */
    return rc != 0 && strcmp(pg->sqlstate, "57014") == 0 ? 0 : rc;
}

void
pg_append_identifier(struct buffer *out, const char *name)
{
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
    buffer_append(out, "'", 1);
    for (; *text != '\0'; text++)
        buffer_append(out, *text == '\'' ? "''" : text, *text == '\'' ? 2 : 1);
    buffer_append(out, "'", 1);
}

const char *
pg_last_sqlstate(const struct pg *pg)
{
    return pg->sqlstate;
}

int
pg_backend_pid(const struct pg *pg)
{
    return PQbackendPID(pg->connection);
}
