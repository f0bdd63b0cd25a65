/* The rows of one window: parsed, routed, numbered and queued, chunk by chunk.
 *
 * While a chunk is worked on, the database makes the next one. A row becomes an event for its
 * entity's partition, a fan-out an event for every partition, and a row that cannot be an event a
 * rejected one (dead_letters.h).
 */
#ifndef PRODUCER_DRAIN_WINDOW_ROWS_H
#define PRODUCER_DRAIN_WINDOW_ROWS_H

#include "producer/drain/session.h"

/* Hands the rows of the session's saved window to the publisher and flushes them, beginning with
 * the chunk `first`. `resumed`: they may have been sent before. Returns 0, a negative ERR_*, or
 * SESSION_STOPPED. The drain's thread. */
int window_rows_send(struct session *session, const struct outbox_chunk *first, bool resumed,
                     struct error *err);

#endif
