/* Opens the producer's connections to the source database. A connection string may lead to several
 * servers (a balancer, a list of hosts), so each connection is asked what the first one was asked:
 * rows that one server shows and another does not would never be sent.
 *
 * All connections of the producer come from here, which scripts/lint.py proves.
 */
#ifndef PRODUCER_SOURCE_SOURCE_CONNECTION_H
#define PRODUCER_SOURCE_SOURCE_CONNECTION_H

#include "common/base/error.h"
#include "common/pg/pg.h"
#include "producer/source/cursor.h"

/* Connects like pg_connect(). ERR_FATAL: the server is a standby. `expected` is the history of the
 * database to which other connections of the caller lead: ERR_RETRY when this one leads to another.
 * NULL: the caller has no others. On an error no connection is open. */
int source_connect(const char *conninfo, const char *session_name,
                   const struct cursor_history *expected, struct pg **pg, struct error *err);

/* Likewise without these questions, for `check`, which asks them one by one. */
int source_connect_unasked(const char *conninfo, const char *session_name, struct pg **pg,
                           struct error *err);

/* Makes the schema of the outbox the first of the session's search_path, so that a table of the
 * same name that is created later in another schema does not hide it. Does nothing when there is no
 * outbox. */
int source_pin_outbox(struct pg *pg, struct error *err);

#endif
