/* The transaction in which everything at the end of a window is read: the answers to requests, the
 * step of a load, sums. Its snapshot is the end of the window.
 *
 * It has a database session of its own, with the settings of load_session.h, which is connected to
 * the server of the cursor's session: snapshots of both are compared. Nothing may be sent while the
 * transaction is open, so that a broker that does not answer holds no snapshot in the database.
 *
 * An error of this session is not one of the drain: the window then ends with a snapshot of the
 * cursor's session, and what would have been read is read at the end of a later window. After any
 * error of a statement, window_reading_drop() is due. One thread.
 */
#ifndef PRODUCER_LOAD_WINDOW_READING_H
#define PRODUCER_LOAD_WINDOW_READING_H

#include "common/base/error.h"
#include "common/config/config.h"
#include "common/pg/pg.h"
#include "producer/source/cursor.h"
#include "producer/source/source_snapshot.h"

struct window_reading;

/* `history` is that of the cursor's session when the first transaction begins. Both outlive the
 * reading, which connects when it is used. */
struct window_reading *window_reading_create(const struct config *config,
                                             const struct cursor_history *history);
/* NULL does nothing. */
void window_reading_destroy(struct window_reading *reading);

/* The session may be used: it is connected, or enough time has passed since it failed. */
bool window_reading_is_due(const struct window_reading *reading);

/* Connects if the session is not. No transaction is open; also begin() does it. */
int window_reading_connect(struct window_reading *reading, struct error *err);

/* Begins the transaction, which is REPEATABLE READ and READ ONLY, and reads its snapshot. `tables`:
 * what is locked before the snapshot is taken (load_session_append_tables()); "": nothing. On an
 * error no transaction is open, and the session is closed. */
int window_reading_begin(struct window_reading *reading, const char *tables,
                         struct source_snapshot *snapshot, struct error *err);
/* True between begin and end or drop. */
bool window_reading_is_open(const struct window_reading *reading);
/* The session; connected. */
struct pg *window_reading_pg(struct window_reading *reading);

/* Ends the transaction, without waiting for the server; does nothing when none is open. */
void window_reading_end(struct window_reading *reading);
/* Closes the session, whatever its state. */
void window_reading_drop(struct window_reading *reading);

#endif
