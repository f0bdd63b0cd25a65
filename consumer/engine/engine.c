#include "consumer/engine/engine.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "consumer/engine/engine_internal.h"

enum { SORT_BITS_MAX = 63 };
static const int64_t slots_max = INT64_C(1) << 32;

void
engine_check_state(const struct engine *engine)
{
    CHECK(engine->field_count <= engine->field_capacity);
    CHECK(engine->unswept_count >= roaring_bitmap_get_cardinality(engine->unswept));
    CHECK(!roaring_bitmap_intersect(engine->alive, engine->unswept));
    CHECK(engine->visible_from != NULL || roaring_bitmap_is_empty(engine->visible));
    CHECK(engine->visible_from != NULL || roaring_bitmap_is_empty(engine->held));
    CHECK(roaring_bitmap_get_cardinality(engine->visible) <=
          roaring_bitmap_get_cardinality(engine->alive));
}

struct field *
engine_find_field(const struct engine *engine, struct text name)
{
    uint32_t number;
    return name_table_find(&engine->names, name, &number) ? &engine->fields[number] : NULL;
}

bool
engine_slot_of(const struct engine *engine, int64_t entity_id, uint32_t *slot)
{
    int64_t partitions = engine->partitions;
    if (entity_id < 0 || entity_id % partitions != engine->partition ||
        entity_id / partitions >= engine->max_slots)
        return false;
    *slot = (uint32_t)(entity_id / partitions);
    CHECK(engine_entity_of(engine, *slot) == entity_id);
    return true;
}

int64_t
engine_entity_of(const struct engine *engine, uint32_t slot)
{
    return (int64_t)slot * engine->partitions + engine->partition;
}

uint64_t
engine_slots_below(const struct engine *engine, int64_t entity_id)
{
    if (entity_id <= engine->partition)
        return 0;
    int64_t last = (entity_id - 1 - engine->partition) / engine->partitions;
    CHECK(last >= 0);
    return (uint64_t)last + 1;
}

struct slot_range
engine_slot_range(const struct engine *engine, int64_t begin, int64_t end)
{
    uint64_t last = (uint64_t)engine->max_slots;
    struct slot_range range = {engine_slots_below(engine, begin), engine_slots_below(engine, end)};
    CHECK(begin <= end && range.begin <= range.end);
    range.begin = range.begin < last ? range.begin : last;
    range.end = range.end < last ? range.end : last;
    return range;
}

static struct field *
engine_add_field(struct engine *engine, const char *name)
{
    CHECK(engine->field_count < engine->field_capacity);
    name_table_add(&engine->names, text_of(name), engine->field_count);
    struct field *field = &engine->fields[engine->field_count++];
    *field = (struct field){.name = text_of(name)};
    return field;
}

static int
engine_add_filter_field(struct engine *engine, const struct config_filter_field *config,
                        struct error *err)
{
    if (engine_find_field(engine, text_of(config->name)) != NULL)
        return error_set(err, ERR_USAGE, "filter field \"%s\" is declared twice", config->name);
    struct field *field = engine_add_field(engine, config->name);
    field->type = config->type;
    field->filters = true;
    field->is_nullable = config->is_nullable;
    field->ignores_case = config->ignores_case;
    return 0;
}

static int
engine_check_sort_field(const struct config_sort_field *config, const struct field *field,
                        struct error *err)
{
    if (config->bits < 1 || config->bits > SORT_BITS_MAX)
        return error_set(err, ERR_USAGE, "sort field \"%s\" has %u bits; bits must be 1 to %d",
                         config->name, config->bits, SORT_BITS_MAX);
    if (field == NULL)
        return 0;
    if (field->sort_bits > 0)
        return error_set(err, ERR_USAGE, "sort field \"%s\" is declared twice", config->name);
    if (field->type != FIELD_SINGLE_VALUE)
        return error_set(err, ERR_USAGE,
                         "sort field \"%s\" is not a single_value field, so it has no order",
                         config->name);
    if (config->computed_op != COMPUTED_NONE)
        return error_set(err, ERR_USAGE,
                         "sort field \"%s\" is computed, so it cannot be a filter field",
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
        field = engine_add_field(engine, config->name);
        field->type = FIELD_SINGLE_VALUE;
    }
    CHECK(field->type == FIELD_SINGLE_VALUE && field->sort_bits == 0);
    field->sort_bits = config->bits;
    field->computed_op = config->computed_op;
    return 0;
}

