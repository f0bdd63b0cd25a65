#include "consumer/engine/engine.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/json/json.h"
#include "consumer/engine/engine_internal.h"

enum { SORT_BITS_MAX = 63 };
static const int64_t slots_max = INT64_C(1) << 32;

struct field *
engine_find_field(const struct engine *engine, struct text name)
{
    for (uint32_t i = 0; i < engine->field_count; i++) {
        if (text_equal(engine->fields[i].name, name))
            return &engine->fields[i];
    }
    return NULL;
}

bool
engine_slot_of(const struct engine *engine, int64_t entity_id, uint32_t *slot)
{
    int64_t partitions = engine->options.partitions;
    if (entity_id < 0 || entity_id % partitions != engine->options.partition ||
        entity_id / partitions >= engine->options.max_slots)
        return false;
    *slot = (uint32_t)(entity_id / partitions);
    return true;
}

int64_t
engine_entity_of(const struct engine *engine, uint32_t slot)
{
    return (int64_t)slot * engine->options.partitions + engine->options.partition;
}

uint64_t
engine_slots_below(const struct engine *engine, int64_t entity_id)
{
    if (entity_id <= engine->options.partition)
        return 0;
    int64_t last = (entity_id - 1 - engine->options.partition) / engine->options.partitions;
    return (uint64_t)last + 1;
}

static int
engine_add_filter_field(struct engine *engine, const struct config_filter_field *config,
                        struct error *err)
{
    if (engine_find_field(engine, text_of(config->name)) != NULL)
        return error_set(err, ERR_USAGE, "filter field \"%s\" is there twice", config->name);
    struct field *field = &engine->fields[engine->field_count++];
    *field = (struct field){.name = text_of(config->name), .type = config->type, .filters = true};
    field->min = INT64_MIN;
    field->max = INT64_MAX;
    field_init(field);
    return 0;
}

static int
engine_check_sort_field(const struct config_sort_field *config, const struct field *field,
                        struct error *err)
{
    if (config->computed_op != COMPUTED_NONE)
        return error_set(err, ERR_USAGE, "sort field \"%s\" is computed: not supported yet",
                         config->name);
    if (config->bits < 1 || config->bits > SORT_BITS_MAX)
        return error_set(err, ERR_USAGE, "sort field \"%s\" has %u bits: 1 to %d can be held",
                         config->name, config->bits, SORT_BITS_MAX);
    if (field == NULL)
        return 0;
    if (field->sorts)
        return error_set(err, ERR_USAGE, "sort field \"%s\" is there twice", config->name);
    if (field->type != FIELD_SINGLE_VALUE)
        return error_set(err, ERR_USAGE, "sort field \"%s\" is no single_value: it has no order",
                         config->name);
    return 0;
}

static int
engine_add_sort_field(struct engine *engine, const struct config_sort_field *config,
                      struct error *err)
{
    struct field *field = engine_find_field(engine, text_of(config->name));
    int rc = engine_check_sort_field(config, field, err);
    if (rc != 0)
        return rc;
    if (field == NULL) {
        field = &engine->fields[engine->field_count++];
        *field = (struct field){.name = text_of(config->name), .type = FIELD_SINGLE_VALUE};
        field_init(field);
    }
    field->sorts = true;
    field->max = (int64_t)((UINT64_C(1) << config->bits) - 1);
    field->min = -field->max;
    return 0;
}

static int
engine_add_fields(struct engine *engine, const struct config_index *index, struct error *err)
{
    if (index->visible_from != NULL)
        return error_set(err, ERR_USAGE, "visible_from is not supported yet");
    for (uint32_t i = 0; i < index->filter_field_count; i++) {
        int rc = engine_add_filter_field(engine, &index->filter_fields[i], err);
        if (rc != 0)
            return rc;
    }
    for (uint32_t i = 0; i < index->sort_field_count; i++) {
        int rc = engine_add_sort_field(engine, &index->sort_fields[i], err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

int
engine_create(const struct engine_options *options, struct engine **engine, struct error *err)
{
    const struct config_index *index = options->index;
    CHECK(options->partition >= 0 && options->partition < options->partitions);
    CHECK(options->max_slots > 0 && options->max_slots <= slots_max);
    struct engine *created = memory_zalloc(sizeof *created);
    created->options = *options;
    created->fields = memory_zalloc((index->filter_field_count + index->sort_field_count) *
                                    sizeof *created->fields);
    created->alive = roaring_bitmap_create();
    CHECK(created->alive != NULL);
    arena_init(&created->scratch);
    int rc = engine_add_fields(created, index, err);
    if (rc != 0) {
        engine_destroy(created);
        return rc;
    }
    *engine = created;
    return 0;
}

void
engine_destroy(struct engine *engine)
{
    if (engine == NULL)
        return;
    for (uint32_t i = 0; i < engine->field_count; i++)
        field_free(&engine->fields[i]);
    free(engine->fields);
    roaring_bitmap_free(engine->alive);
    arena_free(&engine->scratch);
    free(engine);
}

void
engine_read_stats(const struct engine *engine, struct engine_stats *stats)
{
    *stats = (struct engine_stats){
        .alive_slots = roaring_bitmap_get_cardinality(engine->alive),
        .unknown_field_ops = engine->unknown_field_ops,
        .memory_bytes = sizeof *engine + roaring_bitmap_size_in_bytes(engine->alive),
    };
    for (uint32_t i = 0; i < engine->field_count; i++)
        stats->memory_bytes += sizeof engine->fields[i] + field_bytes(&engine->fields[i]);
}

static void
engine_write_set(struct json_writer *writer, const struct value_set *set)
{
    json_array_begin(writer);
    for (uint32_t i = 0; i < set->count; i++)
        json_integer(writer, set->items[i]);
    json_array_end(writer);
}

static void
engine_write_scalar(struct json_writer *writer, const struct field *field, int64_t key)
{
    if (field->type == FIELD_BOOLEAN)
        json_boolean(writer, key != 0);
    else if (field->type == FIELD_STRING)
        json_text(writer, dictionary_text(&field->dictionary, (uint32_t)key));
    else
        json_integer(writer, key);
}

static void
engine_write_field(struct json_writer *writer, const struct field *field, uint32_t slot)
{
    int64_t key;
    if (!field_get(field, slot, &key))
        return;
    json_key(writer, field->name.data); /* the configuration's: terminated */
    if (field->type == FIELD_MULTI_VALUE)
        engine_write_set(writer, field_get_set(field, slot));
    else
        engine_write_scalar(writer, field, key);
}

void
engine_entity_json(const struct engine *engine, int64_t entity_id, struct buffer *out, bool *alive)
{
    uint32_t slot;
    *alive = false;
    if (!engine_slot_of(engine, entity_id, &slot))
        return;
    *alive = roaring_bitmap_contains(engine->alive, slot);
    struct buffer object;
    struct json_writer writer;
    buffer_init(&object);
    json_writer_init(&writer, &object);
    json_object_begin(&writer);
    for (uint32_t i = 0; i < engine->field_count; i++)
        engine_write_field(&writer, &engine->fields[i], slot);
    json_object_end(&writer);
    buffer_append(out, object.data + 1, object.bytes - 2); /* without its braces */
    buffer_free(&object);
}
