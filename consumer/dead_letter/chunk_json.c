#include "consumer/dead_letter/chunk_json.h"

#include "common/base/check.h"

struct chunk_json {
    struct json_writer *json;
    int32_t partition;
    int32_t partitions;
};

void
chunk_json_write_names(const struct text *names, uint32_t count, struct json_writer *json)
{
    CHECK(names != NULL || count == 0);
    json_key(json, "field_names");
    json_array_begin(json);
    for (uint32_t i = 0; i < count; i++)
        json_text(json, names[i]);
    json_array_end(json);
}

static void
write_entities(const struct chunk_json *to, const char *key, const uint32_t *slots, uint32_t count)
{
    CHECK(slots != NULL || count == 0);
    json_key(to->json, key);
    json_array_begin(to->json);
    for (uint32_t i = 0; i < count; i++)
        json_integer(to->json, (int64_t)slots[i] * to->partitions + to->partition);
    json_array_end(to->json);
}

static void
write_value(const struct chunk_json *to, const struct chunk_column *column, uint32_t at)
{
    switch (column->kind) {
    case CHUNK_INTEGERS:
        json_integer(to->json, column->integers[at]);
        break;
    case CHUNK_FLOATS:
        json_float(to->json, column->floats[at]);
        break;
    case CHUNK_BOOLEANS:
        json_boolean(to->json, column->integers[at] != 0);
        break;
    default:
        CHECK(column->kind == CHUNK_STRINGS);
        json_text(to->json, column->strings[column->integers[at]]);
    }
}

static void
write_column(const struct chunk_json *to, const struct chunk_column *column)
{
    json_object_begin(to->json);
    json_key(to->json, "field");
    json_text(to->json, column->field);
    write_entities(to, "entities", column->slots, column->count);
    json_key(to->json, "values");
    json_array_begin(to->json);
    for (uint32_t i = 0; i < column->count; i++)
        write_value(to, column, i);
    json_array_end(to->json);
    json_object_end(to->json);
}

void
chunk_json_write(const struct chunk *chunk, int32_t partition, int32_t partitions,
                 struct json_writer *json)
{
    const struct chunk_json to = {json, partition, partitions};
    CHECK(partition >= 0 && partitions > 0);
    chunk_json_write_names(chunk->fields, chunk->field_count, json);
    if (chunk->has_slots)
        write_entities(&to, "entities", chunk->slots, chunk->slot_count);
    if (chunk->states_alive)
        write_entities(&to, "alive_entities", chunk->alive, chunk->alive_count);
    json_key(json, "columns");
    json_array_begin(json);
    for (uint32_t i = 0; i < chunk->column_count; i++)
        write_column(&to, &chunk->columns[i]);
    json_array_end(json);
}
