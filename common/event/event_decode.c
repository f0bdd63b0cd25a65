/* The decoder walks once along the schema of the writer.
 *
 * Fields come in the order of the writer. The layout has the meaning of each field; a field without
 * a meaning is skipped, and a union branch without a meaning is refused.
 *
 * A walk keeps its first error and returns zeros after it. What the decoder makes of those zeros is
 * discarded with the event.
 */
#include "common/event/event_decode.h"

#include <string.h>

#include "common/base/check.h"

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

static const struct walker_node *
decode_field(const struct decoder *decoder, const struct walker_node *record, uint32_t i)
{
    return walk_child(&decoder->walk, record, i);
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
    *branch = walk_child(walk, node, index);
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
    struct walk_array array = walk_array(&decoder->walk, node);
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

static void
decode_integer(struct decoder *decoder, const struct walker_node *node, void *item)
{
    *(int64_t *)item = decode_long(decoder, node);
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
        const struct walker_node *field = decode_field(decoder, node, i);
        if (layout->meaning_of[i] != LIST_ITEMS)
            decode_skip(decoder, field);
        else if (integers)
            list = decode_list(decoder, field, sizeof(int64_t), decode_integer);
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
decode_value(struct decoder *decoder, const struct walker_node *node, enum op_kind op,
             struct value *value)
{
    const struct walker_node *branch;
    CHECK(op <= OP_ADD);
    int kind = decode_branch(decoder, node, &decoder->layout->values[op], &branch);
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
decode_op(struct decoder *decoder, const struct walker_node *node, const struct layout_union *kinds,
          struct op *op)
{
    const struct walker_node *record;
    int kind = decode_branch(decoder, node, kinds, &record);
    *op = (struct op){.kind = (enum op_kind)kind};
    if (kind < 0)
        return;
    CHECK(kind <= OP_DELETE);
    CHECK(record->count <= LAYOUT_FIELDS_MAX);
    for (uint32_t i = 0; i < record->count; i++) {
        const struct walker_node *field = decode_field(decoder, record, i);
        int meaning = kind < LAYOUT_VALUE_OPS ? decoder->layout->ops[kind].meaning_of[i] : -1;
        if (meaning == OP_FIELD)
            op->field = decode_text(decoder, field);
        else if (meaning == OP_VALUE)
            decode_value(decoder, field, op->kind, &op->value);
        else
            decode_skip(decoder, field);
    }
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
        const struct walker_node *field = decode_field(decoder, node, i);
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

static void
decode_mark_field(struct decoder *decoder, const struct walker_node *node, int meaning,
                  struct mark *mark)
{
    CHECK(meaning < LAYOUT_MARK_FIELDS);
    switch (meaning) {
    case LAYOUT_MARK_KIND:
        mark->kind = (enum mark_kind)walk_index(&decoder->walk, node);
        break;
    case LAYOUT_MARK_TOPIC_ID:
        mark->topic_id = decode_text(decoder, node);
        break;
    case LAYOUT_MARK_PARTITIONS:
        mark->partitions = walk_int(&decoder->walk, node);
        break;
    case LAYOUT_MARK_DIGEST:
        mark->digest = (uint64_t)decode_long(decoder, node);
        break;
    case LAYOUT_MARK_LAST_ROW_ID:
        mark->last_row_id = decode_long(decoder, node);
        break;
    case LAYOUT_MARK_MAX_ROW_ID:
        mark->max_row_id = decode_long(decoder, node);
        break;
    case LAYOUT_MARK_BACKLOG_ROWS:
        mark->backlog_rows = decode_long(decoder, node);
        break;
    case LAYOUT_MARK_CLOCK:
        mark->clock_us = decode_long(decoder, node);
        break;
    case LAYOUT_MARK_SNAPSHOT:
        mark->snapshot = decode_text(decoder, node);
        break;
    case LAYOUT_MARK_SOURCE_EMPTY:
        mark->source_empty = walk_boolean(&decoder->walk, node);
        break;
    default:
        decode_skip(decoder, node);
    }
}

static void
decode_content(struct decoder *decoder, const struct walker_node *node, struct event *event)
{
    struct list list;
    CHECK(event->kind != EVENT_MARK);
    if (event->kind == EVENT_REJECTED) {
        event->reason = decode_text(decoder, node);
        return;
    }
    list = decode_list(decoder, node, sizeof(struct op),
                       event->kind == EVENT_ROW ? decode_row_op : decode_fan_out);
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
decode_body(struct decoder *decoder, const struct walker_node *node, struct event *event)
{
    const struct layout *layout = decoder->layout;
    const struct walker_node *record;
    int kind = decode_branch(decoder, node, &layout->body, &record);
    if (kind < 0)
        return;
    CHECK(kind <= EVENT_MARK);
    event->kind = (enum event_kind)kind;
    CHECK(record->count <= LAYOUT_FIELDS_MAX);
    for (uint32_t i = 0; i < record->count; i++) {
        const struct walker_node *field = decode_field(decoder, record, i);
        if (event->kind == EVENT_MARK)
            decode_mark_field(decoder, field, layout->mark.meaning_of[i], &event->mark);
        else
            decode_row_field(decoder, field, layout->bodies[kind].meaning_of[i], event);
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
    *event = (struct event){0};
    CHECK(root->count <= LAYOUT_FIELDS_MAX);
    for (uint32_t i = 0; i < root->count; i++)
        decode_head_field(&decoder, decode_field(&decoder, root, i), layout->head.meaning_of[i],
                          event);
    int rc = walk_end(&decoder.walk);
    CHECK(rc == 0 || rc == ERR_DATA);
    CHECK(decoder.walk.items_left <= EVENT_ITEMS_MAX);
    return rc;
}
