/* Jobs in the drain: the steps of loads (load/loader.h), and of verification (checks.h), at the
 * ends of windows.
 *
 *     prepare  find the job, and what is to be locked
 *     read     in the transaction whose snapshot is the end of the next window
 *              (load/window_reading.h); nothing is sent while it is open
 *     window   the drain sends the rows up to that snapshot, and saves the window
 *     send     when these are acknowledged: what was read, with the last seq of each partition
 *     save     when that is acknowledged: the job moves on
 *
 * The saved window is a synchronous commit, so that what was read is durable in the source
 * database before it is sent. A session that ends in between loses what was read, and the next
 * session reads it again. The drain's thread.
 */
#ifndef PRODUCER_DRAIN_LOADS_H
#define PRODUCER_DRAIN_LOADS_H

#include "producer/drain/session.h"
#include "producer/load/csv_source.h"

struct loads;

/* `session` has taken over, and outlives it. `csv` is NULL, or the only load, of CSV files. */
struct loads *loads_create(struct session *session, const struct csv_request *csv);
/* NULL does nothing. */
void loads_destroy(struct loads *loads);

/* Before the transaction at the end of a window is begun: looks for jobs every JOBS_POLL_MS, and
 * prepares the reading of the step that is due. `*tables` is what has to be locked before the
 * snapshot is taken; NULL: nothing is to be read there. */
int loads_prepare(struct loads *loads, const char **tables, struct error *err);
/* Reads the step that was prepared in the open transaction of the session. */
int loads_read(struct loads *loads, struct error *err);
/* The transaction could not be begun, for the reason in `why`. */
void loads_fail(struct loads *loads, const struct error *why);
/* No rows are sent: what CSV files hold is older than any row of the outbox, and comes first. */
bool loads_hold_rows(const struct loads *loads);

/* Something was read and is to be sent. */
bool loads_have_step(const struct loads *loads);
/* Sends it, after the rows that its snapshot sees were handed over and their window was saved:
 * first the step of a load, then what is to be checked (checks.h). `owes`: requests are not
 * answered yet, so nothing is checked. */
int loads_send(struct loads *loads, bool owes, struct error *err);

#endif
