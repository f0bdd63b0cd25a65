/* Reads the image of an engine, which engine_save.c defines, without trusting it. What could make
 * the engine crash later is refused here. That the parts of the image agree on the value of each
 * slot is not verified: the checksum of the checkpoint vouches for it.
 */
#include "consumer/engine/engine.h"

#include "common/base/check.h"
#include "consumer/engine/engine_internal.h"
#include "consumer/engine/engine_time.h"
#include "consumer/engine/store/image.h"

enum { IMAGE_NAME_BYTES_MAX = 1000 };

/* The field whose name comes next; NULL: the engine has no such field, or it was loaded before. */
static struct field *
load_find_field(const struct engine *engine, struct image_reader *reader, struct field_set *loaded)
{
    uint32_t bytes = image_get_u32(reader);
    if (reader->rc != 0 || bytes > IMAGE_NAME_BYTES_MAX)
        return NULL;
    struct text name = {(const char *)image_get_bytes(reader, bytes), bytes};
    struct field *field = reader->rc == 0 ? engine_find_field(engine, name) : NULL;
    if (field == NULL || field_set_has(loaded, (uint32_t)(field - engine->fields)))
        return NULL;
    field_set_add(loaded, (uint32_t)(field - engine->fields));
    return field;
}

/* The postings of a field without a column must hold the value of every slot. */
static bool
postings_hold_all(const struct field *field)
{
    CHECK(!field->has_column);
    const struct postings *postings = &field->postings;
    roaring_bitmap_t *all = postings_between(postings, INT64_MIN, INT64_MAX, NULL);
    bool same = roaring_bitmap_equals(all, field->present);
    uint64_t count = 0;
    for (uint64_t i = 0; i < postings->capacity; i++)
        count += slot_set_count(&postings->table[i].slots);
    roaring_bitmap_free(all);
    return same && count == roaring_bitmap_get_cardinality(field->present) &&
           postings->count <= FIELD_VALUES_WITHOUT_COLUMN;
}

static bool
code_is_known(const struct field *field, int64_t key)
{
    return key >= 0 && key < field->dictionary.count &&
           dictionary_has(&field->dictionary, (uint32_t)key);
}

/* Are all keys of a string field codes of its dictionary? */
static bool
codes_are_known(const struct field *field)
{
    CHECK(field->type == FIELD_STRING);
    const struct postings *postings = &field->postings;
    roaring_uint32_iterator_t at;
    for (uint64_t i = 0; i < postings->capacity; i++) {
        if (!slot_set_is_empty(&postings->table[i].slots) &&
            !code_is_known(field, postings->table[i].value))
            return false;
    }
    roaring_init_iterator(field->present, &at);
    for (; field->has_column && at.has_value; roaring_advance_uint32_iterator(&at)) {
        if (!code_is_known(field, column_read(&field->column, at.current_value)))
            return false;
    }
    return true;
}

static void
load_check_field(const struct field *field, struct image_reader *reader)
{
    bool multi = field->type == FIELD_MULTI_VALUE;
    CHECK(reader->rc == 0);
    if (!multi && !field->has_column && !postings_hold_all(field))
        image_refuse(reader, "slots without a value");
    if (field->type == FIELD_STRING && !codes_are_known(field))
        image_refuse(reader, "a text that is not in the dictionary");
}

/* What follows the name. */
static void
load_field(struct field *field, struct image_reader *reader)
{
    CHECK(roaring_bitmap_is_empty(field->present));
    CHECK(field->postings.count == 0 && field->dictionary.count == 0);
    bool same = image_get_u32(reader) == field_shape(field);
    uint32_t has_column = image_get_u32(reader);
    if (!same || has_column > 1 || (has_column == 1 && field->type == FIELD_MULTI_VALUE) ||
        (has_column == 0 && field->sort_bits > 0))
        image_refuse(reader, "not the field of the configuration");
    image_replace_bitmap(reader, &field->present);
    if (reader->rc != 0)
        return;
    field->has_column = has_column == 1;
    if (field->type == FIELD_STRING)
        dictionary_load(&field->dictionary, reader);
    field_index_cases(field);
    if (field->has_column)
        column_load(&field->column, reader);
    if (field->type == FIELD_MULTI_VALUE)
        set_column_load(&field->sets, reader);
    if (field->filters)
        postings_load(&field->postings, reader);
    if (field->sort_bits > 0)
        slices_load(&field->slices, reader);
    if (reader->rc == 0)
        load_check_field(field, reader);
}

static void
load_next_field(struct engine *engine, struct image_reader *reader, struct field_set *loaded)
{
    struct field *field = load_find_field(engine, reader, loaded);
    if (field != NULL)
        load_field(field, reader);
    else if (reader->rc == 0)
        image_refuse(reader, "not a field of the configuration");
    if (field != NULL && reader->rc != 0)
        error_wrap(reader->err, reader->rc, "image of field \"%.*s\"", TEXT_ARGS(field->name));
}

static void
load_head(struct engine *engine, struct image_reader *reader)
{
    uint32_t version = image_get_u32(reader);
    if (version < 1 || version > ENGINE_IMAGE_VERSION)
        image_refuse(reader, "its version is not known to this program");
    if (image_get_u32(reader) != (uint32_t)engine->partition ||
        image_get_u32(reader) != (uint32_t)engine->partitions ||
        image_get_u32(reader) != engine->field_count)
        image_refuse(reader, "it belongs to another partition or configuration");
    engine->unknown_field_ops = image_get_u64(reader);
    image_replace_bitmap(reader, &engine->alive);
    image_replace_bitmap(reader, &engine->unswept);
    engine->unswept_count = roaring_bitmap_get_cardinality(engine->unswept);
    if (roaring_bitmap_intersect(engine->alive, engine->unswept))
        image_refuse(reader, "a slot is alive and deleted");
}

int
engine_load(struct engine *engine, const struct image_source *source, struct error *err)
{
    struct image_reader reader = {.source = source, .err = err};
    struct field_set loaded = {{0}};
    CHECK(roaring_bitmap_is_empty(engine->alive));
    CHECK(engine->watches == NULL && !engine->in_rows);
    load_head(engine, &reader);
    if (reader.rc != 0)
        error_wrap(err, reader.rc, "image of the engine");
    for (uint32_t i = 0; i < engine->field_count && reader.rc == 0; i++)
        load_next_field(engine, &reader, &loaded);
    image_end(&reader);
    if (reader.rc == 0) {
        engine_show_slots(engine, engine->alive);
        engine_check_state(engine);
    }
    buffer_free(&reader.buffer);
    return reader.rc;
}
