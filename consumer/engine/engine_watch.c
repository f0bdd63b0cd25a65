#include "consumer/engine/engine_watch.h"

#include "common/base/check.h"
#include "consumer/engine/engine.h"

void
engine_watch_begin(struct engine *engine, struct engine_watch *watch)
{
    CHECK(watch->changed != NULL);
    CHECK(watch->next == NULL && engine->watches != watch);
    watch->next = engine->watches;
    engine->watches = watch;
}

void
engine_watch_end(struct engine *engine, struct engine_watch *watch)
{
    struct engine_watch **at = &engine->watches;
    while (*at != watch) {
        CHECK(*at != NULL);
        at = &(*at)->next;
    }
    *at = watch->next;
    watch->next = NULL;
}

void
engine_note_slot(struct engine *engine, uint32_t slot)
{
    CHECK(slot < engine->max_slots);
    for (struct engine_watch *watch = engine->watches; watch != NULL; watch = watch->next)
        roaring_bitmap_add(watch->changed, slot);
}

void
engine_note_slots(struct engine *engine, const roaring_bitmap_t *slots)
{
    for (struct engine_watch *watch = engine->watches; watch != NULL; watch = watch->next) {
        roaring_bitmap_or_inplace(watch->changed, slots);
    }
}
