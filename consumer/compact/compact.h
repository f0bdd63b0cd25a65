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
 * The ops inside a fan-out go by the same rules, for the slots that its query matches, overridden
 * from behind it in the same fan-out, or in a later one with the same query text, as long as
 * neither the first one nor anything in between writes a field that the query reads (F68). A
 * fan-out without ops is gone.
 *
 * Ops on fields that the index does not have are left alone: the engine counts them. A row whose
 * slot no other row of the batch has is left alone as well: its own bytes go into the log. (To take
 * the `remove old` in front of a `set new` out of every row costs more in encoding it anew, 1 to
 * 2 us, than the engine needs to apply it; bench/compact shows both.)
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
 * against the index: an event's own list when it lost none, count 0 when it lost all. In `arena`,
 * which also holds what the call needs meanwhile. NULL when nothing goes. */
const struct ops *compact_run(struct compact *compact, const struct event *events, uint32_t count,
                              struct arena *arena);

#endif
