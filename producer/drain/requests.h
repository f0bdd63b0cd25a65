/* The requests among the rows of the outbox: each that is delivered, or about to be, becomes owed
 * (refresh/owed.h).
 *
 * Requests of a window that is read as a whole before it is sent are taken from its chunk, so that
 * they are answered at the end of that window. All others, of a backlog or of a window that is
 * resumed, are taken as their rows are sent, and those that there was no room for are read again
 * from the outbox. The drain's thread.
 */
#ifndef PRODUCER_DRAIN_REQUESTS_H
#define PRODUCER_DRAIN_REQUESTS_H

#include "common/event/event.h"
#include "producer/drain/session.h"

/* `chunk` is all of the next window, which ends with `s2`. */
int requests_take_chunk(struct session *session, const struct snapshot *s2,
                        const struct outbox_chunk *chunk, struct error *err);

/* An event of the session's window is about to be queued. Does nothing when the requests of the
 * window were taken already. */
void requests_take_event(struct session *session, const struct event *event);

/* Reads a page of what is owed and was not held, if there is room for it. */
int requests_read_rest(struct session *session, struct error *err);

#endif
