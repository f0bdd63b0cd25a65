/* The decoder walks once along the schema of the writer.
 *
 * Fields come in the order of the writer. The layout has the meaning of each field; a field without
 * a meaning is skipped, and a union branch without a meaning is refused.
 *
 * A walk keeps its first error and returns zeros after it. What the decoder makes of those zeros is
 * discarded with the event.
 */
#include "common/event/event_decode.h"

#include <stddef.h>
#include <string.h>

#include "common/base/check.h"
#include "common/event/event_form.h"
#include "common/files/crc32c.h"

enum { DECODE_SLOTS_AT_ONCE = 256 };

struct decoder {
    struct walk walk;
    const struct layout *layout;
    struct arena *arena;
};

static int64_t
decode_long(struct decoder *decoder, const struct walker_node *node)
{
    return walk_long(&decoder->walk, node);
}

static struct text
decode_text(struct decoder *decoder, const struct walker_node *node)
{
    struct text text = walk_text(&decoder->walk, node);
    CHECK(decoder->walk.rc == 0 || text.bytes == 0);
    return decoder->walk.rc == 0 ? arena_text(decoder->arena, text) : text;
}

static void
decode_skip(struct decoder *decoder, const struct walker_node *node)
{
    walk_skip(&decoder->walk, node);
}

static void
decode_refuse(struct decoder *decoder, const char *reason)
{
    if (decoder->walk.rc == 0)
        decoder->walk.rc = error_set(decoder->walk.err, ERR_DATA, "%s", reason);
}

/* Returns the kind that the branch encodes, or -1 after an error; `*branch` is its node. */
static int
decode_branch(struct decoder *decoder, const struct walker_node *node,
              const struct layout_union *layout, const struct walker_node **branch)
{
    struct walk *walk = &decoder->walk;
    uint32_t index = walk_index(walk, node);
    CHECK(index < LAYOUT_KINDS_MAX);
    if (walk->rc == 0 && layout->kind_of[index] < 0)
        walk->rc = error_set(walk->err, ERR_DATA, "union branch %u has no meaning here", index);
    *branch = walk_child(node, index);
    return walk->rc == 0 ? layout->kind_of[index] : -1;
}

/* The items of an array, in one piece; an array comes in blocks. */
struct list {
    void *items;
    uint32_t count;
    uint32_t capacity;
};

/* Makes room for a block of `more` items. Most arrays have one block. */
static void
list_reserve(struct list *list, uint64_t more, size_t item_bytes, struct arena *arena)
{
    uint64_t wanted = list->count + more;
    CHECK(wanted <= UINT32_MAX); /* items take bytes, or count against EVENT_ITEMS_MAX */
    if (wanted <= list->capacity)
        return;
    if (wanted < 2 * (uint64_t)list->count)
        wanted = 2 * (uint64_t)list->count;
    void *items = arena_alloc(arena, wanted * item_bytes);
    if (list->count > 0)
        memcpy(items, list->items, list->count * item_bytes);
    list->items = items;
    list->capacity = (uint32_t)wanted;
    CHECK(list->count <= list->capacity);
}

static struct list
decode_list(struct decoder *decoder, const struct walker_node *node, size_t item_bytes,
            void (*decode)(struct decoder *decoder, const struct walker_node *node, void *item))
{
    CHECK(item_bytes > 0);
    struct walk_array array = walk_array(node);
    struct list list = {0};
    uint64_t count;
    while ((count = walk_block(&decoder->walk, &array)) > 0) {
        list_reserve(&list, count, item_bytes, decoder->arena);
        for (; count > 0 && decoder->walk.rc == 0; count--)
            decode(decoder, array.item, (char *)list.items + item_bytes * list.count++);
        CHECK(list.count <= list.capacity);
    }
    CHECK(list.items != NULL || list.count == 0);
    return list;
}

