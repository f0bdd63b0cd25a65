/* A Postgres session: connect, run statements, stream COPY. Owner of libpq.
 *
 * Errors are classed by who can help: ERR_RETRY for what time heals (connection lost or refused,
 * server starting, lock timeout, serialization, resources), ERR_FATAL for everything else. After
 * ERR_RETRY the session may be lost (pg_is_lost): close it and connect again. Messages never hold
 * the connection string or a password. A session belongs to one thread; any call but pg_connect and
 * pg_close may wait for the server without limit.
 */
#ifndef COMMON_PG_PG_H
#define COMMON_PG_PG_H

#include "common/base/error.h"
#include "common/base/memory.h"

struct pg;
struct pg_result;

/* Connects and pins the session settings that our statements rely on: no timeouts (F13),
 * synchronous commits, UTF-8, UTC, ISO dates, READ COMMITTED, and an error instead of rows that row
 * security would hide. `what` names the session in pg_stat_activity. A peer that went away without
 * a word is noticed within a minute or so, unless `conninfo` sets the keepalives otherwise.
 *
 * ERR_USAGE when `conninfo` is not a connection string; ERR_RETRY when there is no connection, for
 * whatever reason (libpq does not tell a wrong password from a server that is down). */
int pg_connect(const char *conninfo, const char *what, struct pg **pg, struct error *err);
/* At any time, also inside a transaction or a copy: the server rolls back. NULL does nothing. */
void pg_close(struct pg *pg);
/* The connection is known to be gone; false proves nothing. */
bool pg_is_lost(const struct pg *pg);

/* Runs statements without parameters, separated by ';'; results are discarded. Without BEGIN they
 * are one transaction. The first error ends it. A COPY is refused. */
int pg_exec(struct pg *pg, const char *sql, struct error *err);

/* Runs one statement with text parameters (NULL = SQL null). The caller clears `*result`, which
 * outlives the session; an error sets none. */
int pg_query(struct pg *pg, const char *sql, int count, const char *const *params,
             struct pg_result **result, struct error *err);
/* NULL does nothing. */
void pg_result_clear(struct pg_result *result);

int pg_rows(const struct pg_result *result);
/* Row and column count from 0 and exist. */
bool pg_is_null(const struct pg_result *result, int row, int column);
/* Terminated; "" for null; lives until the result is cleared. */
const char *pg_text(const struct pg_result *result, int row, int column);
/* 0 for null; the column is of an integer type. */
int64_t pg_integer(const struct pg_result *result, int row, int column);
/* False for null. */
bool pg_boolean(const struct pg_result *result, int row, int column);

/* Object id of the column's type. */
int64_t pg_column_type(const struct pg_result *result, int column);

/* Starts `COPY (...) TO STDOUT`; until it is done or cancelled the session can do nothing else. An
 * error leaves no copy behind. */
int pg_copy_start(struct pg *pg, const char *sql, struct error *err);
/* Appends what has arrived to `out`, waiting up to `wait_ms` for the first byte. It comes in whole
 * messages of the protocol, of which the server makes one a row; nothing but the total is promised.
 * One call appends at most what one read of the socket completes. Sets `*done` once the copy has
 * ended well and the session is free; an error ends the copy as well. */
int pg_copy_read(struct pg *pg, int wait_ms, struct buffer *out, bool *done, struct error *err);
/* Ends a running copy early; what the server sent meanwhile is thrown away. */
int pg_copy_cancel(struct pg *pg, struct error *err);

/* Appends `name` as a quoted identifier; a dot separates schema and name and stays outside the
 * quotes. */
void pg_append_identifier(struct buffer *out, const char *name);
/* Appends `text` as a quoted literal, for a session of ours (standard_conforming_strings is on). */
void pg_append_literal(struct buffer *out, const char *text);

/* SQLSTATE of the session's last error, "" if it had none (a lost connection). */
const char *pg_last_sqlstate(const struct pg *pg);
int pg_backend_pid(const struct pg *pg);

#endif
