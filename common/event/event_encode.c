/* Happy path: every field is appended to the buffer in the order of the newest schema, which
 * layout_newest_check() has compared with the order here. The head and the ops of rows, which most
 * events have, are written by code of their own, and the other kinds by their forms.
 *
 * Failure modes: a text that no reader would accept, or a kind that has no branch in its union.
 * The caller discards what was written.
 */
#include "common/event/event_encode.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/utf8.h"
#include "common/event/event_form.h"
#include "common/event/event_writer.h"

struct encoder {
    const struct layout *layout;
    struct buffer *out;
    struct error *err;
};

enum { BRANCH_ABSENT, BRANCH_PRESENT }; /* of a union of null and one type */

static int
encode_text(struct encoder *encoder, struct text text, const char *what)
{
    CHECK(text.data != NULL || text.bytes == 0);
    if (!utf8_valid(text.data, text.bytes))
        return error_set(encoder->err, ERR_DATA, "%s is not UTF-8, or has a NUL", what);
    write_text(encoder->out, text);
    return 0;
}

static int
encode_texts(struct encoder *encoder, const struct text *texts, uint32_t count, const char *what)
{
    CHECK(texts != NULL || count == 0);
    int rc = 0;
    if (count > 0)
        write_long(encoder->out, count);
    for (uint32_t i = 0; rc == 0 && i < count; i++)
        rc = encode_text(encoder, texts[i], what);
    write_long(encoder->out, 0);
    return rc;
}

/* Writes the index of the branch that encodes `kind`. */
static int
encode_branch(struct encoder *encoder, const struct layout_union *layout, int kind)
{
    if (kind < 0 || kind >= LAYOUT_KINDS_MAX || layout->branch_of[kind] < 0)
        return error_set(encoder->err, ERR_DATA, "kind %d has no branch here", kind);
    write_long(encoder->out, layout->branch_of[kind]);
    return 0;
}

static int
encode_value(struct encoder *encoder, const struct layout_union *layout, const struct value *value)
{
    int rc = encode_branch(encoder, layout, (int)value->kind);
    if (rc != 0)
        return rc;
    switch (value->kind) {
    case VALUE_INTEGER:
        write_long(encoder->out, value->integer);
        return 0;
    case VALUE_FLOAT:
        write_double(encoder->out, value->real);
        return 0;
    case VALUE_BOOLEAN:
        write_boolean(encoder->out, value->boolean);
        return 0;
    case VALUE_STRING:
        return encode_text(encoder, value->string, "a string");
    case VALUE_INTEGERS:
        write_longs(encoder->out, value->integers.items, value->integers.count);
        return 0;
    case VALUE_STRINGS:
        return encode_texts(encoder, value->strings.items, value->strings.count, "a string");
    default:
        CHECK(value->kind == VALUE_NULL);
        return 0;
    }
}

static int
encode_refresh(struct encoder *encoder, const struct op *op)
{
    CHECK(op->kind == OP_REFRESH);
    CHECK(op->value.kind == VALUE_NULL || op->value.kind == VALUE_STRINGS);
    int rc = encode_text(encoder, op->field, "the name of an entry");
    if (rc != 0)
        return rc;
    write_long(encoder->out, op->value.kind == VALUE_NULL ? BRANCH_ABSENT : BRANCH_PRESENT);
    if (op->value.kind == VALUE_STRINGS)
        rc = encode_texts(encoder, op->value.strings.items, op->value.strings.count,
                          "the name of a field");
    return rc;
}

static int
encode_op(struct encoder *encoder, const struct layout_union *kinds, const struct op *op)
{
    int rc = encode_branch(encoder, kinds, (int)op->kind);
    if (rc == 0 && op->kind == OP_REFRESH)
        return encode_refresh(encoder, op);
    if (rc != 0 || (int)op->kind >= LAYOUT_VALUE_OPS)
        return rc;
    rc = encode_text(encoder, op->field, "the name of a field");
    return rc == 0 ? encode_value(encoder, &encoder->layout->values[op->kind], &op->value) : rc;
}

static int
encode_ops(struct encoder *encoder, const struct layout_union *kinds, const struct op *ops,
           uint32_t count)
{
    CHECK(ops != NULL || count == 0);
    if (count > 0)
        write_long(encoder->out, count);
    for (uint32_t i = 0; i < count; i++) {
        int rc = encode_op(encoder, kinds, &ops[i]);
        if (rc != 0)
            return error_wrap(encoder->err, rc, "op %u", i);
    }
    write_long(encoder->out, 0);
    return 0;
}