/* An array of longs, read without a call for each of them. */
static struct list
decode_longs(struct decoder *decoder, const struct walker_node *node)
{
    struct walk_array array = walk_array(node);
    struct list list = {0};
    uint64_t count;
    while ((count = walk_block(&decoder->walk, &array)) > 0) {
        list_reserve(&list, count, sizeof(int64_t), decoder->arena);
        walk_longs(&decoder->walk, array.item, (int64_t *)list.items + list.count, (size_t)count);
        list.count += (uint32_t)count;
        CHECK(list.count <= list.capacity);
    }
    return list;
}

/* Continues a list of slots with `count` differences, the first of which is to `slot`. */
static uint32_t
decode_differences(struct decoder *decoder, const struct walker_node *node, uint32_t slot,
                   uint32_t *slots, uint64_t count)
{
    int64_t differences[DECODE_SLOTS_AT_ONCE];
    for (uint64_t done = 0; done < count && decoder->walk.rc == 0;) {
        uint64_t more = count - done < DECODE_SLOTS_AT_ONCE ? count - done : DECODE_SLOTS_AT_ONCE;
        walk_longs(&decoder->walk, node, differences, (size_t)more);
        uint64_t wrong = 0;
        for (uint64_t i = 0; i < more; i++) {
            wrong |= (uint64_t)differences[i] > UINT32_MAX - slot;
            slot += (uint32_t)differences[i];
            slots[done + i] = slot;
        }
        if (wrong != 0)
            decode_refuse(decoder, "slots are not ascending, or beyond 32 bits");
        done += more;
    }
    return slot;
}

static struct list
decode_slots(struct decoder *decoder, const struct walker_node *node)
{
    struct walk_array array = walk_array(node);
    struct list list = {0};
    uint32_t slot = 0;
    uint64_t count;
    while ((count = walk_block(&decoder->walk, &array)) > 0) {
        list_reserve(&list, count, sizeof(uint32_t), decoder->arena);
        slot = decode_differences(decoder, array.item, slot, (uint32_t *)list.items + list.count,
                                  count);
        list.count += (uint32_t)count;
        CHECK(list.count <= list.capacity);
    }
    return list;
}

static void
decode_double(struct decoder *decoder, const struct walker_node *node, void *item)
{
    *(double *)item = walk_double(&decoder->walk, node);
}

static void
decode_string(struct decoder *decoder, const struct walker_node *node, void *item)
{
    *(struct text *)item = decode_text(decoder, node);
}

/* Reads a record Integers or Strings. */
static void
decode_items(struct decoder *decoder, const struct walker_node *node, struct value *value)
{
    bool integers = value->kind == VALUE_INTEGERS;
    const struct layout_record *layout =
        integers ? &decoder->layout->integers : &decoder->layout->strings;
    struct list list = {0};
    CHECK(integers || value->kind == VALUE_STRINGS);
    CHECK(node->count <= LAYOUT_FIELDS_MAX);
    for (uint32_t i = 0; i < node->count; i++) {
        const struct walker_node *field = walk_child(node, i);
        if (layout->meaning_of[i] != LIST_ITEMS)
            decode_skip(decoder, field);
        else if (integers)
            list = decode_longs(decoder, field);
        else
            list = decode_list(decoder, field, sizeof(struct text), decode_string);
    }
    if (integers) {
        value->integers.items = list.items;
        value->integers.count = list.count;
    } else {
        value->strings.items = list.items;
        value->strings.count = list.count;
    }
}

static void
decode_value(struct decoder *decoder, const struct walker_node *node,
             const struct layout_union *layout, struct value *value)
{
    const struct walker_node *branch;
    int kind = decode_branch(decoder, node, layout, &branch);
    if (kind < 0)
        return;
    value->kind = (enum value_kind)kind;
    switch (value->kind) {
    case VALUE_NULL:
        break;
    case VALUE_INTEGER:
        value->integer = decode_long(decoder, branch);
        break;
    case VALUE_FLOAT:
        value->real = walk_double(&decoder->walk, branch);
        break;
    case VALUE_BOOLEAN:
        value->boolean = walk_boolean(&decoder->walk, branch);
        break;
    case VALUE_STRING:
        value->string = decode_text(decoder, branch);
        break;
    case VALUE_INTEGERS:
    case VALUE_STRINGS:
        decode_items(decoder, branch, value);
        break;
    default:
        CHECK(false);
    }
}

