/* Retention of the outbox: removes the rows that every producer has sent, when they are old enough.
 *
 * Only saved positions count: a row may be removed when the newest saved s1 of every producer sees
 * it, and a row with a request for a refresh when the newest `answered` of every producer sees it,
 * because the request is read again after a restart. The rows to remove are therefore two windows
 * (window.h), each between a snapshot whose rows are all removed and one that every producer has
 * delivered, or answered. A pass removes them in the order of their transactions and in batches.
 * Each batch is one short transaction that reads the cursors again. The end of the last batch is
 * remembered, because index entries of removed rows stay while some transaction is open, and a pass
 * must not read them again (F61).
 *
 * A cursor of another history of the database (a failover, a restore) proves nothing about the rows
 * that are here, and holds back everything until it is adopted or removed (F60).
 *
 * The remembered state may be lost: a new struct reads everything once. Several may work on one
 * database at the same time. One thread.
 */
#ifndef PRODUCER_SOURCE_RETENTION_H
#define PRODUCER_SOURCE_RETENTION_H

#include "common/base/error.h"
#include "common/config/config.h"
#include "common/event/snapshot.h"
#include "common/pg/pg.h"

enum { RETENTION_CURSOR_BYTES = 128 };

/* RETENTION_SENT begins where RETENTION_ANSWERED ends, and leaves rows with requests. */
enum retention_sweep_kind { RETENTION_ANSWERED, RETENTION_SENT, RETENTION_SWEEPS };

struct retention_sweep {
    enum retention_sweep_kind kind;
    struct snapshot done;   /* the sweep has no more rows that it sees */
    struct snapshot target; /* rows that it sees are removed next, once they are old enough */
    bool has_target;
    uint64_t at_xid; /* rows of the window from earlier transactions are removed */
};

struct retention {
    const struct config_retention *config;
    struct retention_sweep sweeps[RETENTION_SWEEPS];
    enum retention_sweep_kind turn; /* of the sweep that removes the next batch */
    /* The cursor that has not sent rows that are otherwise old enough; "": none. */
    char held_by[RETENTION_CURSOR_BYTES];
    int64_t held_s; /* age of the oldest of these rows */
};

enum retention_next {
    RETENTION_MORE, /* another batch is due */
    RETENTION_WAIT, /* no further row may be removed now */
};

/* `config` must outlive it. */
void retention_init(struct retention *retention, const struct config_retention *config);
void retention_free(struct retention *retention);

/* Opens a database session for the calls below. Its lock timeout is 1 s; a call then returns
 * ERR_RETRY. The caller closes it. */
int retention_connect(const char *conninfo, struct pg **pg, struct error *err);

/* Begins a pass: reads all cursors and fills `held_by`. */
int retention_poll(struct retention *retention, struct pg *pg, enum retention_next *next,
                   struct error *err);

/* After RETENTION_MORE: removes the next batch, and adds the number of its rows to `*rows`. */
int retention_remove(struct retention *retention, struct pg *pg, int64_t *rows,
                     enum retention_next *next, struct error *err);

#endif
