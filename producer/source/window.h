/* The window between two snapshots: the rows that the later one sees and the earlier one does not
 * (L1).
 *
 *     (xmax(s1) <= txid < xmax(s2)  OR  txid in late(s1, s2))  AND  s2 sees txid
 *
 * late(s1, s2) are the transactions that ran in s1 and have finished in s2. They are computed here,
 * because a query about all transactions that ran in s1 would read, at every poll, the rows of
 * those that still run (F61). Pure; any thread.
 */
#ifndef PRODUCER_SOURCE_WINDOW_H
#define PRODUCER_SOURCE_WINDOW_H

#include "common/event/snapshot.h"

/* False: the window is empty, and a query is not needed. */
bool window_may_hold_rows(const struct snapshot *s1, const struct snapshot *s2);

/* Fills `xids`, which has room for s1's whole list, with late(s1, s2), ascending. Returns their
 * number. */
uint32_t window_late_xids(const struct snapshot *s1, const struct snapshot *s2, uint64_t *xids);

/* Appends the window as an SQL condition on the column `txid`. The bounds are literals, so that the
 * planner can estimate how many rows it selects. */
void window_append_condition(const struct snapshot *s1, const struct snapshot *s2,
                             struct buffer *out);

#endif
