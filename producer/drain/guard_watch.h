/* The guards that void fields when they stop holding (L13), every producer.guard_interval_ms and
 * when a session begins:
 *
 *     outbox history    it was truncated or created again, or its sequence was altered: everything
 *                       is voided and loaded, also if it happened while no producer ran
 *     triggers          those in place do not cover fields that they have covered: these are
 *                       voided, and loaded when triggers cover them again
 *
 * The guards that end the session instead are asked by session_turn(). The drain's thread.
 */
#ifndef PRODUCER_DRAIN_GUARD_WATCH_H
#define PRODUCER_DRAIN_GUARD_WATCH_H

#include "producer/drain/session.h"
#include "producer/drain/source_loads.h"
#include "producer/drain/source_watch.h"

struct guard_watch;

/* `session` has taken over. It, `sources` and `loads` outlive the watch. */
struct guard_watch *guard_watch_create(struct session *session, struct source_watch *sources,
                                       struct source_loads *loads);
/* NULL does nothing. */
void guard_watch_destroy(struct guard_watch *watch);

/* Asks the guards if it is time. Everything that was added to the publisher is flushed. */
int guard_watch_poll(struct guard_watch *watch, struct error *err);

#endif
