#include "consumer/engine/engine_time.h"

#include "common/base/check.h"
#include "consumer/engine/engine.h"
#include "consumer/engine/engine_watch.h"
#include "consumer/engine/field_match.h"
#include "consumer/engine/top_k.h"

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
    CHECK(slot < engine->max_slots);
    if (engine->visible_from == NULL)
        return;
    bool hidden = (field_get(engine->visible_from, slot, &from_s) && from_s > engine->now_s) ||
                  roaring_bitmap_contains(engine->held, slot);
    if (!hidden && roaring_bitmap_contains(engine->alive, slot))
        roaring_bitmap_add(engine->visible, slot);
    else
        roaring_bitmap_remove(engine->visible, slot);
}

/* The slots of `slots` that become visible after `after_s`, and not after `until_s`. */
static roaring_bitmap_t *
time_due(const struct engine *engine, int64_t after_s, int64_t until_s,
         const roaring_bitmap_t *slots)
{
    CHECK(after_s <= until_s);
    if (after_s == INT64_MAX)
        return bitmap_create();
    return field_match_range(engine->visible_from, after_s + 1, until_s, slots);
}

/* The slots of `slots` that queries should find. */
static roaring_bitmap_t *
time_shown(const struct engine *engine, const roaring_bitmap_t *slots)
{
    roaring_bitmap_t *hidden = time_due(engine, engine->now_s, INT64_MAX, slots);
    roaring_bitmap_t *shown = bitmap_and(engine->alive, slots);
    roaring_bitmap_andnot_inplace(shown, hidden);
    roaring_bitmap_andnot_inplace(shown, engine->held);
    roaring_bitmap_free(hidden);
    return shown;
}

roaring_bitmap_t *
engine_find_misplaced(const struct engine *engine, const roaring_bitmap_t *slots)
{
    if (engine->visible_from == NULL)
        return bitmap_create();
    roaring_bitmap_t *alive = bitmap_and(engine->alive, slots);
    roaring_bitmap_t *shown = time_shown(engine, alive);
    roaring_bitmap_t *misplaced = bitmap_and(engine->visible, slots);
    roaring_bitmap_xor_inplace(misplaced, shown);
    roaring_bitmap_free(alive);
    roaring_bitmap_free(shown);
    return misplaced;
}

void
engine_show_slots(struct engine *engine, const roaring_bitmap_t *slots)
{
    if (engine->visible_from == NULL)
        return;
    roaring_bitmap_t *shown = time_shown(engine, slots);
    roaring_bitmap_andnot_inplace(engine->visible, slots);
    roaring_bitmap_or_inplace(engine->visible, shown);
    roaring_bitmap_free(shown);
    CHECK(roaring_bitmap_get_cardinality(engine->visible) <=
          roaring_bitmap_get_cardinality(engine->alive));
}

void
engine_advance(struct engine *engine, int64_t now_s)
{
    int64_t old_s = engine->now_s;
    CHECK(!engine->in_rows);
    engine->now_s = now_s;
    if (engine->visible_from == NULL || now_s == old_s)
        return;
    bool back = now_s < old_s;
    CHECK(engine->visible_from->computed_op == COMPUTED_NONE);
    roaring_bitmap_t *due =
        time_due(engine, back ? now_s : old_s, back ? old_s : now_s, engine->alive);
    roaring_bitmap_andnot_inplace(due, engine->held);
    engine_note_slots(engine, due);
    if (back)
        roaring_bitmap_andnot_inplace(engine->visible, due);
    else
        roaring_bitmap_or_inplace(engine->visible, due);
    roaring_bitmap_free(due);
    CHECK(roaring_bitmap_get_cardinality(engine->visible) <=
          roaring_bitmap_get_cardinality(engine->alive));
}

void
engine_hold(struct engine *engine, uint32_t slot, bool is_held)
{
    CHECK(!engine->in_rows);
    CHECK(slot < engine->max_slots);
    if (engine->visible_from == NULL || roaring_bitmap_contains(engine->held, slot) == is_held)
        return;
    if (is_held)
        roaring_bitmap_add(engine->held, slot);
    else
        roaring_bitmap_remove(engine->held, slot);
    engine_note_slot(engine, slot);
    engine_show_slot(engine, slot);
}

/* The least value among `slots`, which all have one; false: there are no slots. */
static bool
time_least(const struct field *field, const roaring_bitmap_t *slots, int64_t *least)
{
    struct top_k_hit hit;
    CHECK(field->type == FIELD_SINGLE_VALUE);
    if (field->sort_bits > 0) {
        bool found = top_k_find(field, slots, false, NULL, 1, &hit) > 0;
        *least = found ? hit.value : INT64_MAX;
        return found;
    }
    roaring_uint32_iterator_t at;
    roaring_init_iterator(slots, &at);
    *least = INT64_MAX;
    bool found = at.has_value;
    for (; at.has_value; roaring_advance_uint32_iterator(&at)) {
        int64_t value;
        if (field_get(field, at.current_value, &value) && value < *least)
            *least = value;
    }
    return found;
}

bool
engine_next_activation(const struct engine *engine, int64_t *at_s)
{
    CHECK(!engine->in_rows);
    if (engine->visible_from == NULL)
        return false;
    roaring_bitmap_t *hidden = bitmap_andnot(engine->alive, engine->visible);
    roaring_bitmap_andnot_inplace(hidden, engine->held);
    bool found = time_least(engine->visible_from, hidden, at_s);
    roaring_bitmap_free(hidden);
    return found;
}