static void
decode_value_op(struct decoder *decoder, const struct walker_node *record, struct op *op)
{
    CHECK((int)op->kind < LAYOUT_VALUE_OPS);
    for (uint32_t i = 0; i < record->count; i++) {
        const struct walker_node *field = walk_child(record, i);
        int meaning = decoder->layout->ops[op->kind].meaning_of[i];
        if (meaning == OP_FIELD)
            op->field = decode_text(decoder, field);
        else if (meaning == OP_VALUE)
            decode_value(decoder, field, &decoder->layout->values[op->kind], &op->value);
        else
            decode_skip(decoder, field);
    }
}

/* A union of null and one other type. `*branch` is the node of the branch that follows. */
static bool
decode_is_present(struct decoder *decoder, const struct walker_node *node,
                  const struct walker_node **branch)
{
    *branch = walk_child(node, walk_index(&decoder->walk, node));
    return decoder->walk.rc == 0 && (*branch)->type != AVRO_NULL;
}

static void
decode_refresh_names(struct decoder *decoder, const struct walker_node *node, struct value *value)
{
    const struct walker_node *branch;
    if (!decode_is_present(decoder, node, &branch))
        return;
    struct list list = decode_list(decoder, branch, sizeof(struct text), decode_string);
    *value = (struct value){.kind = VALUE_STRINGS};
    value->strings.items = list.items;
    value->strings.count = list.count;
}

static void
decode_refresh(struct decoder *decoder, const struct walker_node *record, struct op *op)
{
    CHECK(op->kind == OP_REFRESH);
    for (uint32_t i = 0; i < record->count; i++) {
        const struct walker_node *field = walk_child(record, i);
        int meaning = decoder->layout->refresh.meaning_of[i];
        if (meaning == REFRESH_ENTRY)
            op->field = decode_text(decoder, field);
        else if (meaning == REFRESH_NAMES)
            decode_refresh_names(decoder, field, &op->value);
        else
            decode_skip(decoder, field);
    }
}

static void
decode_op(struct decoder *decoder, const struct walker_node *node, const struct layout_union *kinds,
          struct op *op)
{
    const struct walker_node *record;
    int kind = decode_branch(decoder, node, kinds, &record);
    *op = (struct op){.kind = (enum op_kind)kind};
    if (kind < 0)
        return;
    CHECK(record->count <= LAYOUT_FIELDS_MAX);
    if (kind < LAYOUT_VALUE_OPS)
        decode_value_op(decoder, record, op);
    else if (kind == OP_REFRESH)
        decode_refresh(decoder, record, op);
    else
        decode_skip(decoder, record);
}

static void
decode_request(struct decoder *decoder, const struct walker_node *node, void *item)
{
    struct op *op = item;
    *op = (struct op){.kind = OP_REFRESH};
    CHECK(node->count <= LAYOUT_FIELDS_MAX);
    for (uint32_t i = 0; i < node->count; i++) {
        const struct walker_node *field = walk_child(node, i);
        int meaning = decoder->layout->request.meaning_of[i];
        if (meaning == REQUEST_ENTRY)
            op->field = decode_text(decoder, field);
        else if (meaning == REQUEST_KEY)
            decode_value(decoder, field, &decoder->layout->key, &op->value);
        else
            decode_skip(decoder, field);
    }
    if (op->field.bytes > 0 || op->value.kind != VALUE_STRING)
        return;
    op->field = op->value.string;
    op->value = (struct value){.kind = VALUE_BOOLEAN, .boolean = true};
}

