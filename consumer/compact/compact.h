/* Compaction of a batch (law L6): finds the ops that need not be applied, because later ops of the
 * batch overwrite whatever they write before anything reads it.
 *
 * Ops are only ever dropped, never moved, changed or invented, and each of them may as well stay.
 * Slots are independent of each other, fan-outs included, so the rules are those of one slot:
 *
 *   what goes                                 when behind it, in the same batch
 *   set, add, remove of a scalar field        the field is set or added
 *   set [..], set null of a multi-value       the field is set to an array or null
 *   set, add, remove of single elements       that happens, or each element is set, added, removed
 *                                             again
 *   alive                                     alive comes again
 *   any of these, and delete                  the slot is deleted
 *
 * and no fan-out in between reads the field in its query. Nothing that is between an op and the
 * delete of its slot can save it: a fan-out that read it changed that slot only. `remove v` of a
 * scalar overrides nothing: it changes the field only if it is v.
 *
 * A row goes when all its ops do, and else stays as it was received: to encode the rest anew costs
 * more than to apply it whole (bench/compact.c, hot slots: 0.13 us for each op of the batch, of
 * which applying less gave back 0.06 us). A row that has its slot for itself in the batch is not
 * even looked at.
 *
 * Of a fan-out single ops go, since each costs as many slots as the query matches. They are
 * overridden from behind them in the same fan-out, or in a later one with the same query text, as
 * long as neither the first one nor anything in between writes a field that the query reads (F68).
 *
 * Ops on fields that the index does not have stay: the engine counts them.
 *
 * Pure. One thread.
 */
#ifndef CONSUMER_COMPACT_COMPACT_H
#define CONSUMER_COMPACT_COMPACT_H

#include "common/config/config.h"
#include "common/event/event.h"

struct compact;

/* `index` must outlive it. The caller owns it. */
struct compact *compact_create(const struct config_index *index);
/* NULL is allowed. */
void compact_destroy(struct compact *compact);

/* The ops that are left of each of the `count` events, rows and fan-outs that have been checked
 * against the index: an event's own list when it lost none, count 0 when it is gone. In `arena`,
 * which also holds what the call needs meanwhile. NULL when nothing goes. */
const struct ops *compact_run(struct compact *compact, const struct event *events, uint32_t count,
                              struct arena *arena);

#endif
