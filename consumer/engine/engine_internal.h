/* The state of an engine, and the functions of engine.c that find their way into it. */
#ifndef CONSUMER_ENGINE_ENGINE_INTERNAL_H
#define CONSUMER_ENGINE_ENGINE_INTERNAL_H

#include "common/base/name_table.h"
#include "consumer/engine/field.h"

enum { ENGINE_IMAGE_VERSION = 2 }; /* of what engine_save() writes */

struct engine_watch;

struct engine {
    int32_t partition;
    int32_t partitions;
    int64_t max_slots;
    struct field *fields; /* filter fields, then those that only sort: configuration order */
    uint32_t field_count;
    uint32_t field_capacity;
    struct name_table names; /* of `fields` */
    bool in_rows;            /* between engine_begin_rows() and engine_end_rows() */
    roaring_bitmap_t *alive;
    roaring_bitmap_t *unswept;  /* deleted slots whose values are still in the fields */
    uint64_t unswept_count;     /* at least the number of slots in `unswept` */
    struct field *visible_from; /* NULL: the index has no such field */
    roaring_bitmap_t *held;     /* slots that are hidden whatever their value is */
    roaring_bitmap_t *visible;  /* with visible_from: alive, not held, and the value is null or
                                   <= now_s */
    int64_t now_s;
    uint64_t unknown_field_ops;
    struct engine_watch *watches; /* NULL: no query watches */
};

/* CHECK()s what holds between two changes, and costs little to verify. */
void engine_check_state(const struct engine *engine);

/* NULL: the index has no such field. */
struct field *engine_find_field(const struct engine *engine, struct text name);

/* False: the entity does not belong to this shard. */
bool engine_slot_of(const struct engine *engine, int64_t entity_id, uint32_t *slot);
int64_t engine_entity_of(const struct engine *engine, uint32_t slot);
/* The number of slots of this shard whose entity id is below `entity_id`, which may be any
 * number. */
uint64_t engine_slots_below(const struct engine *engine, int64_t entity_id);
/* The slots of this shard whose entity ids are from `begin` to `end` (not included): from
 * `range.begin` to `range.end` (not included). */
struct slot_range {
    uint64_t begin;
    uint64_t end;
};
struct slot_range engine_slot_range(const struct engine *engine, int64_t begin, int64_t end);

#endif