static int
encode_fan_outs(struct encoder *encoder, const struct ops *ops)
{
    CHECK(ops->items != NULL || ops->count == 0);
    if (ops->count > 0)
        write_long(encoder->out, ops->count);
    for (uint32_t i = 0; i < ops->count; i++) {
        const struct op *op = &ops->items[i];
        CHECK(op->kind == OP_FAN_OUT);
        int rc = encode_text(encoder, op->query, "the query");
        if (rc == 0)
            rc = encode_ops(encoder, &encoder->layout->nested, op->nested, op->nested_count);
        if (rc != 0)
            return error_wrap(encoder->err, rc, "fan-out %u", i);
    }
    write_long(encoder->out, 0);
    return 0;
}

/* A request for all rows of a source has the entry in place of the key (event.avsc). */
static int
encode_request(struct encoder *encoder, const struct op *op)
{
    const bool is_all = op_is_source_request(op);
    const struct value entry = {.kind = VALUE_STRING, .string = op->field};
    CHECK(op->kind == OP_REFRESH);
    int rc = encode_text(encoder, is_all ? TEXT("") : op->field, "the name of an entry");
    if (rc != 0)
        return rc;
    return encode_value(encoder, &encoder->layout->key, is_all ? &entry : &op->value);
}

static int
encode_requests(struct encoder *encoder, const struct ops *ops)
{
    CHECK(ops->items != NULL || ops->count == 0);
    if (ops->count > 0)
        write_long(encoder->out, ops->count);
    for (uint32_t i = 0; i < ops->count; i++) {
        int rc = encode_request(encoder, &ops->items[i]);
        if (rc != 0)
            return error_wrap(encoder->err, rc, "request %u", i);
    }
    write_long(encoder->out, 0);
    return 0;
}

/* --- forms --- */

static int encode_form(struct encoder *encoder, const struct form *form, const void *record);

/* The pointer of an array. */
static const void *
member_array(const void *member)
{
    const void *array;
    memcpy(&array, member, sizeof array);
    return array;
}

static int
encode_records(struct encoder *encoder, const struct form *items, const char *records,
               uint32_t count)
{
    CHECK(records != NULL || count == 0);
    int rc = 0;
    if (count > 0)
        write_long(encoder->out, count);
    for (uint32_t i = 0; rc == 0 && i < count; i++)
        rc = encode_form(encoder, items, records + items->bytes * i);
    write_long(encoder->out, 0);
    return rc;
}

static int
encode_array(struct encoder *encoder, const struct form_field *field, const char *record)
{
    const void *array = member_array(record + field->member);
    uint32_t count = *(const uint32_t *)(const void *)(record + field->count);
    switch (field->kind) {
    case FORM_TEXTS:
        return encode_texts(encoder, array, count, field->name);
    case FORM_LONGS:
        write_longs(encoder->out, array, count);
        return 0;
    case FORM_DOUBLES:
        write_doubles(encoder->out, array, count);
        return 0;
    case FORM_RECORDS:
        return encode_records(encoder, field->items, array, count);
    default:
        CHECK(field->kind == FORM_SLOTS || field->kind == FORM_OPTIONAL_SLOTS);
        write_slots(encoder->out, array, count);
        return 0;
    }
}

/* Writes the branch of a union of null and one type. */
static bool
encode_flag(struct encoder *encoder, const struct form_field *field, const char *record)
{
    bool present = *(const bool *)(record + field->flag);
    write_long(encoder->out, present ? BRANCH_PRESENT : BRANCH_ABSENT);
    return present;
}

static int
encode_member(struct encoder *encoder, const struct form_field *field, const char *record)
{
    const void *member = record + field->member;
    switch (field->kind) {
    case FORM_OPTIONAL_LONG:
        if (encode_flag(encoder, field, record))
            write_long(encoder->out, *(const int64_t *)member);
        return 0;
    case FORM_LONG:
        write_long(encoder->out, *(const int64_t *)member);
        return 0;
    case FORM_INT:
        write_long(encoder->out, *(const int32_t *)member);
        return 0;
    case FORM_ENUM:
        write_long(encoder->out, *(const unsigned int *)member);
        return 0;
    case FORM_BOOLEAN:
        write_boolean(encoder->out, *(const bool *)member);
        return 0;
    case FORM_TEXT:
        return encode_text(encoder, *(const struct text *)member, field->name);
    case FORM_FAN_OUTS:
        return encode_fan_outs(encoder, member);
    case FORM_OPTIONAL_SLOTS:
        return encode_flag(encoder, field, record) ? encode_array(encoder, field, record) : 0;
    default:
        return encode_array(encoder, field, record);
    }
}

