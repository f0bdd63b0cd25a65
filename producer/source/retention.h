/* Retention of the outbox: rows that every producer has sent leave it, when they are old enough.
 *
 * Sent is what is saved: a row may go when the newest saved s1 of every producer sees it. So the
 * work is again a window (window.h): between a snapshot all of whose rows are gone and one that
 * every producer has delivered. It is done in the order of transactions, in batches, each its own
 * short transaction that asks the cursors again. Where the last batch ended is remembered: while
 * some transaction is open, index entries of removed rows stay, and looking for work must not read
 * them each time (F61).
 *
 * A cursor of another history of the database (a failover, a restore) proves nothing about the
 * rows that are here, and holds back everything until it is adopted or removed (F60).
 *
 * What is remembered may be lost: a new one looks at everything once. Any number may run at the
 * same time. One thread.
 */
#ifndef PRODUCER_SOURCE_RETENTION_H
#define PRODUCER_SOURCE_RETENTION_H

#include "common/config/config.h"
#include "common/pg/pg.h"
#include "producer/source/snapshot.h"

enum { RETENTION_CURSOR_BYTES = 128 };

struct retention {
    const struct config_retention *config;
    struct snapshot done;   /* rows that it sees are gone */
    struct snapshot target; /* rows that it sees are next, once they are old enough */
    bool has_target;
    uint64_t at_xid; /* those of earlier transactions are gone */
    /* The cursor, "" for none, that rows older than they need be are waiting for. */
    char held_by[RETENTION_CURSOR_BYTES];
    int64_t held_s; /* age of the oldest of them */
};

/* What is left to do. */
enum retention_next {
    RETENTION_MORE, /* another batch */
    RETENTION_WAIT, /* nothing that may go by now */
};

/* `config` must outlive it. */
void retention_init(struct retention *retention, const struct config_retention *config);
void retention_free(struct retention *retention);

/* A session for the calls below. It never waits long for a lock: ERR_RETRY then. */
int retention_connect(const char *conninfo, struct pg **pg, struct error *err);

/* Begins a pass: asks all cursors how far they are and fills `held_by`. */
int retention_look(struct retention *retention, struct pg *pg, enum retention_next *next,
                   struct error *err);

/* Removes the next batch; adds to `*rows` how many. */
int retention_remove(struct retention *retention, struct pg *pg, int64_t *rows,
                     enum retention_next *next, struct error *err);

#endif
