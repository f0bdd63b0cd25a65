/* avro-c value to event.
 *
 * The walker has seen the bytes and avro-c has read them, so types and indexes are as the schema
 * says; what is left are branches that the layout does not know. The value is reused for the next
 * message: everything is copied.
 */
#include "common/event/event_codec_internal.h"

static int64_t
decode_long(const avro_value_t *value)
{
    int64_t number;
    CHECK(avro_value_get_long(value, &number) == 0);
    return number;
}

static int64_t
decode_long_field(const avro_value_t *record, int index)
{
    avro_value_t field = codec_field(record, index);
    return decode_long(&field);
}

static struct text
decode_text(const avro_value_t *value, struct arena *arena)
{
    const char *data;
    size_t bytes_with_end;
    CHECK(avro_value_get_string(value, &data, &bytes_with_end) == 0 && bytes_with_end > 0);
    return arena_text(arena, (struct text){data, bytes_with_end - 1});
}

static struct text
decode_text_field(const avro_value_t *record, int index, struct arena *arena)
{
    avro_value_t field = codec_field(record, index);
    return decode_text(&field, arena);
}

static int
decode_branch(const avro_value_t *value, const struct layout_union *layout, int *kind,
              avro_value_t *branch, struct error *err)
{
    int index;
    CHECK(avro_value_get_discriminant(value, &index) == 0 && index >= 0 &&
          index < LAYOUT_KINDS_MAX);
    CHECK(avro_value_get_current_branch(value, branch) == 0);
    *kind = layout->kind_of[index];
    return *kind >= 0 ? 0 : error_set(err, ERR_DATA, "union branch %d has no meaning here", index);
}

static uint32_t
decode_count(const avro_value_t *array)
{
    size_t count;
    CHECK(avro_value_get_size(array, &count) == 0 && count <= UINT32_MAX);
    return (uint32_t)count;
}

static avro_value_t
decode_item(const avro_value_t *array, uint32_t i)
{
    avro_value_t item;
    CHECK(avro_value_get_by_index(array, i, &item, NULL) == 0);
    return item;
}

static void
decode_integers(const avro_value_t *record, int index, struct arena *arena, struct value *value)
{
    avro_value_t array = codec_field(record, index);
    uint32_t count = decode_count(&array);
    int64_t *items = arena_alloc(arena, count * sizeof *items);
    for (uint32_t i = 0; i < count; i++) {
        avro_value_t item = decode_item(&array, i);
        items[i] = decode_long(&item);
    }
    value->integers.items = items;
    value->integers.count = count;
}

static void
decode_strings(const avro_value_t *record, int index, struct arena *arena, struct value *value)
{
    avro_value_t array = codec_field(record, index);
    uint32_t count = decode_count(&array);
    struct text *items = arena_alloc(arena, count * sizeof *items);
    for (uint32_t i = 0; i < count; i++) {
        avro_value_t item = decode_item(&array, i);
        items[i] = decode_text(&item, arena);
    }
    value->strings.items = items;
    value->strings.count = count;
}

static int
decode_value(const struct layout *layout, const avro_value_t *field, enum op_kind op,
             struct arena *arena, struct value *value, struct error *err)
{
    avro_value_t branch;
    int kind;
    int boolean = 0;
    int rc = decode_branch(field, &layout->values[op], &kind, &branch, err);
    if (rc != 0)
        return rc;
    value->kind = (enum value_kind)kind;
    switch (value->kind) {
    case VALUE_NULL:
        break;
    case VALUE_INTEGER:
        value->integer = decode_long(&branch);
        break;
    case VALUE_FLOAT:
        CHECK(avro_value_get_double(&branch, &value->real) == 0);
        break;
    case VALUE_BOOLEAN:
        CHECK(avro_value_get_boolean(&branch, &boolean) == 0);
        value->boolean = boolean != 0;
        break;
    case VALUE_STRING:
        value->string = decode_text(&branch, arena);
        break;
    case VALUE_INTEGERS:
        decode_integers(&branch, layout->integers_items, arena, value);
        break;
    case VALUE_STRINGS:
        decode_strings(&branch, layout->strings_items, arena, value);
        break;
    }
    return 0;
}

static int
decode_ops(const struct layout *layout, const struct layout_union *kinds, const avro_value_t *array,
           struct arena *arena, struct ops *ops, struct error *err)
{
    uint32_t count = decode_count(array);
    struct op *items = arena_alloc(arena, count * sizeof *items);
    for (uint32_t i = 0; i < count; i++) {
        avro_value_t item = decode_item(array, i);
        avro_value_t record;
        int kind;
        int rc = decode_branch(&item, kinds, &kind, &record, err);
        if (rc != 0)
            return error_wrap(err, "op %u", i);
        items[i] = (struct op){.kind = (enum op_kind)kind};
        if (kind >= LAYOUT_VALUE_OPS)
            continue;
        items[i].field = decode_text_field(&record, layout->ops[kind][OP_FIELD], arena);
        avro_value_t value = codec_field(&record, layout->ops[kind][OP_VALUE]);
        rc = decode_value(layout, &value, items[i].kind, arena, &items[i].value, err);
        if (rc != 0)
            return error_wrap(err, "op %u", i);
    }
    *ops = (struct ops){items, count};
    return 0;
}

