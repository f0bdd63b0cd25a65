/* Single entities: their values as JSON, as documents, and which entities exist. */
#include "consumer/engine/engine.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/json/json_write.h"
#include "consumer/engine/engine_internal.h"
#include "consumer/engine/engine_time.h"

#define SLOTS_END (UINT64_C(1) << 32)

static void
entity_write_set(struct json_writer *writer, const struct field *field, uint32_t slot)
{
    struct set_reader reader;
    int64_t value;
    CHECK(field->type == FIELD_MULTI_VALUE);
    json_array_begin(writer);
    set_column_read(&field->sets, slot, &reader);
    while (set_reader_next(&reader, &value))
        json_integer(writer, value);
    json_array_end(writer);
}

static void
entity_write_scalar(struct json_writer *writer, const struct field *field, int64_t key)
{
    if (field->type == FIELD_BOOLEAN)
        json_boolean(writer, key != 0);
    else if (field->type == FIELD_STRING)
        json_text(writer, dictionary_text(&field->dictionary, (uint32_t)key));
    else
        json_integer(writer, key);
}

static void
entity_write_field(struct json_writer *writer, const struct field *field, uint32_t slot)
{
    int64_t key;
    if (!roaring_bitmap_contains(field->present, slot))
        return;
    json_key(writer, field->name.data);
    if (field->type == FIELD_MULTI_VALUE)
        entity_write_set(writer, field, slot);
    else if (field_get(field, slot, &key))
        entity_write_scalar(writer, field, key);
}

/* Is the slot deleted, with values that a sweep is still to remove? */
static bool
entity_is_unswept(const struct engine *engine, uint32_t slot)
{
    return roaring_bitmap_contains(engine->unswept, slot);
}

void
engine_entity_json(const struct engine *engine, int64_t entity_id, struct buffer *out, bool *alive)
{
    uint32_t slot;
    CHECK(!engine->in_rows);
    *alive = false;
    if (!engine_slot_of(engine, entity_id, &slot))
        return;
    *alive = roaring_bitmap_contains(engine->alive, slot);
    if (entity_is_unswept(engine, slot))
        return;
    struct buffer object;
    struct json_writer writer;
    buffer_init(&object);
    json_writer_init(&writer, &object);
    json_object_begin(&writer);
    for (uint32_t i = 0; i < engine->field_count; i++)
        entity_write_field(&writer, &engine->fields[i], slot);
    json_object_end(&writer);
    CHECK(object.bytes >= 2);
    buffer_append(out, object.data + 1, object.bytes - 2); /* without the braces */
    buffer_free(&object);
}

static void
document_write_field(struct json_writer *writer, const struct field *field, uint32_t slot,
                     bool is_empty)
{
    int64_t key;
    json_key(writer, field->name.data);
    bool has_value = !is_empty && roaring_bitmap_contains(field->present, slot);
    if (field->type == FIELD_MULTI_VALUE && has_value) {
        entity_write_set(writer, field, slot);
    } else if (field->type == FIELD_MULTI_VALUE) {
        json_array_begin(writer);
        json_array_end(writer);
    } else if (has_value && field_get(field, slot, &key)) {
        entity_write_scalar(writer, field, key);
    } else {
        json_null(writer);
    }
}

void
engine_document_json(const struct engine *engine, int64_t entity_id, const struct field_set *fields,
                     struct buffer *out)
{
    uint32_t slot;
    struct json_writer writer;
    CHECK(!engine->in_rows);
    json_writer_init(&writer, out);
    if (!engine_slot_of(engine, entity_id, &slot) ||
        !roaring_bitmap_contains(engine->alive, slot)) {
        json_null(&writer);
        return;
    }
    json_object_begin(&writer);
    json_key(&writer, "id");
    json_integer(&writer, entity_id);
    bool is_empty = entity_is_unswept(engine, slot);
    uint32_t number = field_set_next(fields, 0);
    for (; number < engine->field_count; number = field_set_next(fields, number + 1))
        document_write_field(&writer, &engine->fields[number], slot, is_empty);
    CHECK(number == FIELD_NUMBERS);
    json_object_end(&writer);
}

/* Moves every iterator to its first slot from `slot` on; returns the least of these slots, or
 * SLOTS_END. */
static uint64_t
scan_next(roaring_uint32_iterator_t *iterators, uint32_t count, uint64_t slot)
{
    uint64_t least = SLOTS_END;
    CHECK(slot < SLOTS_END);
    for (uint32_t i = 0; i < count; i++) {
        roaring_uint32_iterator_t *at = &iterators[i];
        if (at->has_value && at->current_value < slot)
            roaring_move_uint32_iterator_equalorlarger(at, (uint32_t)slot);
        if (at->has_value && at->current_value < least)
            least = at->current_value;
    }
    CHECK(least >= slot);
    return least;
}

int
engine_scan(const struct engine *engine, int64_t first, int64_t last,
            int (*visit)(void *context, const struct engine_entity *entity), void *context)
{
    uint32_t count = engine->field_count + 1;
    CHECK(!engine->in_rows);
    roaring_uint32_iterator_t *iterators = memory_alloc(count * sizeof *iterators);
    uint64_t end = last < INT64_MAX ? engine_slots_below(engine, last + 1) : SLOTS_END;
    int rc = 0;
    roaring_init_iterator(engine->alive, &iterators[0]);
    for (uint32_t i = 1; i < count; i++)
        roaring_init_iterator(engine->fields[i - 1].present, &iterators[i]);
    uint64_t slot = engine_slots_below(engine, first);
    while (rc == 0 && slot < SLOTS_END && (slot = scan_next(iterators, count, slot)) < end) {
        struct engine_entity entity = {
            .entity_id = engine_entity_of(engine, (uint32_t)slot),
            .alive = roaring_bitmap_contains(engine->alive, (uint32_t)slot),
            .visible = roaring_bitmap_contains(engine_visible(engine), (uint32_t)slot),
        };
        CHECK(entity.entity_id >= first && entity.entity_id <= last);
        CHECK(!entity.visible || entity.alive);
        if (!entity_is_unswept(engine, (uint32_t)slot))
            rc = visit(context, &entity);
        slot++;
    }
    free(iterators);
    return rc;
}
