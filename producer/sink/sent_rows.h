/* The rows of a resumed window that are on the topic already, as rows that were accepted (F79).
 *
 * Another version of the program, or one with other limits, may have accepted a row that this one
 * rejects. What consumers may have seen of the row decides. A rejected event has a stored dead
 * letter, which is followed. Without a dead letter, an accepted event on the topic, in any
 * partition and before our fence, is sent again as it is. Without that as well, no consumer has
 * seen the row, and it may be rejected.
 *
 * Holds one entry for each row found; their number is bounded by what was in flight. One thread;
 * the calls block.
 */
#ifndef PRODUCER_SINK_SENT_ROWS_H
#define PRODUCER_SINK_SENT_ROWS_H

#include "common/base/error.h"
#include "common/config/config.h"
#include "common/event/event.h"

struct sent_rows;

/* What to read: offsets[p] < offset <= ends[p] of each partition. */
struct sent_range {
    int64_t epoch;          /* events of other epochs are skipped */
    int64_t after_row_id;   /* rows up to this one are skipped */
    const int64_t *offsets; /* the last one before the window was opened; -1: none */
    const int64_t *ends;    /* the last one to read; -1: none */
};

/* Reads the range. `turn` is called several times a second; when it returns anything but 0, the
 * reading ends with that. The caller owns `*rows`. */
int sent_rows_read(const struct config *config, const struct sent_range *range,
                   int (*turn)(void *context, struct error *err), void *context,
                   struct sent_rows **rows, struct error *err);
/* NULL does nothing. */
void sent_rows_free(struct sent_rows *rows);

/* Finds the row's ops as they are on the topic, in `arena`; `*ops` is NULL when the row is not
 * there. */
int sent_rows_find(struct sent_rows *rows, int64_t row_id, struct arena *arena,
                   const struct ops **ops, struct error *err);

#endif