static int
encode_form(struct encoder *encoder, const struct form *form, const void *record)
{
    int rc = 0;
    CHECK(record != NULL);
    for (uint32_t i = 0; rc == 0 && i < form->field_count; i++)
        rc = encode_member(encoder, &form->fields[i], record);
    return rc;
}

static int
encode_chunk(struct encoder *encoder, const struct chunk *chunk)
{
    struct form_chunk wire = {.chunk = *chunk, .column_count = chunk->column_count};
    struct form_column *columns = memory_alloc((chunk->column_count + 1) * sizeof *columns);
    CHECK(chunk->columns != NULL || chunk->column_count == 0);
    for (uint32_t i = 0; i < chunk->column_count; i++) {
        const struct chunk_column *column = &chunk->columns[i];
        bool floats = column->kind == CHUNK_FLOATS;
        columns[i] = (struct form_column){
            .field = column->field,
            .kind = column->kind,
            .slots = column->slots,
            .slot_count = column->count,
            .integers = column->integers,
            .integer_count = floats ? 0 : column->count,
            .floats = column->floats,
            .float_count = floats ? column->count : 0,
            .strings = column->strings,
            .string_count = column->string_count,
        };
    }
    wire.columns = columns;
    int rc = encode_form(encoder, form_of_kind(EVENT_CHUNK), &wire);
    free(columns);
    return rc;
}

/* --- events --- */

/* The struct that the form of the kind describes; a chunk has its own (encode_chunk). */
static const void *
encode_record_of(const struct event *event)
{
    switch (event->kind) {
    case EVENT_MARK:
        return &event->mark;
    case EVENT_PASS:
        return event->pass;
    case EVENT_SUM:
        return event->sum;
    case EVENT_SUM_POINT:
        return event->sum_point;
    case EVENT_JOB:
        return event->job;
    default:
        CHECK(event->kind == EVENT_VOIDED);
        return event->voided;
    }
}

static int
encode_numbered(struct encoder *encoder, const struct event *event)
{
    write_long(encoder->out, event->row_id);
    write_long(encoder->out, event->entity_id);
    switch (event->kind) {
    case EVENT_ROW:
        return encode_ops(encoder, &encoder->layout->op, event->ops.items, event->ops.count);
    case EVENT_FAN_OUT:
        return encode_fan_outs(encoder, &event->ops);
    case EVENT_PARENT_REFRESH:
        return encode_requests(encoder, &event->ops);
    default:
        CHECK(event->kind == EVENT_REJECTED);
        return encode_text(encoder, event->reason, "the reason");
    }
}

static int
encode_body(struct encoder *encoder, const struct event *event)
{
    int rc = encode_branch(encoder, &encoder->layout->body, (int)event->kind);
    if (rc != 0)
        return rc;
    if (event_kind_is_numbered(event->kind))
        return encode_numbered(encoder, event);
    if (event->kind == EVENT_CHUNK)
        return encode_chunk(encoder, event->chunk);
    return encode_form(encoder, form_of_kind(event->kind), encode_record_of(event));
}

int
event_encode_datum(const struct layout *layout, const struct event *event, struct buffer *out,
                   struct event_body_place *body, struct error *err)
{
    struct encoder encoder = {layout, out, err};
    CHECK(event->epoch >= 0 && event->generation >= 0);
    CHECK(event->tick >= 0 && event->seq >= 0);
    write_long(out, event->epoch);
    write_long(out, event->generation);
    write_long(out, event->tick);
    write_long(out, event->seq);
    int rc = encode_text(&encoder, event->source, "source");
    if (rc == 0)
        rc = encode_branch(&encoder, &layout->created_at, event->has_created_at);
    if (rc == 0 && event->has_created_at)
        write_long(out, event->created_at_us);
    body->begin = out->bytes;
    if (rc == 0)
        rc = encode_body(&encoder, event);
    body->end = out->bytes;
    write_long(out, (int64_t)event->txid);
    return rc;
}
