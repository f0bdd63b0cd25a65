/* Scalar fields and the computed fields that follow them: a computed field has the greatest or the
 * least value of its sources, and no value when no source has one. */
#ifndef CONSUMER_ENGINE_ENGINE_COMPUTE_H
#define CONSUMER_ENGINE_ENGINE_COMPUTE_H

#include "consumer/engine/engine_internal.h"

/* Updates the fields that `source`, which feeds some, feeds after its value in this slot has
 * changed. */
void engine_compute_slot(struct engine *engine, const struct field *source, uint32_t slot);
/* The same in many slots. `key` is the value that `source` now has in all of them; NULL: none. */
void engine_compute_slots(struct engine *engine, const struct field *source,
                          const roaring_bitmap_t *slots, const int64_t *key);
/* Updates one computed field in the slots of `scope`, whose sources may have changed in any way.
 * Does nothing for other fields. */
void engine_compute_scope(struct field *field, const roaring_bitmap_t *scope);

#endif