static void
decode_row_op(struct decoder *decoder, const struct walker_node *node, void *item)
{
    decode_op(decoder, node, &decoder->layout->op, item);
}

static void
decode_nested_op(struct decoder *decoder, const struct walker_node *node, void *item)
{
    decode_op(decoder, node, &decoder->layout->nested, item);
}

static void
decode_fan_out(struct decoder *decoder, const struct walker_node *node, void *item)
{
    struct op *op = item;
    struct list nested;
    *op = (struct op){.kind = OP_FAN_OUT};
    CHECK(node->count <= LAYOUT_FIELDS_MAX);
    for (uint32_t i = 0; i < node->count; i++) {
        const struct walker_node *field = walk_child(node, i);
        switch (decoder->layout->fan_out.meaning_of[i]) {
        case FAN_OUT_QUERY:
            op->query = decode_text(decoder, field);
            break;
        case FAN_OUT_OPS:
            nested = decode_list(decoder, field, sizeof *op, decode_nested_op);
            op->nested = nested.items;
            op->nested_count = nested.count;
            break;
        default:
            decode_skip(decoder, field);
        }
    }
}

/* --- forms --- */

static void decode_form(struct decoder *decoder, const struct walker_node *node,
                        const struct form *form, void *record);

static struct list
decode_records(struct decoder *decoder, const struct walker_node *node, const struct form *items)
{
    struct walk_array array = walk_array(node);
    struct list list = {0};
    uint64_t count;
    while ((count = walk_block(&decoder->walk, &array)) > 0) {
        list_reserve(&list, count, items->bytes, decoder->arena);
        for (; count > 0 && decoder->walk.rc == 0; count--) {
            void *record = (char *)list.items + items->bytes * list.count++;
            memset(record, 0, items->bytes);
            decode_form(decoder, array.item, items, record);
        }
        CHECK(list.count <= list.capacity);
    }
    return list;
}

static void
decode_array(struct decoder *decoder, const struct walker_node *node,
             const struct form_field *field, char *record)
{
    struct list list;
    if (field->kind == FORM_TEXTS)
        list = decode_list(decoder, node, sizeof(struct text), decode_string);
    else if (field->kind == FORM_LONGS)
        list = decode_longs(decoder, node);
    else if (field->kind == FORM_DOUBLES)
        list = decode_list(decoder, node, sizeof(double), decode_double);
    else if (field->kind == FORM_RECORDS)
        list = decode_records(decoder, node, field->items);
    else
        list = decode_slots(decoder, node);
    memcpy(record + field->member, &list.items, sizeof list.items);
    memcpy(record + field->count, &list.count, sizeof list.count);
}

/* The flag says whether the value is there. Returns its node, or NULL. */
static const struct walker_node *
decode_flag(struct decoder *decoder, const struct walker_node *node, const struct form_field *field,
            char *record)
{
    const struct walker_node *branch;
    bool present = decode_is_present(decoder, node, &branch);
    *(bool *)(record + field->flag) = present;
    return present ? branch : NULL;
}

static void
decode_member(struct decoder *decoder, const struct walker_node *node,
              const struct form_field *field, char *record)
{
    void *member = record + field->member;
    struct list list;
    switch (field->kind) {
    case FORM_OPTIONAL_LONG:
        node = decode_flag(decoder, node, field, record);
        if (node != NULL)
            *(int64_t *)member = decode_long(decoder, node);
        break;
    case FORM_OPTIONAL_SLOTS:
        node = decode_flag(decoder, node, field, record);
        if (node != NULL)
            decode_array(decoder, node, field, record);
        break;
    case FORM_LONG:
        *(int64_t *)member = decode_long(decoder, node);
        break;
    case FORM_INT:
        *(int32_t *)member = walk_int(&decoder->walk, node);
        break;
    case FORM_BOOLEAN:
        *(bool *)member = walk_boolean(&decoder->walk, node);
        break;
    case FORM_ENUM:
        *(unsigned int *)member = walk_index(&decoder->walk, node);
        break;
    case FORM_TEXT:
        *(struct text *)member = decode_text(decoder, node);
        break;
    case FORM_FAN_OUTS:
        list = decode_list(decoder, node, sizeof(struct op), decode_fan_out);
        *(struct ops *)member = (struct ops){list.items, list.count};
        break;
    default:
        decode_array(decoder, node, field, record);
    }
}