static int
decode_fan_outs(const struct layout *layout, const avro_value_t *array, struct arena *arena,
                struct ops *ops, struct error *err)
{
    uint32_t count = decode_count(array);
    struct op *items = arena_alloc(arena, count * sizeof *items);
    for (uint32_t i = 0; i < count; i++) {
        avro_value_t record = decode_item(array, i);
        avro_value_t nested_array = codec_field(&record, layout->fan_out[FAN_OUT_OPS]);
        struct ops nested;
        int rc = decode_ops(layout, &layout->nested, &nested_array, arena, &nested, err);
        if (rc != 0)
            return error_wrap(err, "fan-out %u", i);
        items[i] = (struct op){
            .kind = OP_FAN_OUT,
            .query = decode_text_field(&record, layout->fan_out[FAN_OUT_QUERY], arena),
            .nested = nested.items,
            .nested_count = nested.count,
        };
    }
    *ops = (struct ops){items, count};
    return 0;
}

static void
decode_mark(const struct layout *layout, const avro_value_t *record, struct arena *arena,
            struct mark *mark)
{
    const int *index = layout->mark;
    int kind;
    int source_empty;
    avro_value_t field = codec_field(record, index[LAYOUT_MARK_KIND]);
    CHECK(avro_value_get_enum(&field, &kind) == 0);
    field = codec_field(record, index[LAYOUT_MARK_PARTITIONS]);
    CHECK(avro_value_get_int(&field, &mark->partitions) == 0);
    field = codec_field(record, index[LAYOUT_MARK_SOURCE_EMPTY]);
    CHECK(avro_value_get_boolean(&field, &source_empty) == 0);
    mark->kind = (enum mark_kind)kind;
    mark->source_empty = source_empty != 0;
    mark->digest = (uint64_t)decode_long_field(record, index[LAYOUT_MARK_DIGEST]);
    mark->last_row_id = decode_long_field(record, index[LAYOUT_MARK_LAST_ROW_ID]);
    mark->max_row_id = decode_long_field(record, index[LAYOUT_MARK_MAX_ROW_ID]);
    mark->backlog_rows = decode_long_field(record, index[LAYOUT_MARK_BACKLOG_ROWS]);
    mark->clock_us = decode_long_field(record, index[LAYOUT_MARK_CLOCK]);
    mark->topic_id = decode_text_field(record, index[LAYOUT_MARK_TOPIC_ID], arena);
    mark->snapshot = decode_text_field(record, index[LAYOUT_MARK_SNAPSHOT], arena);
}

static int
decode_body(const struct layout *layout, const avro_value_t *body, struct arena *arena,
            struct event *event, struct error *err)
{
    avro_value_t record;
    int kind;
    int rc = decode_branch(body, &layout->body, &kind, &record, err);
    if (rc != 0)
        return rc;
    event->kind = (enum event_kind)kind;
    if (event->kind == EVENT_MARK) {
        decode_mark(layout, &record, arena, &event->mark);
        return 0;
    }
    const int *index = layout->bodies[kind];
    event->row_id = decode_long_field(&record, index[BODY_ROW_ID]);
    event->entity_id = decode_long_field(&record, index[BODY_ENTITY_ID]);
    avro_value_t content = codec_field(&record, index[BODY_CONTENT]);
    if (event->kind == EVENT_ROW)
        return decode_ops(layout, &layout->op, &content, arena, &event->ops, err);
    if (event->kind == EVENT_FAN_OUT)
        return decode_fan_outs(layout, &content, arena, &event->ops, err);
    event->reason = decode_text(&content, arena);
    return 0;
}

int
event_decode_value(const struct layout *layout, const avro_value_t *value, struct arena *arena,
                   struct event *event, struct error *err)
{
    *event = (struct event){
        .epoch = decode_long_field(value, layout->head[HEAD_EPOCH]),
        .generation = decode_long_field(value, layout->head[HEAD_GENERATION]),
        .tick = decode_long_field(value, layout->head[HEAD_TICK]),
        .seq = decode_long_field(value, layout->head[HEAD_SEQ]),
        .source = decode_text_field(value, layout->head[HEAD_SOURCE], arena),
    };
    avro_value_t created_at = codec_field(value, layout->head[HEAD_CREATED_AT]);
    avro_value_t there;
    int has_created_at;
    int rc = decode_branch(&created_at, &layout->created_at, &has_created_at, &there, err);
    if (rc != 0)
        return rc;
    event->has_created_at = has_created_at != 0;
    event->created_at_us = event->has_created_at ? decode_long(&there) : 0;
    avro_value_t body = codec_field(value, layout->head[HEAD_BODY]);
    return decode_body(layout, &body, arena, event, err);
}
