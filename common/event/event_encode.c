/* Happy path: every field is set in the one generic value of the codec, which keeps its memory from
 * event to event. avro-c borrows the texts and reads them once, when the value is written. (Its
 * copying setter would double the buffer of a reused string at every call.)
 *
 * Failure modes: a text that no reader would accept, or a kind that has no branch in its union.
 */
#include "common/event/event_encode.h"

#include "common/base/check.h"
#include "common/base/utf8.h"

static avro_value_t
encode_field(const avro_value_t *record, int index)
{
    avro_value_t field;
    CHECK(index >= 0);
    CHECK(avro_value_get_by_index(record, (size_t)index, &field, NULL) == 0);
    return field;
}

static void
encode_long(const avro_value_t *record, int index, int64_t number)
{
    avro_value_t field = encode_field(record, index);
    CHECK(avro_value_set_long(&field, number) == 0);
}

static int
encode_text(avro_value_t *value, struct text text, const char *what, struct error *err)
{
    CHECK(text.data != NULL || text.bytes == 0);
    if (!utf8_valid(text.data, text.bytes))
        return error_set(err, ERR_DATA, "%s is not UTF-8, or has a NUL", what);
    /* avro-c counts a terminator that it never reads */
    avro_wrapped_buffer_t lent = {.buf = text.bytes > 0 ? text.data : "", .size = text.bytes + 1};
    CHECK(avro_value_give_string_len(value, &lent) == 0);
    return 0;
}

static int
encode_text_field(const avro_value_t *record, int index, struct text text, const char *what,
                  struct error *err)
{
    avro_value_t field = encode_field(record, index);
    return encode_text(&field, text, what, err);
}

/* Sets the branch that encodes `kind`. */
static int
encode_branch(avro_value_t *value, const struct layout_union *layout, int kind,
              avro_value_t *branch, struct error *err)
{
    if (kind < 0 || kind >= LAYOUT_KINDS_MAX || layout->branch_of[kind] < 0)
        return error_set(err, ERR_DATA, "kind %d has no branch here", kind);
    CHECK(avro_value_set_branch(value, layout->branch_of[kind], branch) == 0);
    return 0;
}

static void
encode_integers(const avro_value_t *record, int index, const struct value *value)
{
    CHECK(value->kind == VALUE_INTEGERS);
    CHECK(value->integers.items != NULL || value->integers.count == 0);
    avro_value_t items = encode_field(record, index);
    for (uint32_t i = 0; i < value->integers.count; i++) {
        avro_value_t item;
        CHECK(avro_value_append(&items, &item, NULL) == 0);
        CHECK(avro_value_set_long(&item, value->integers.items[i]) == 0);
    }
}

static int
encode_strings(const avro_value_t *record, int index, const struct value *value, struct error *err)
{
    CHECK(value->kind == VALUE_STRINGS);
    CHECK(value->strings.items != NULL || value->strings.count == 0);
    avro_value_t items = encode_field(record, index);
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < value->strings.count; i++) {
        avro_value_t item;
        CHECK(avro_value_append(&items, &item, NULL) == 0);
        rc = encode_text(&item, value->strings.items[i], "a string", err);
    }
    return rc;
}

static int
encode_value(const struct layout *layout, const struct op *op, avro_value_t *field,
             struct error *err)
{
    const struct value *value = &op->value;
    avro_value_t branch;
    CHECK(op->kind <= OP_ADD);
    int rc = encode_branch(field, &layout->values[op->kind], (int)value->kind, &branch, err);
    if (rc != 0)
        return rc;
    switch (value->kind) {
    case VALUE_INTEGER:
        CHECK(avro_value_set_long(&branch, value->integer) == 0);
        return 0;
    case VALUE_FLOAT:
        CHECK(avro_value_set_double(&branch, value->real) == 0);
        return 0;
    case VALUE_BOOLEAN:
        CHECK(avro_value_set_boolean(&branch, value->boolean) == 0);
        return 0;
    case VALUE_STRING:
        return encode_text(&branch, value->string, "a string", err);
    case VALUE_INTEGERS:
        encode_integers(&branch, layout->integers.field_of[LIST_ITEMS], value);
        return 0;
    case VALUE_STRINGS:
        return encode_strings(&branch, layout->strings.field_of[LIST_ITEMS], value, err);
    default:
        CHECK(value->kind == VALUE_NULL);
        CHECK(avro_value_set_null(&branch) == 0);
        return 0;
    }
}

static int
encode_ops(const struct layout *layout, const struct layout_union *kinds, const struct op *ops,
           uint32_t count, avro_value_t *array, struct error *err)
{
    CHECK(ops != NULL || count == 0);
    for (uint32_t i = 0; i < count; i++) {
        avro_value_t item;
        avro_value_t record;
        CHECK(avro_value_append(array, &item, NULL) == 0);
        int rc = encode_branch(&item, kinds, (int)ops[i].kind, &record, err);
        if (rc == 0 && (int)ops[i].kind < LAYOUT_VALUE_OPS) {
            const int8_t *indexes = layout->ops[ops[i].kind].field_of;
            rc = encode_text_field(&record, indexes[OP_FIELD], ops[i].field, "the name of a field",
                                   err);
            avro_value_t value = encode_field(&record, indexes[OP_VALUE]);
            if (rc == 0)
                rc = encode_value(layout, &ops[i], &value, err);
        }
        if (rc != 0)
            return error_wrap(err, rc, "op %u", i);
    }
    return 0;
}

