/* Numbers about an engine, for metrics and status. */
#include "consumer/engine/engine.h"

#include "common/base/check.h"
#include "consumer/engine/engine_internal.h"
#include "consumer/engine/engine_time.h"

bool
engine_read_field_stats(const struct engine *engine, uint32_t at, struct engine_field_stats *stats)
{
    if (at >= engine->field_count)
        return false;
    const struct field *field = &engine->fields[at];
    CHECK(!field->defers);
    *stats = (struct engine_field_stats){
        .name = field->name,
        .slots = roaring_bitmap_andnot_cardinality(field->present, engine->unswept),
        .values = field->postings.count,
        .memory_bytes = field_bytes(field),
    };
    return true;
}

void
engine_read_stats(const struct engine *engine, struct engine_stats *stats)
{
    CHECK(!engine->in_rows);
    *stats = (struct engine_stats){
        .alive_slots = roaring_bitmap_get_cardinality(engine->alive),
        .visible_slots = roaring_bitmap_get_cardinality(engine_visible(engine)),
        .unknown_field_ops = engine->unknown_field_ops,
        .memory_bytes = sizeof *engine + bitmap_bytes(engine->alive) + bitmap_bytes(engine->held) +
                        bitmap_bytes(engine->visible),
    };
    CHECK(stats->visible_slots <= stats->alive_slots);
    struct engine_field_stats field;
    for (uint32_t i = 0; engine_read_field_stats(engine, i, &field); i++)
        stats->memory_bytes += field.memory_bytes;
}
