/* Deleted slots. A deleted slot leaves `alive` at once, for every reader; its values are removed
 * from the fields later, together with those of other deleted slots (a sweep), because a pass over
 * a large vocabulary costs about the same for one slot as for a thousand (F72).
 *
 * The values are always removed before a row or a chunk writes to the slot. A fan-out matches by
 * values, so until the sweep it may find a deleted slot and write to it; what it writes there is
 * removed too.
 */
#ifndef CONSUMER_ENGINE_ENGINE_SWEEP_H
#define CONSUMER_ENGINE_ENGINE_SWEEP_H

#include "consumer/engine/engine_internal.h"

/* Deletes the slot; sweeps when enough slots have gathered. */
void engine_delete_slot(struct engine *engine, uint32_t slot);
/* Deletes the slots with their values: nothing of them is left for a sweep. */
void engine_delete_slots(struct engine *engine, const roaring_bitmap_t *slots);
/* To be called before a row writes to the slot, a chunk to the slots. */
void engine_sweep_slot(struct engine *engine, uint32_t slot);
void engine_sweep_slots(struct engine *engine, const roaring_bitmap_t *slots);
/* To be called where no op is being applied: texts that nothing holds leave the dictionaries, once
 * there are many. */
void engine_drop_texts(struct engine *engine);

#endif
