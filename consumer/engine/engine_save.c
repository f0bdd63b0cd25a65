/* The image of an engine (engine_save(), engine_load()); store/image.h defines numbers and bitmaps.
 *
 *   image     version, 2; partition; partitions; number of fields       4 bytes each
 *             ops on unknown fields                                     8 bytes
 *             bitmaps: alive; deleted and not swept yet
 *             the fields, in the order of the configuration
 *   field     bytes of its name; the name; shape; 1: it has a column    4 bytes each
 *             bitmap: slots that have a value
 *             a string field: dictionary                (dictionary.c)
 *             a field with a column: column             (column.c)
 *             a multi-value field: its sets             (set_column.c)
 *             a filter field: postings                  (postings.c)
 *             a sort field: slices                      (slices.c)
 *
 * In version 1 every code of a dictionary has a text.
 *
 * The image leaves out what is quickly derived: which slots are visible, and which fields feed
 * others.
 */
#include "consumer/engine/engine.h"

#include "common/base/check.h"
#include "consumer/engine/engine_internal.h"
#include "consumer/engine/store/image.h"

static void
save_field(const struct field *field, struct image_writer *writer)
{
    CHECK(!field->defers);
    CHECK(field->deferred.count == 0);
    image_put_u32(writer, (uint32_t)field->name.bytes);
    image_put(writer, field->name.data, field->name.bytes);
    image_put_u32(writer, field_shape(field));
    image_put_u32(writer, field->has_column);
    image_put_bitmap(writer, field->present);
    if (field->type == FIELD_STRING)
        dictionary_save(&field->dictionary, field_holds_text, field, writer);
    if (field->has_column)
        column_save(&field->column, writer);
    if (field->type == FIELD_MULTI_VALUE)
        set_column_save(&field->sets, writer);
    if (field->filters)
        postings_save(&field->postings, writer);
    if (field->sort_bits > 0)
        slices_save(&field->slices, writer);
}

void
engine_save(const struct engine *engine, const struct image_sink *sink)
{
    struct image_writer writer;
    CHECK(!engine->in_rows);
    image_begin(&writer, sink);
    engine_check_state(engine);
    image_put_u32(&writer, ENGINE_IMAGE_VERSION);
    image_put_u32(&writer, (uint32_t)engine->partition);
    image_put_u32(&writer, (uint32_t)engine->partitions);
    image_put_u32(&writer, engine->field_count);
    image_put_u64(&writer, engine->unknown_field_ops);
    image_put_bitmap(&writer, engine->alive);
    image_put_bitmap(&writer, engine->unswept);
    for (uint32_t i = 0; i < engine->field_count; i++)
        save_field(&engine->fields[i], &writer);
    image_finish(&writer);
}
