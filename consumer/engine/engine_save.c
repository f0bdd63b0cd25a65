/* The state of an engine as bytes; state.h has the numbers and bitmaps.
 *
 *   state     version, 1; partition; partitions; number of fields      4 bytes each
 *             ops on unknown fields                                     8 bytes
 *             bitmaps: alive, deleted and not yet swept
 *             the fields, in the configuration's order
 *   field     bytes of its name, the name; shape; 1: it has a column    4 bytes each
 *             bitmap: slots that have a value
 *             of a string: dictionary                (dictionary.c)
 *             with a column: that                    (column.c)
 *             of a multi-value: its sets             (set_column.c)
 *             of one that filters: postings          (postings.c)
 *             of one that sorts: slices              (slices.c)
 *
 * What follows from the rest quickly is not there: what is visible, and which fields feed others.
 */
#include "consumer/engine/engine_internal.h"
#include "consumer/engine/store/image.h"

static void
save_field(const struct field *field, struct image_writer *writer)
{
    image_put_u32(writer, (uint32_t)field->name.bytes);
    image_put(writer, field->name.data, field->name.bytes);
    image_put_u32(writer, field_shape(field));
    image_put_u32(writer, field->has_column);
    image_put_bitmap(writer, field->present);
    if (field->type == FIELD_STRING)
        dictionary_save(&field->dictionary, writer);
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
    struct image_writer writer = {.sink = sink};
    image_put_u32(&writer, ENGINE_STATE_VERSION);
    image_put_u32(&writer, (uint32_t)engine->options.partition);
    image_put_u32(&writer, (uint32_t)engine->options.partitions);
    image_put_u32(&writer, engine->field_count);
    image_put_u64(&writer, engine->unknown_field_ops);
    image_put_bitmap(&writer, engine->alive);
    image_put_bitmap(&writer, engine->swept_later);
    for (uint32_t i = 0; i < engine->field_count; i++)
        save_field(&engine->fields[i], &writer);
    image_finish(&writer);
}
