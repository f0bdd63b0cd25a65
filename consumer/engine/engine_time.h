/* Which slots queries find: those that are alive and whose `visible_from` time has come.
 *
 * `visible` follows from the state and from `now_s` alone, so neither a restart nor a clock that is
 * set back can lose an activation (F33). */
#ifndef CONSUMER_ENGINE_ENGINE_TIME_H
#define CONSUMER_ENGINE_ENGINE_TIME_H

#include "consumer/engine/engine_internal.h"

/* The slots that queries find; valid until the next change. */
const roaring_bitmap_t *engine_visible(const struct engine *engine);
/* The slots of `slots` whose place in `visible` does not follow from `alive`, `visible_from` and
 * the time. The caller frees the bitmap. */
roaring_bitmap_t *engine_find_misplaced(const struct engine *engine, const roaring_bitmap_t *slots);
/* Updates `visible` after a change of `alive` or of `visible_from` in these slots. */
void engine_show_slot(struct engine *engine, uint32_t slot);
void engine_show_slots(struct engine *engine, const roaring_bitmap_t *slots);

#endif
