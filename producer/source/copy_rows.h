/* Parses rows of the outbox from the bytes of `COPY ... (FORMAT binary)` (copy_binary.h). The
 * columns are those that outbox.c selects:
 *
 *     id int8, entity_id int8, txid xid8, created_at timestamptz, ops text, to_all bool
 *
 * `ops` is null when it is larger than `row_bytes` or cannot be read; only then to_all is not null.
 * Pure; one thread.
 */
#ifndef PRODUCER_SOURCE_COPY_ROWS_H
#define PRODUCER_SOURCE_COPY_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "producer/source/copy_binary.h"

struct outbox_row {
    int64_t id;
    int64_t entity_id;
    uint64_t txid;
    bool has_created_at;    /* false also outside the years 1 to 9999, which many readers lack */
    int64_t created_at_us;  /* Unix microseconds */
    bool has_no_ops;        /* `ops` is empty: too large, or unreadable */
    const char *unreadable; /* why; NULL: too large, or has ops. Not in the bytes: outbox_chunk */
    bool to_all;            /* filled only when has_no_ops: it goes to every partition */
    struct text ops;        /* JSON; points into the bytes */
};

struct copy_rows {
    struct copy_bytes bytes;
    bool complete; /* the trailer has been seen */
};

/* Parses the header. `bytes` must outlive `rows` and the rows' ops. */
int copy_rows_begin(struct copy_rows *rows, struct text bytes, struct error *err);

/* Fills `*row` and `*found`; `*found` is false after the last row. A copy that was cancelled ends
 * between two rows without the trailer, which leaves `complete` false. ERR_FATAL when the bytes are
 * not such a copy. */
int copy_rows_next(struct copy_rows *rows, struct outbox_row *row, bool *found, struct error *err);

#endif
