/* The reading session: rows of a window out of "BitdexOps", chunk by chunk.
 *
 * Each chunk is one short statement, read into memory to its end whatever becomes of its rows, so
 * that a broker that is away never holds an old snapshot in the database (F64). While a chunk is
 * encoded, the database makes the next one: start it, pump now and then, take it when it is done.
 * A chunk is bounded by rows (in the statement) and by bytes (it is cut there and the next one
 * begins behind the cut). A row larger than row_bytes never leaves the database.
 *
 * Any error breaks the session: close it. One thread.
 */
#ifndef PRODUCER_SOURCE_OUTBOX_H
#define PRODUCER_SOURCE_OUTBOX_H

#include "common/pg/pg.h"
#include "producer/source/copy_rows.h"
#include "producer/source/snapshot.h"

struct outbox;

struct outbox_limits {
    int64_t chunk_rows;
    int64_t chunk_bytes;
    int64_t row_bytes;
};

/* Where a window is read from its beginning. */
#define OUTBOX_FIRST_ROW INT64_MIN

struct outbox_chunk {
    struct text bytes; /* for copy_rows_begin(); valid until the next chunk is taken */
    int64_t rows;
    int64_t last_id; /* of its last row, if there is one */
    bool last;       /* nothing of the window is behind it */
};

int outbox_open(const char *conninfo, const struct outbox_limits *limits, struct outbox **outbox,
                struct error *err);
void outbox_close(struct outbox *outbox);

/* Asks for the window's rows with id > `after_id`. The snapshots are not kept. One chunk at a
 * time. */
int outbox_start(struct outbox *outbox, const struct snapshot *s1, const struct snapshot *s2,
                 int64_t after_id, struct error *err);

/* Takes what has arrived, waiting up to `wait_ms` for the first byte. Harmless when nothing is
 * running. */
int outbox_pump(struct outbox *outbox, int wait_ms, struct error *err);

/* Is there a chunk to take? */
bool outbox_ready(const struct outbox *outbox);
void outbox_take(struct outbox *outbox, struct outbox_chunk *chunk);

#endif