/* Finds a field of integers that ops write: a source of a computed field, or visible_from. */
static int
engine_find_number(const struct engine *engine, const char *name, struct field **field,
                   struct error *err)
{
    *field = engine_find_field(engine, text_of(name));
    if (*field == NULL)
        return error_set(err, ERR_USAGE, "the index has no field \"%s\"", name);
    if ((*field)->type != FIELD_SINGLE_VALUE || (*field)->computed_op != COMPUTED_NONE)
        return error_set(err, ERR_USAGE,
                         "field \"%s\" is computed itself, or is not a field of integers", name);
    return 0;
}

static int
engine_add_sources(struct engine *engine, const struct config_sort_field *config, struct error *err)
{
    struct field *computed = engine_find_field(engine, text_of(config->name));
    if (config->computed_op == COMPUTED_NONE)
        return 0;
    CHECK(computed != NULL && !computed->filters);
    CHECK(computed->sources == NULL && computed->source_count == 0);
    computed->sources = memory_alloc(config->source_field_count * sizeof(struct field *));
    for (uint32_t i = 0; i < config->source_field_count; i++) {
        struct field *source;
        int rc = engine_find_number(engine, config->source_fields[i], &source, err);
        if (rc != 0)
            return error_wrap(err, rc, "sort field \"%s\" is computed", config->name);
        source->feeds = true;
        computed->sources[computed->source_count++] = source;
    }
    CHECK(computed->source_count == config->source_field_count);
    return 0;
}

static int
engine_add_fields(struct engine *engine, const struct config_index *index, struct error *err)
{
    int rc = 0;
    CHECK(engine->field_count == 0);
    for (uint32_t i = 0; rc == 0 && i < index->filter_field_count; i++)
        rc = engine_add_filter_field(engine, &index->filter_fields[i], err);
    for (uint32_t i = 0; rc == 0 && i < index->sort_field_count; i++)
        rc = engine_add_sort_field(engine, &index->sort_fields[i], err);
    for (uint32_t i = 0; rc == 0 && i < index->sort_field_count; i++)
        rc = engine_add_sources(engine, &index->sort_fields[i], err);
    for (uint32_t i = 0; rc == 0 && i < engine->field_count; i++) {
        struct field *field = &engine->fields[i];
        config_index_bounds(index, field->name.data, &field->min, &field->max);
        CHECK(field->min < field->max);
    }
    if (rc != 0 || index->visible_from == NULL)
        return rc;
    rc = engine_find_number(engine, index->visible_from, &engine->visible_from, err);
    return rc == 0 ? 0 : error_wrap(err, rc, "visible_from");
}

int
engine_create(const struct engine_options *options, struct engine **engine, struct error *err)
{
    const struct config_index *index = options->index;
    CHECK(index != NULL);
    CHECK(options->partition >= 0 && options->partition < options->partitions);
    CHECK(options->max_slots > 0 && options->max_slots <= slots_max);
    struct engine *created = memory_zalloc(sizeof *created);
    created->partition = options->partition;
    created->partitions = options->partitions;
    created->max_slots = options->max_slots;
    created->field_capacity = index->filter_field_count + index->sort_field_count;
    created->fields = memory_zalloc(created->field_capacity * sizeof *created->fields);
    name_table_init(&created->names, created->field_capacity);
    int rc = engine_add_fields(created, index, err);
    if (rc != 0) {
        for (uint32_t i = 0; i < created->field_count; i++)
            free(created->fields[i].sources);
        free(created->fields);
        name_table_free(&created->names);
        free(created);
        return rc;
    }
    for (uint32_t i = 0; i < created->field_count; i++)
        field_init(&created->fields[i]);
    created->alive = bitmap_create();
    created->unswept = bitmap_create();
    created->held = bitmap_create();
    created->visible = bitmap_create();
    created->now_s = INT64_MIN;
    *engine = created;
    return 0;
}

void
engine_destroy(struct engine *engine)
{
    if (engine == NULL)
        return;
    CHECK(engine->watches == NULL);
    CHECK(engine->field_count <= engine->field_capacity);
    for (uint32_t i = 0; i < engine->field_count; i++)
        field_free(&engine->fields[i]);
    free(engine->fields);
    name_table_free(&engine->names);
    roaring_bitmap_free(engine->alive);
    roaring_bitmap_free(engine->unswept);
    roaring_bitmap_free(engine->held);
    roaring_bitmap_free(engine->visible);
    free(engine);
}