static void
decode_form(struct decoder *decoder, const struct walker_node *node, const struct form *form,
            void *record)
{
    const struct layout_record *layout = &decoder->layout->forms[form->id];
    CHECK(node->count <= LAYOUT_FIELDS_MAX);
    for (uint32_t i = 0; i < node->count && decoder->walk.rc == 0; i++) {
        const struct walker_node *field = walk_child(node, i);
        int meaning = layout->meaning_of[i];
        if (meaning < 0)
            decode_skip(decoder, field);
        else
            decode_member(decoder, field, &form->fields[meaning], record);
    }
}

/* Takes over a column; its arrays have one count only when their lengths agree. */
static struct chunk_column
decode_column(struct decoder *decoder, const struct form_column *wire)
{
    bool floats = wire->kind == CHUNK_FLOATS;
    if (wire->slot_count != (floats ? wire->float_count : wire->integer_count) ||
        (floats ? wire->integer_count : wire->float_count) != 0)
        decode_refuse(decoder, "a column has another number of values than of slots");
    return (struct chunk_column){
        .field = wire->field,
        .kind = wire->kind,
        .count = wire->slot_count,
        .slots = wire->slots,
        .integers = floats ? NULL : wire->integers,
        .floats = floats ? wire->floats : NULL,
        .strings = wire->strings,
        .string_count = wire->string_count,
    };
}

static struct chunk *
decode_chunk(struct decoder *decoder, const struct walker_node *node)
{
    struct form_chunk wire = {0};
    decode_form(decoder, node, form_of_kind(EVENT_CHUNK), &wire);
    struct chunk *chunk = arena_alloc(decoder->arena, sizeof *chunk);
    struct chunk_column *columns =
        arena_alloc(decoder->arena, (wire.column_count + 1) * sizeof *columns);
    *chunk = wire.chunk;
    for (uint32_t i = 0; i < wire.column_count && decoder->walk.rc == 0; i++)
        columns[i] = decode_column(decoder, &wire.columns[i]);
    chunk->columns = columns;
    chunk->column_count = wire.column_count;
    return chunk;
}

static void *
decode_control(struct decoder *decoder, const struct walker_node *node, enum event_kind kind)
{
    const struct form *form = form_of_kind(kind);
    CHECK(form != NULL);
    void *record = arena_alloc(decoder->arena, form->bytes);
    memset(record, 0, form->bytes);
    decode_form(decoder, node, form, record);
    return record;
}

/* --- events --- */

static void
decode_content(struct decoder *decoder, const struct walker_node *node, struct event *event)
{
    struct list list;
    CHECK(event_kind_is_numbered(event->kind));
    if (event->kind == EVENT_REJECTED) {
        event->reason = decode_text(decoder, node);
        return;
    }
    list = decode_list(decoder, node, sizeof(struct op),
                       event->kind == EVENT_ROW       ? decode_row_op
                       : event->kind == EVENT_FAN_OUT ? decode_fan_out
                                                      : decode_request);
    event->ops = (struct ops){list.items, list.count};
}

static void
decode_row_field(struct decoder *decoder, const struct walker_node *node, int meaning,
                 struct event *event)
{
    CHECK(meaning < BODY_FIELDS);
    switch (meaning) {
    case BODY_ROW_ID:
        event->row_id = decode_long(decoder, node);
        break;
    case BODY_ENTITY_ID:
        event->entity_id = decode_long(decoder, node);
        break;
    case BODY_CONTENT:
        decode_content(decoder, node, event);
        break;
    default:
        decode_skip(decoder, node);
    }
}

