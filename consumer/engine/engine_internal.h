/* What the engine's files share: the state, and how a name and an entity id lead into it. */
#ifndef CONSUMER_ENGINE_ENGINE_INTERNAL_H
#define CONSUMER_ENGINE_ENGINE_INTERNAL_H

#include "consumer/engine/engine.h"
#include "consumer/engine/field.h"

enum { ENGINE_STATE_VERSION = 1 }; /* of what engine_save() writes */

struct engine {
    struct engine_options options;
    struct field *fields; /* filter fields, then those that only sort: configuration order */
    uint32_t field_count;
    roaring_bitmap_t *alive;
    roaring_bitmap_t *swept_later; /* deleted, with values that still stand in the fields */
    uint64_t swept_later_count;    /* at least as many as are in it */
    struct field *visible_from;    /* NULL: the index has none */
    roaring_bitmap_t *visible;     /* with visible_from: alive, and its value null or <= now_s */
    int64_t now_s;
    uint64_t unknown_field_ops;
    struct engine_watch *watches; /* NULL: nobody watches */
    struct arena scratch;         /* the query of the fan-out being applied */
};

struct engine_watch {
    roaring_bitmap_t *changed;
    struct engine_watch *next;
};

/* What queries see of these slots may be something else now. */
void engine_note_slot(struct engine *engine, uint32_t slot);
void engine_note_slots(struct engine *engine, const roaring_bitmap_t *slots);

/* NULL when the index has no such field. */
struct field *engine_find_field(const struct engine *engine, struct text name);

/* What queries see. */
const roaring_bitmap_t *engine_visible(const struct engine *engine);
/* Brings `visible` up to date with what changed in one slot, in some slots. */
void engine_show_slot(struct engine *engine, uint32_t slot);
void engine_show_slots(struct engine *engine, const roaring_bitmap_t *slots);

/* False: not an entity of this shard. */
bool engine_slot_of(const struct engine *engine, int64_t entity_id, uint32_t *slot);
int64_t engine_entity_of(const struct engine *engine, uint32_t slot);
/* How many slots of this shard have an entity id below `entity_id`, which may be any number. */
uint64_t engine_slots_below(const struct engine *engine, int64_t entity_id);

#endif
