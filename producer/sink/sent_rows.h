/* Which rows of a resumed window are on the topic already, as rows that were accepted (F79).
 *
 * Another version of the validator, or one with other limits, may have accepted a row that this one
 * rejects. What consumers have seen of it decides: a rejected event has a stored verdict, which is
 * followed; without one, an accepted event on the topic, in any partition and before our fence, is
 * sent again as it is; without that as well, nobody has seen the row, and it may be rejected.
 *
 * Holds one entry for each row found; how many they can be is bounded by what was in flight. One
 * thread; the calls block.
 */
#ifndef PRODUCER_SINK_SENT_ROWS_H
#define PRODUCER_SINK_SENT_ROWS_H

#include "common/config/config.h"
#include "common/event/event.h"

struct sent_rows;

/* What to read. Arrays have one item for each partition. */
struct sent_range {
    int64_t epoch;
    int64_t after_row_id;   /* rows up to this one are of no interest */
    const int64_t *offsets; /* the last ones before the window began; -1: none */
    const int64_t *ends;    /* the last ones to be read */
};

/* Reads the range. `turn` is called now and then and ends the reading with what it returns, unless
 * that is 0. */
int sent_rows_read(const struct config *config, const struct sent_range *range,
                   int (*turn)(void *context, struct error *err), void *context,
                   struct sent_rows **rows, struct error *err);
/* NULL does nothing. */
void sent_rows_free(struct sent_rows *rows);

/* The row's ops as they are on the topic, in `arena`; NULL: the row is not there. */
int sent_rows_find(struct sent_rows *rows, int64_t row_id, struct arena *arena,
                   const struct ops **ops, struct error *err);

#endif
