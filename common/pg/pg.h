/* A Postgres session: connect, run statements, stream COPY. The only user of libpq.
 *
 * Errors: ERR_RETRY when the error is temporary (connection lost or refused, server starting, lock
 * timeout, serialization failure, resources), else ERR_FATAL. After ERR_RETRY the session may be
 * lost (pg_is_lost): close it and connect again. Messages never contain the connection string or a
 * password. A session belongs to one thread. Every call except pg_connect() and pg_close() may wait
 * for the server without limit until a shutdown is requested (shutdown.h). A call that still waits
 * one second later cancels its statement, and gives up the session when that has no effect.
 */
#ifndef COMMON_PG_PG_H
#define COMMON_PG_PG_H

#include "common/base/error.h"
#include "common/base/memory.h"

struct pg;
struct pg_result;

/* For which pg_copy_wait() waits at once. */
enum { PG_SESSIONS_MAX = 16 };

/* Connects and sets what our statements rely on: no timeouts (F13), synchronous commits, UTF-8,
 * UTC, ISO dates, the ways in which values are written (F88),
 * READ COMMITTED, and an error instead of rows that row security would hide.
 * `session_name` is the application_name in pg_stat_activity. A peer that vanished is detected
 * within about a minute, unless `conninfo` sets other keepalives.
 *
 * ERR_USAGE when `conninfo` is not a connection string; ERR_RETRY for every failure to connect,
 * because libpq does not distinguish a wrong password from a server that is down. ERR_FATAL when it
 * leads to a connection pooler, which gives the session to other clients (F69, F119); it is refused
 * before any setting or lock. */
int pg_connect(const char *conninfo, const char *session_name, struct pg **pg, struct error *err);
/* May be called at any time, also inside a transaction or a copy: the server rolls back. NULL does
 * nothing. */
void pg_close(struct pg *pg);
/* True: the connection is gone. False: it may be gone, but that has not been noticed. */
bool pg_is_lost(const struct pg *pg);

/* Runs statements without parameters, separated by ';', and discards their results. Without BEGIN
 * they are one transaction. The first error ends the call. A COPY is refused. */
int pg_exec(struct pg *pg, const char *sql, struct error *err);

/* Runs statements like pg_exec(), and keeps the result of the last one as pg_query() does. */
int pg_query_last(struct pg *pg, const char *sql, struct pg_result **result, struct error *err);

/* Sends statements like pg_exec(), without waiting for the server. The next call waits for their
 * end, and discards their results and errors. */
int pg_send(struct pg *pg, const char *sql, struct error *err);

/* Runs one statement with text parameters (NULL = SQL null). On success the caller owns `*result`,
 * which outlives the session, and clears it. */
int pg_query(struct pg *pg, const char *sql, int count, const char *const *params,
             struct pg_result **result, struct error *err);
/* NULL does nothing. */
void pg_result_clear(struct pg_result *result);

int pg_rows(const struct pg_result *result);
int pg_columns(const struct pg_result *result);
/* Rows and columns are counted from 0. Those that do not exist trip a CHECK. */
bool pg_is_null(const struct pg_result *result, int row, int column);
/* Terminated; "" for null; valid until the result is cleared. */
const char *pg_text(const struct pg_result *result, int row, int column);
/* 0 for null; the column is of an integer type. */
int64_t pg_integer(const struct pg_result *result, int row, int column);
/* False for null. */
bool pg_boolean(const struct pg_result *result, int row, int column);

/* Object id of the column's type. */
int64_t pg_column_type(const struct pg_result *result, int column);

/* Starts `COPY (...) TO STDOUT`. The session runs no other statement until the copy is done,
 * cancelled or failed. On error no copy is running. */
int pg_copy_start(struct pg *pg, const char *sql, struct error *err);
/* Appends what has arrived to `out`, and waits up to `wait_ms` for the first byte. One call appends
 * at most what one read of the socket completes, which need not end with a row. Sets `*done` when
 * the copy has ended successfully; an error ends the copy as well. */
int pg_copy_read(struct pg *pg, int wait_ms, struct buffer *out, bool *done, struct error *err);
/* Waits up to `wait_ms` until bytes of one of the running copies arrive. */
int pg_copy_wait(struct pg *const *sessions, uint32_t count, int wait_ms, struct error *err);
/* Ends a running copy early, and discards what the server has sent meanwhile. */
int pg_copy_cancel(struct pg *pg, struct error *err);

/* Appends `name` as a quoted identifier. A dot separates schema and name; both are quoted. */
void pg_append_identifier(struct buffer *out, const char *name);
/* Appends `text` as a quoted literal for a session with standard_conforming_strings = on, as
 * pg_connect() sets it. */
void pg_append_literal(struct buffer *out, const char *text);

/* The SQLSTATE of the last error of the session; "" when it has none, as a lost connection. */
const char *pg_last_sqlstate(const struct pg *pg);
/* Did the last error come from a row that the server cannot read, evaluate or send, so that the
 * same statement succeeds without that row? A value that is too large as text (F103), bytes that
 * the database's encoding cannot convert, a division by zero, a damaged value. */
bool pg_failed_on_a_row(const struct pg *pg);
/* The process id of the session's backend. */
int pg_backend_pid(const struct pg *pg);

#endif
