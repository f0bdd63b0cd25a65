/* The loads that answer requests for whole sources, and that heal sources which have changed
 * without rows in the outbox (source_watch.h).
 *
 *     request or change --> fields voided --> load queued --> it is done --> rows answered
 *
 * A load counts only if it was queued afterwards: one that is running may have read before.
 * Requests that come while a load runs void their fields at once, and wait for the next load. A
 * request that names an entry which `triggers` does not have waits for a load of everything, and
 * voids nothing, because nobody knows its fields. The drain's thread.
 */
#ifndef PRODUCER_DRAIN_SOURCE_LOADS_H
#define PRODUCER_DRAIN_SOURCE_LOADS_H

#include "producer/drain/session.h"

struct source_loads;

/* `session` has taken over, and outlives it. */
struct source_loads *source_loads_create(struct session *session);
/* NULL does nothing. */
void source_loads_destroy(struct source_loads *loads);

/* The source of an entry has changed, and its fields are voided: it is loaded. */
void source_loads_want(struct source_loads *loads, uint32_t entry, const char *reason);
/* No load that was wanted is still to come. */
bool source_loads_is_done(const struct source_loads *loads, uint32_t entry);

/* Several times a second: voids the fields of what is requested, queues loads, and finds out which
 * have ended. Everything that was added to the publisher is flushed. */
int source_loads_poll(struct source_loads *loads, struct error *err);

/* Rows are to be named as answered. */
bool source_loads_have_answers(const struct source_loads *loads);
/* Queues chunks that name them. A row that asks for something else as well is not named before
 * that is answered. */
int source_loads_add_answers(struct source_loads *loads, struct error *err);
/* The chunks are acknowledged. */
void source_loads_settle(struct source_loads *loads);

#endif
