/* The watch over the tables under `triggers`: finds what changes their rows without a trigger
 * (source_signature.h), every producer.watch_interval_ms and when a session begins, also if it
 * happened while no producer ran.
 *
 *     difference --> fields voided --> saved, with the reason --> load wanted --> it is done
 *
 * The reason stays in bitdex_sources until the load is done, so that a restart wants it again. A
 * table that is gone is voided and cannot be loaded; when it is there again, it is. The drain's
 * thread.
 */
#ifndef PRODUCER_DRAIN_SOURCE_WATCH_H
#define PRODUCER_DRAIN_SOURCE_WATCH_H

#include "producer/drain/session.h"
#include "producer/drain/source_loads.h"

struct source_watch;

/* `session` has taken over. It and `loads` outlive the watch. */
struct source_watch *source_watch_create(struct session *session, struct source_loads *loads);
/* NULL does nothing. */
void source_watch_destroy(struct source_watch *watch);

/* The source of an entry has changed for a reason that its signature does not show, and its fields
 * are voided: the reason is saved, and the load wanted. */
int source_watch_change(struct source_watch *watch, uint32_t entry, const char *reason,
                        struct error *err);

/* Compares the tables if it is time. Everything that was added to the publisher is flushed. */
int source_watch_poll(struct source_watch *watch, struct error *err);

#endif