static int
encode_fan_outs(const struct layout *layout, const struct ops *ops, avro_value_t *array,
                struct error *err)
{
    for (uint32_t i = 0; i < ops->count; i++) {
        const struct op *op = &ops->items[i];
        avro_value_t record;
        CHECK(op->kind == OP_FAN_OUT);
        CHECK(avro_value_append(array, &record, NULL) == 0);
        int rc = encode_text_field(&record, layout->fan_out.field_of[FAN_OUT_QUERY], op->query,
                                   "the query", err);
        avro_value_t nested = encode_field(&record, layout->fan_out.field_of[FAN_OUT_OPS]);
        if (rc == 0)
            rc = encode_ops(layout, &layout->nested, op->nested, op->nested_count, &nested, err);
        if (rc != 0)
            return error_wrap(err, rc, "fan-out %u", i);
    }
    return 0;
}

static int
encode_mark(const struct layout *layout, const struct mark *mark, avro_value_t *record,
            struct error *err)
{
    CHECK(mark->partitions > 0);
    CHECK(mark->kind == MARK_FENCE || mark->kind == MARK_WATERMARK);
    const int8_t *index = layout->mark.field_of;
    avro_value_t kind = encode_field(record, index[LAYOUT_MARK_KIND]);
    CHECK(avro_value_set_enum(&kind, (int)mark->kind) == 0);
    avro_value_t partitions = encode_field(record, index[LAYOUT_MARK_PARTITIONS]);
    CHECK(avro_value_set_int(&partitions, mark->partitions) == 0);
    avro_value_t source_empty = encode_field(record, index[LAYOUT_MARK_SOURCE_EMPTY]);
    CHECK(avro_value_set_boolean(&source_empty, mark->source_empty) == 0);
    encode_long(record, index[LAYOUT_MARK_DIGEST], (int64_t)mark->digest);
    encode_long(record, index[LAYOUT_MARK_LAST_ROW_ID], mark->last_row_id);
    encode_long(record, index[LAYOUT_MARK_MAX_ROW_ID], mark->max_row_id);
    encode_long(record, index[LAYOUT_MARK_BACKLOG_ROWS], mark->backlog_rows);
    encode_long(record, index[LAYOUT_MARK_CLOCK], mark->clock_us);
    int rc =
        encode_text_field(record, index[LAYOUT_MARK_TOPIC_ID], mark->topic_id, "topic_id", err);
    if (rc == 0)
        rc =
            encode_text_field(record, index[LAYOUT_MARK_SNAPSHOT], mark->snapshot, "snapshot", err);
    return rc;
}

static int
encode_body(const struct layout *layout, const struct event *event, avro_value_t *body,
            struct error *err)
{
    avro_value_t record;
    int rc = encode_branch(body, &layout->body, (int)event->kind, &record, err);
    if (rc != 0)
        return rc;
    if (event->kind == EVENT_MARK)
        return encode_mark(layout, &event->mark, &record, err);
    CHECK(event->kind < EVENT_MARK);
    const int8_t *index = layout->bodies[event->kind].field_of;
    encode_long(&record, index[BODY_ROW_ID], event->row_id);
    encode_long(&record, index[BODY_ENTITY_ID], event->entity_id);
    avro_value_t content = encode_field(&record, index[BODY_CONTENT]);
    if (event->kind == EVENT_REJECTED)
        return encode_text(&content, event->reason, "the reason", err);
    if (event->kind == EVENT_FAN_OUT)
        return encode_fan_outs(layout, &event->ops, &content, err);
    return encode_ops(layout, &layout->op, event->ops.items, event->ops.count, &content, err);
}

int
event_encode_value(const struct layout *layout, const struct event *event, avro_value_t *value,
                   struct error *err)
{
    CHECK(event->epoch >= 0 && event->generation >= 0);
    CHECK(event->tick >= 0 && event->seq >= 0);
    const int8_t *head = layout->head.field_of;
    encode_long(value, head[HEAD_EPOCH], event->epoch);
    encode_long(value, head[HEAD_GENERATION], event->generation);
    encode_long(value, head[HEAD_TICK], event->tick);
    encode_long(value, head[HEAD_SEQ], event->seq);
    avro_value_t created_at = encode_field(value, head[HEAD_CREATED_AT]);
    avro_value_t there;
    int rc = encode_branch(&created_at, &layout->created_at, event->has_created_at, &there, err);
    if (rc == 0 && event->has_created_at)
        CHECK(avro_value_set_long(&there, event->created_at_us) == 0);
    if (rc == 0)
        rc = encode_text_field(value, head[HEAD_SOURCE], event->source, "source", err);
    avro_value_t body = encode_field(value, head[HEAD_BODY]);
    return rc != 0 ? rc : encode_body(layout, event, &body, err);
}
