/* What is hidden until a time. `visible` follows from the state and `now_s` alone, so that neither
 * a restart nor a clock that goes back can lose an activation (F33). */
#include "consumer/engine/engine.h"

#include "common/base/check.h"
#include "consumer/engine/engine_internal.h"

const roaring_bitmap_t *
engine_visible(const struct engine *engine)
{
    return engine->visible_from != NULL ? engine->visible : engine->alive;
}

bool
engine_is_visible(const struct engine *engine, int64_t entity_id)
{
    uint32_t slot;
    return engine_slot_of(engine, entity_id, &slot) &&
           roaring_bitmap_contains(engine_visible(engine), slot);
}

void
engine_show_slot(struct engine *engine, uint32_t slot)
{
    int64_t from_s;
    if (engine->visible_from == NULL)
        return;
    bool hidden = field_get(engine->visible_from, slot, &from_s) && from_s > engine->now_s;
    if (!hidden && roaring_bitmap_contains(engine->alive, slot))
        roaring_bitmap_add(engine->visible, slot);
    else
        roaring_bitmap_remove(engine->visible, slot);
}

/* Those of `slots` that are to be visible between two times, the first one not included. */
static roaring_bitmap_t *
time_due(const struct engine *engine, int64_t after_s, int64_t until_s,
         const roaring_bitmap_t *slots)
{
    if (after_s == INT64_MAX)
        return roaring_bitmap_create();
    return field_match_range(engine->visible_from, after_s + 1, until_s, slots);
}

void
engine_show_slots(struct engine *engine, const roaring_bitmap_t *slots)
{
    if (engine->visible_from == NULL)
        return;
    roaring_bitmap_t *hidden = time_due(engine, engine->now_s, INT64_MAX, slots);
    roaring_bitmap_t *shown = roaring_bitmap_and(engine->alive, slots);
    CHECK(hidden != NULL && shown != NULL);
    roaring_bitmap_andnot_inplace(shown, hidden);
    roaring_bitmap_andnot_inplace(engine->visible, slots);
    roaring_bitmap_or_inplace(engine->visible, shown);
    roaring_bitmap_free(hidden);
    roaring_bitmap_free(shown);
}

void
engine_advance(struct engine *engine, int64_t now_s)
{
    int64_t old_s = engine->now_s;
    engine->now_s = now_s;
    if (engine->visible_from == NULL || now_s == old_s)
        return;
    bool back = now_s < old_s;
    roaring_bitmap_t *due =
        time_due(engine, back ? now_s : old_s, back ? old_s : now_s, engine->alive);
    CHECK(due != NULL);
    engine_note_slots(engine, due);
    if (back)
        roaring_bitmap_andnot_inplace(engine->visible, due);
    else
        roaring_bitmap_or_inplace(engine->visible, due);
    roaring_bitmap_free(due);
}

bool
engine_next_activation(const struct engine *engine, int64_t *at_s)
{
    if (engine->visible_from == NULL)
        return false;
    roaring_bitmap_t *hidden = roaring_bitmap_andnot(engine->alive, engine->visible);
    CHECK(hidden != NULL);
    bool found = field_least(engine->visible_from, hidden, at_s);
    roaring_bitmap_free(hidden);
    return found;
}