static void
decode_numbered(struct decoder *decoder, const struct walker_node *record, struct event *event)
{
    const struct layout_record *layout = &decoder->layout->bodies[event->kind];
    CHECK(record->count <= LAYOUT_FIELDS_MAX);
    for (uint32_t i = 0; i < record->count; i++)
        decode_row_field(decoder, walk_child(record, i), layout->meaning_of[i], event);
}

static void
decode_body(struct decoder *decoder, const struct walker_node *node, struct event *event)
{
    const uint8_t *begin = decoder->walk.at;
    const struct walker_node *record;
    int kind = decode_branch(decoder, node, &decoder->layout->body, &record);
    if (kind < 0)
        return;
    event->kind = (enum event_kind)kind;
    switch (event->kind) {
    case EVENT_MARK:
        event->mark = (struct mark){0};
        decode_form(decoder, record, form_of_kind(EVENT_MARK), &event->mark);
        break;
    case EVENT_CHUNK:
        event->chunk = decode_chunk(decoder, record);
        break;
    case EVENT_PASS:
        event->pass = decode_control(decoder, record, event->kind);
        break;
    case EVENT_SUM:
        event->sum = decode_control(decoder, record, event->kind);
        break;
    case EVENT_SUM_POINT:
        event->sum_point = decode_control(decoder, record, event->kind);
        break;
    case EVENT_JOB:
        event->job = decode_control(decoder, record, event->kind);
        break;
    case EVENT_VOIDED:
        event->voided = decode_control(decoder, record, event->kind);
        break;
    default:
        decode_numbered(decoder, record, event);
        event->body_crc = crc32c(0, begin, (size_t)(decoder->walk.at - begin));
    }
}

static void
decode_created_at(struct decoder *decoder, const struct walker_node *node, struct event *event)
{
    const struct walker_node *branch;
    event->has_created_at = decode_branch(decoder, node, &decoder->layout->created_at, &branch) > 0;
    if (event->has_created_at)
        event->created_at_us = decode_long(decoder, branch);
}

static void
decode_head_field(struct decoder *decoder, const struct walker_node *node, int meaning,
                  struct event *event)
{
    CHECK(meaning < HEAD_FIELDS);
    switch (meaning) {
    case HEAD_EPOCH:
        event->epoch = decode_long(decoder, node);
        break;
    case HEAD_GENERATION:
        event->generation = decode_long(decoder, node);
        break;
    case HEAD_TICK:
        event->tick = decode_long(decoder, node);
        break;
    case HEAD_SEQ:
        event->seq = decode_long(decoder, node);
        break;
    case HEAD_SOURCE:
        event->source = decode_text(decoder, node);
        break;
    case HEAD_CREATED_AT:
        decode_created_at(decoder, node, event);
        break;
    case HEAD_BODY:
        decode_body(decoder, node, event);
        break;
    case HEAD_TXID:
        event->txid = (uint64_t)decode_long(decoder, node);
        break;
    default:
        decode_skip(decoder, node);
    }
}

int
event_decode_datum(const struct layout *layout, const struct event_walker *walker,
                   struct text datum, struct arena *arena, struct event *event, struct error *err)
{
    struct decoder decoder = {.layout = layout, .arena = arena};
    walk_begin(&decoder.walk, walker, datum.data, datum.bytes, EVENT_ITEMS_MAX, err);
    const struct walker_node *root = walk_root(&decoder.walk);
    memset(event, 0, offsetof(struct event, mark));
    CHECK(root->count <= LAYOUT_FIELDS_MAX);
    for (uint32_t i = 0; i < root->count; i++)
        decode_head_field(&decoder, walk_child(root, i), layout->head.meaning_of[i], event);
    int rc = walk_end(&decoder.walk);
    CHECK(rc == 0 || rc == ERR_DATA);
    CHECK(decoder.walk.items_left <= EVENT_ITEMS_MAX);
    return rc;
}
