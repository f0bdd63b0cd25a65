/* What changes while a query has let the writer in: nothing to do as long as there is none. */
#include "consumer/engine/engine.h"

#include "common/base/check.h"
#include "consumer/engine/engine_internal.h"

void
engine_watch_begin(struct engine *engine, struct engine_watch *watch)
{
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
}

void
engine_note_slot(struct engine *engine, uint32_t slot)
{
    for (struct engine_watch *watch = engine->watches; watch != NULL; watch = watch->next)
        roaring_bitmap_add(watch->changed, slot);
}

void
engine_note_slots(struct engine *engine, const roaring_bitmap_t *slots)
{
    for (struct engine_watch *watch = engine->watches; watch != NULL; watch = watch->next)
        roaring_bitmap_or_inplace(watch->changed, slots);
}
