/* Voided events: completeness is taken away from fields, because something that it rests on does
 * not hold any more (L13).
 *
 *     save the number --> send the event to all partitions --> acknowledged --> save that
 *
 * The number is saved before the event is sent, and every mark carries it. A shard that reads a
 * mark with a number whose event it has missed voids all of its fields: it does not know which ones
 * were meant. So nothing is lost when the producer ends in between; only more than necessary is
 * incomplete, until a load of everything (source_loads.h). The drain's thread.
 */
#ifndef PRODUCER_DRAIN_VOIDS_H
#define PRODUCER_DRAIN_VOIDS_H

#include "producer/drain/session.h"

/* Voids fields of all shards, and returns when all partitions have acknowledged it: what the caller
 * sends or queues afterwards may prove them again. "" among the fields is existence; NULL means
 * existence and all fields. `reason` says what has happened, to what; consumers show its first
 * bytes. Everything that was added to the publisher is flushed. */
int voids_send(struct session *session, const struct text *fields, uint32_t count,
               const char *reason, struct error *err);

/* The same of the fields of some entries: those for which `entries` is true, by index in
 * config->triggers. */
int voids_send_entries(struct session *session, const bool *entries, const char *reason,
                       struct error *err);

#endif
