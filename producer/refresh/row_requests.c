#include "producer/refresh/row_requests.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/config/config_entry.h"

bool
row_requests_are_possible(struct text ops)
{
    /* jsonb prints the name of an op in one way */
    static const char name[] = "\"refresh\"";
    return ops.bytes > 0 && memmem(ops.data, ops.bytes, name, sizeof name - 1) != NULL;
}

static int
compare_texts(const void *a, const void *b)
{
    const struct text *x = a;
    const struct text *y = b;
    size_t bytes = x->bytes < y->bytes ? x->bytes : y->bytes;
    int order = bytes > 0 ? memcmp(x->data, y->data, bytes) : 0;
    return order != 0 ? order : (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

/* Asks for the sources of these fields, which it sorts: the same fields in another order are the
 * same target. */
static void
set_fields(struct request *request, struct text *fields, uint32_t count)
{
    uint32_t distinct = 0;
    CHECK(count > 0);
    qsort(fields, count, sizeof *fields, compare_texts);
    for (uint32_t i = 0; i < count; i++)
        if (i == 0 || !text_equal(fields[i], fields[i - 1]))
            fields[distinct++] = fields[i];
    request->fields = fields;
    request->field_count = distinct;
}

static void
set_named_fields(struct request *request, const struct value *value, struct arena *arena)
{
    uint32_t count = value->strings.count;
    struct text *fields = arena_alloc(arena, count * sizeof *fields);
    CHECK(value->kind == VALUE_STRINGS && count > 0);
    memcpy(fields, value->strings.items, count * sizeof *fields);
    set_fields(request, fields, count);
}

static struct text
key_text(const struct value *key, struct arena *arena)
{
    struct buffer text = {0};
    CHECK(key->kind == VALUE_INTEGER || key->kind == VALUE_STRING);
    if (key->kind == VALUE_STRING)
        return key->string;
    buffer_append_format(&text, "%" PRId64, key->integer);
    struct text copy = arena_text(arena, (struct text){(const char *)text.data, text.bytes});
    buffer_free(&text);
    return copy;
}

/* The entry that shows columns of the parent; an entry of another kind has no parents. */
static uint32_t
find_parent_entry(const struct config *config, struct text name, uint32_t *level)
{
    int32_t index = config_entry_find_level(config, name, level);
    if (index < 0)
        return REQUEST_UNKNOWN_ENTRY;
    enum config_trigger_kind kind = config->triggers[index].kind;
    bool has_parents = kind == TRIGGER_FAN_OUT || kind == TRIGGER_FAN_OUT_PER_ROW;
    return has_parents ? (uint32_t)index : REQUEST_UNKNOWN_ENTRY;
}

static struct request
request_of(const struct config *config, int64_t entity_id, const struct op *op, struct arena *arena)
{
    struct request request = {.kind = REQUEST_ENTITY, .entity_id = entity_id};
    bool has_entry = op->field.bytes > 0;
    if (op_is_source_request(op)) {
        int32_t index = config_entry_find(config, op->field);
        request = (struct request){.kind = REQUEST_SOURCE};
        request.entry = index >= 0 ? (uint32_t)index : REQUEST_UNKNOWN_ENTRY;
    } else if (op_is_parent_request(op)) {
        uint32_t level;
        uint32_t entry = find_parent_entry(config, op->field, &level);
        bool is_known = entry != REQUEST_UNKNOWN_ENTRY;
        request = (struct request){.entry = entry};
        request.kind = is_known ? REQUEST_PARENT : REQUEST_SOURCE;
        request.level = is_known ? level : 0;
        if (is_known)
            request.key = key_text(&op->value, arena);
    } else if (has_entry) {
        int32_t index = config_entry_find(config, op->field);
        request.kind = index >= 0 ? REQUEST_CHILD : REQUEST_ENTITY;
        request.entry = index >= 0 ? (uint32_t)index : 0;
    } else if (op->value.kind != VALUE_NULL) {
        set_named_fields(&request, &op->value, arena);
    }
    return request;
}

/* Returns how many fields answer the request of an entity, 0: all of them; unless `fields` is NULL,
 * they are copied there. */
static uint32_t
fields_of(const struct config *config, const struct request *request, struct text *fields)
{
    uint32_t count = 0;
    const char *field;
    CHECK(request->kind != REQUEST_PARENT);
    if (request->kind == REQUEST_ENTITY) {
        if (fields != NULL && request->field_count > 0)
            memcpy(fields, request->fields, request->field_count * sizeof *fields);
        return request->field_count;
    }
    for (; (field = config_entry_field(config, request->entry, count)) != NULL; count++)
        if (fields != NULL)
            fields[count] = text_of(field);
    return count;
}

/* Does the request ask whether its entity exists? Named fields do not say it. */
static bool
asks_existence(const struct config *config, const struct request *request)
{
    return request->kind == REQUEST_CHILD && config->triggers[request->entry].sets_alive;
}

/* Of the requests of one entity: one that answers all of them, and reads nothing else, unless it
 * has to state existence, which only all sources together do. */
static struct request
unite(const struct config *config, const struct request *items, uint32_t count, struct arena *arena)
{
    struct request whole = {.kind = REQUEST_ENTITY, .entity_id = items[0].entity_id};
    bool is_same = true;
    uint32_t field_count = 0;
    CHECK(count > 0);
    for (uint32_t i = 1; i < count; i++)
        is_same = is_same && request_equal(&items[i], &items[0]);
    if (is_same)
        return items[0];
    for (uint32_t i = 0; i < count; i++) {
        uint32_t added = fields_of(config, &items[i], NULL);
        if (added == 0 || asks_existence(config, &items[i]))
            return whole;
        field_count += added;
    }
    struct text *fields = arena_alloc(arena, field_count * sizeof *fields);
    uint32_t at = 0;
    for (uint32_t i = 0; i < count; i++)
        at += fields_of(config, &items[i], fields + at);
    set_fields(&whole, fields, field_count);
    return whole;
}

void
row_requests_read(const struct config *config, int64_t entity_id, const struct ops *ops,
                  struct arena *arena, struct row_requests *requests)
{
    uint32_t count = 0;
    struct request *items = arena_alloc(arena, (ops->count + 1) * sizeof *items);
    for (uint32_t i = 0; i < ops->count; i++)
        if (ops->items[i].kind == OP_REFRESH)
            items[count++] = request_of(config, entity_id, &ops->items[i], arena);
    if (count > 0 && items[0].kind != REQUEST_PARENT && items[0].kind != REQUEST_SOURCE) {
        items[0] = unite(config, items, count, arena);
        count = 1;
    }
    *requests = (struct row_requests){items, count};
}
