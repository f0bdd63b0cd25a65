/* The reader of the outbox: reads the rows of a window from "BitdexOps", chunk by chunk, in a
 * database session of its own.
 *
 * Each chunk is one short statement whose result is read into memory to its end, independently of
 * the broker, so that an outage of the broker holds no old snapshot in the database (F64). While
 * one chunk is encoded, the database makes the next one: start it, pump now and then, and take it
 * when it is ready. A chunk is bounded by rows (in the statement) and by bytes (it is cut there,
 * and the next one begins after the cut). A row larger than row_bytes never leaves the database.
 *
 * A row whose ops the database cannot give out as text (F103: jsonb of 2 kB that is more than 1 GB
 * as text, bytes that its encoding cannot convert, damaged pages) is a chunk of its own, without
 * the ops and with the database's reason.
 *
 * After any error only outbox_close() is allowed. One thread.
 */
#ifndef PRODUCER_SOURCE_OUTBOX_H
#define PRODUCER_SOURCE_OUTBOX_H

#include "common/event/snapshot.h"
#include "common/pg/pg.h"
#include "producer/source/copy_rows.h"
#include "producer/source/cursor.h"

struct outbox;

struct outbox_limits {
    int64_t chunk_rows;
    int64_t chunk_bytes;
    int64_t row_bytes;
};

/* As `after_id`: reads a window from its beginning. */
#define OUTBOX_FIRST_ROW INT64_MIN

struct outbox_chunk {
    struct text bytes; /* for copy_rows_begin(); valid until the next chunk is taken */
    int64_t rows;
    int64_t last_id; /* of its last row, if there is one */
    bool last;       /* the window ends with this chunk; true if it has no rows */
    /* Why the ops of its only row cannot be read; NULL: they can. Valid like `bytes`. */
    const char *unreadable;
};

/* `expected` as of source_connect(). */
int outbox_open(const char *conninfo, const struct cursor_history *expected,
                const struct outbox_limits *limits, struct outbox **outbox, struct error *err);
void outbox_close(struct outbox *outbox);

/* Requests the window's rows with id > `after_id`. The snapshots are not kept. One chunk at a
 * time: the one before was taken. */
int outbox_start(struct outbox *outbox, const struct snapshot *s1, const struct snapshot *s2,
                 int64_t after_id, struct error *err);

/* Likewise, for the requests among the rows with id <= `up_to_id`: other rows have the ops `[]`.
 * Without that bound the last chunk of an old window would walk over all newer rows. */
int outbox_start_requests(struct outbox *outbox, const struct snapshot *s1,
                          const struct snapshot *s2, int64_t after_id, int64_t up_to_id,
                          struct error *err);

/* Takes what has arrived, waiting up to `wait_ms` for the first byte. Does nothing when no chunk is
 * requested. */
int outbox_pump(struct outbox *outbox, int wait_ms, struct error *err);

/* The requested chunk is complete. */
bool outbox_ready(const struct outbox *outbox);
/* Only when it is ready. */
void outbox_take(struct outbox *outbox, struct outbox_chunk *chunk);

#endif
