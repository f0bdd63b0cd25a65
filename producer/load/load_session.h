/* A database session that reads what follows a window: in the transaction whose snapshot is the end
 * of the window (window_reading.h), or beside it, in the same snapshot.
 *
 * Its settings are those of the trigger functions, so that a value is printed in the same way
 * (F84), and make every plan one that reads only the range: by indexes, with nested loops, and
 * without parallel workers or JIT. One thread.
 */
#ifndef PRODUCER_LOAD_LOAD_SESSION_H
#define PRODUCER_LOAD_LOAD_SESSION_H

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/pg/pg.h"
#include "producer/load/load_plan.h"
#include "producer/source/cursor.h"
#include "producer/triggers/entry.h"

/* Appends a table, or the tables of the plan, as LOCK TABLE names them. They are locked against
 * changes of their definition until the transaction ends, before its snapshot is taken: a snapshot
 * that is older than an ALTER TABLE that rewrites a table, or than a TRUNCATE, shows the table
 * empty. */
void load_session_append_table(const struct entry_table *table, struct buffer *sql);
void load_session_append_tables(const struct load_plan *plan, struct buffer *sql);

/* Gives a session these settings; in a transaction, unless it is rolled back. */
int load_session_prepare(struct pg *pg, struct error *err);

/* A statement of the session that waits long for a lock fails with ERR_RETRY: the stream may wait
 * for it.
 * `expected` as of source_connect(); NULL where an exported snapshot is imported, which another
 * server does not have. */
int load_session_open(const char *conninfo, const struct cursor_history *expected, struct pg **pg,
                      struct error *err);

/* Exports the snapshot of the transaction of `pg`, which is of isolation level REPEATABLE READ, as
 * long as it is open; appends its name. */
int load_session_export(struct pg *pg, struct buffer *snapshot, struct error *err);

/* Begins a transaction that reads in the exported snapshot. */
int load_session_begin(struct pg *pg, const char *snapshot, struct error *err);
/* Ends it, whatever its state. */
int load_session_end(struct pg *pg, struct error *err);

/* The same inside a transaction: a statement that fails between the two does not end it. */
int load_session_enter(struct pg *pg, struct error *err);
/* Undoes what the statements did since load_session_enter(). */
int load_session_leave(struct pg *pg, struct error *err);

/* Starts the binary COPY of `query`, whose names are resolved as in the functions of the entry. */
int load_session_copy(struct pg *pg, const struct entry *entry, const char *query,
                      struct error *err);

#endif
