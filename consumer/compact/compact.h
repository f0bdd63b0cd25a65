/* Compaction of a batch (law L6): finds the ops that need not be applied, because later ops of the
 * batch overwrite everything that they write before anything reads it.
 *
 * Ops are only dropped, never moved, changed or added; keeping an op is always right. A fan-out
 * changes each slot independently of the others, so the rules are those of one slot:
 *
 *   dropped                                   if later in the batch
 *   set, add, remove of a scalar field        the field is set or added
 *   set [..], set null of a multi-value       the field is set to an array or null
 *   set, add, remove of single elements       that happens, or each element is set, added or
 *                                             removed again
 *   alive                                     alive comes again
 *   any of these, and delete                  the slot is deleted
 *
 * and no fan-out between the two reads the field in its query. The delete of a slot overrides all
 * earlier ops of the slot, also those that a fan-out between reads: what the fan-out then changed
 * in this slot is deleted as well. `remove v` of a scalar overrides nothing, because it changes the
 * field only if its value is v.
 *
 * A row is dropped when all its ops are. Otherwise it stays as it was received: encoding the rest
 * again costs more than applying the whole row (bench/compact.c, hot slots: encoding took 0.13 us
 * for each op of the batch, and applying fewer ops saved 0.06 us). A row whose slot has no other
 * row in the batch is not examined.
 *
 * Single ops of a fan-out are dropped, because each is applied to every slot that the query
 * matches. They are overridden by later ops of the same fan-out, or of a later fan-out with the
 * same query text, as long as neither the first fan-out nor anything between the two writes a field
 * that the query reads (F68).
 *
 * Ops on fields that the index does not have are kept: the engine counts them.
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

/* Returns, for each of the `count` events, the ops that are kept: the event's own list when none is
 * dropped, a list with count 0 when all are. NULL: no op of any event is dropped. The events are
 * rows and fan-outs whose ops have been checked against the index. `arena` holds the result, and
 * what the call needs meanwhile. */
const struct ops *compact_run(struct compact *compact, const struct event *events, uint32_t count,
                              struct arena *arena);

#endif
