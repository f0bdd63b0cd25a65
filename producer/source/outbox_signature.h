/* The signature of the outbox: what changes when rows may have gone without being read (TRUNCATE,
 * or a table that was created again), and when ids may have been given out in another order than
 * that of the commits (ALTER SEQUENCE). The producer keeps the last one in bitdex_sources, under
 * the name of the outbox.
 *
 *     {"oid": 16390, "file": 16390, "sequence": "16389/731/16389", "row": 7041}
 *
 * Of the sequence it is the oid, the transaction of its last ALTER, and its file, which RESTART
 * IDENTITY changes. VACUUM FULL gives the table another file as well. It keeps the rows, and so the
 * newest one that had been sent when the signature was read, unless retention has removed that. A
 * row that was sent later says nothing: it may have been written after a TRUNCATE.
 *
 * The functions use the caller's database session, on which no transaction is open. One thread.
 */
#ifndef PRODUCER_SOURCE_OUTBOX_SIGNATURE_H
#define PRODUCER_SOURCE_OUTBOX_SIGNATURE_H

#include <stdbool.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/pg/pg.h"
#include "producer/source/cursor.h"

struct outbox_signature {
    const char *now;    /* JSON */
    const char *before; /* likewise, as saved; NULL: none was saved */
    const char *reason; /* why a load of everything is due since the saved one; NULL: none is */
    bool is_same_table; /* the oid and the file are those that were saved */
    bool is_same_sequence;
    bool is_same_row; /* no row was sent since */
    bool has_row;     /* the row of the saved signature exists */
};

/* Reads both signatures. `row_id` is the newest row that was sent. The texts are valid as long as
 * `*result`, which the caller clears. */
int outbox_signature_read(struct pg *pg, const char *name, int64_t row_id,
                          struct pg_result **result, struct outbox_signature *signature,
                          struct error *err);

/* Why rows may be missing or in another order; NULL: they are not. Pure. */
const char *outbox_signature_compare(const struct outbox_signature *signature);

/* Saves the signature of now, and why a load is due (NULL: none is). */
int outbox_signature_save(struct pg *pg, const struct cursor_owner *owner,
                          const struct outbox_signature *signature, const char *reason,
                          struct error *err);

#endif
