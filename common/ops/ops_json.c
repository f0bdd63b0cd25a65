/* Happy path: json_parse() makes a tree of the text, and the tree becomes ops. Strings are shared
 * with the tree, not copied.
 *
 * Failure modes: every refusal names the op and the member. A text that does not parse within the
 * limits is scanned once more, by the grammar alone, to decide its route (F79).
 */
#include "common/ops/ops_json.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/base/check.h"
#include "common/json/json_parse.h"
#include "common/json/json_scan.h"
#include "common/json/json_value.h"
#include "common/json/json_write.h"
#include "common/ops/filter.h"
#include "common/ops/ops_printed.h"
#include "common/ops/ops_value.h"

/* The members that make a refresh a request for what depends on one parent, or on all rows. */
#define KEY_OF_A_PARENT "key"
#define ALL_ROWS "all"

/* An object with this member alone says why there is no value; trigger functions write it. */
#define KEY_OF_A_REASON "invalid"

/* As the index of an op: the text is in no op. */
#define NO_OP UINT32_MAX

enum { GIVEN_REASON_BYTES_MAX = 100 };

struct reader {
    const struct ops_limits *limits;
    struct arena *arena;
    struct error *err;
    uint32_t items_left;
    uint32_t op;          /* index of the op that is read */
    uint32_t nested;      /* index of the op inside it, or OPS_NOT_NESTED */
    enum ops_route first; /* of the row's first op */

    bool is_partial;                  /* an invalid value costs its op, not the row */
    const struct ops_invalid *stored; /* of the ops that are not read yet, in their order */
    uint32_t stored_count;
    struct buffer invalids; /* struct ops_invalid */
};

/* `where` is "", or a member of the op with its dot. */
__attribute__((format(printf, 3, 4))) static int
read_refuse(const struct reader *reader, const char *where, const char *format, ...)
{
    char reason[128];
    char nested[32] = "";
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    if (reader->op == NO_OP) /* a value alone */
        return error_set(reader->err, ERR_DATA, "%s", reason);
    if (reader->nested != OPS_NOT_NESTED)
        snprintf(nested, sizeof nested, ".ops[%u]", reader->nested);
    return error_set(reader->err, ERR_DATA, "ops[%u]%s%s: %s", reader->op, nested, where, reason);
}

static int
read_items(struct reader *reader, const char *where, uint32_t count)
{
    if (count > reader->items_left)
        return read_refuse(reader, where, "more than %u ops and array items in the row",
                           reader->limits->row_items);
    reader->items_left -= count;
    CHECK(reader->items_left <= reader->limits->row_items);
    return 0;
}

/* A member that must be a string of 1 to `max_bytes`. */
static int
read_text(const struct reader *reader, const struct json_value *object, const char *key,
          const char *where, uint32_t max_bytes, struct text *text)
{
    CHECK(object->kind == JSON_OBJECT);
    const struct json_value *member = json_member(object, key);
    if (member == NULL)
        return read_refuse(reader, where, "is missing");
    if (member->kind != JSON_STRING)
        return read_refuse(reader, where, "is not a string: %s", json_kind_name(member->kind));
    if (member->string.bytes == 0)
        return read_refuse(reader, where, "is empty");
    if (member->string.bytes > max_bytes)
        return read_refuse(reader, where, "is longer than %u bytes", max_bytes);
    *text = member->string;
    return 0;
}

static int
read_string_size(const struct reader *reader, const struct value *value)
{
    if (value->kind == VALUE_STRING && value->string.bytes > reader->limits->string_bytes)
        return read_refuse(reader, ".value", "string is longer than %u bytes",
                           reader->limits->string_bytes);
    return 0;
}

static bool
is_ascii(struct text text)
{
    for (size_t i = 0; i < text.bytes; i++)
        if (text.data[i] < ' ' || text.data[i] > '~')
            return false;
    return true;
}

/* An item of an array whose items are all of `kind`. */
static int
read_item(const struct reader *reader, const struct json_value *array, uint32_t i,
          enum value_kind kind, struct value *item)
{
    CHECK(i < array->array.count);
    if (ops_value_from_scalar(&array->array.items[i], item, NULL) != 0 || item->kind != kind)
        return read_refuse(reader, ".value",
                           "item %u is neither an integer nor a string, or differs in "
                           "type from the items before it",
                           i);
    return read_string_size(reader, item);
}

static int
read_integers(const struct reader *reader, const struct json_value *array, struct value *value)
{
    uint32_t count = array->array.count;
    CHECK(array->kind == JSON_ARRAY);
    CHECK(count <= reader->limits->array_items);
    int64_t *items = arena_alloc(reader->arena, count * sizeof *items);
    for (uint32_t i = 0; i < count; i++) {
        struct value item;
        int rc = read_item(reader, array, i, VALUE_INTEGER, &item);
        if (rc != 0)
            return rc;
        items[i] = item.integer;
    }
    *value = (struct value){.kind = VALUE_INTEGERS, .integers = {items, count}};
    return 0;
}

static int
read_strings(const struct reader *reader, const struct json_value *array, struct value *value)
{
    uint32_t count = array->array.count;
    CHECK(array->kind == JSON_ARRAY);
    CHECK(count <= reader->limits->array_items);
    struct text *items = arena_alloc(reader->arena, count * sizeof *items);
    for (uint32_t i = 0; i < count; i++) {
        struct value item;
        int rc = read_item(reader, array, i, VALUE_STRING, &item);
        if (rc != 0)
            return rc;
        items[i] = item.string;
    }
    *value = (struct value){.kind = VALUE_STRINGS, .strings = {items, count}};
    return 0;
}

static int
read_array(struct reader *reader, const struct json_value *array, struct value *value)
{
    CHECK(array->kind == JSON_ARRAY);
    uint32_t count = array->array.count;
    if (count > reader->limits->array_items)
        return read_refuse(reader, ".value", "array of more than %u items",
                           reader->limits->array_items);
    int rc = read_items(reader, ".value", count);
    if (rc != 0)
        return rc;
    if (count > 0 && array->array.items[0].kind == JSON_STRING)
        return read_strings(reader, array, value);
    return read_integers(reader, array, value);
}

/* An object is no value, but it may say why there is no value. */
static int
read_object(const struct reader *reader, const struct json_value *object)
{
    CHECK(object->kind == JSON_OBJECT);
    const struct json_value *reason = json_member(object, KEY_OF_A_REASON);
    if (reason == NULL || object->object.count != 1 || reason->kind != JSON_STRING ||
        reason->string.bytes == 0 || reason->string.bytes > GIVEN_REASON_BYTES_MAX ||
        !is_ascii(reason->string))
        return read_refuse(reader, ".value", "is an object");
    return read_refuse(reader, ".value", "%.*s", TEXT_ARGS(reason->string));
}

static int
read_any_value(struct reader *reader, const struct json_value *json, struct value *value)
{
    struct error reason;
    if (json->kind == JSON_ARRAY)
        return read_array(reader, json, value);
    if (json->kind == JSON_OBJECT)
        return read_object(reader, json);
    if (ops_value_from_scalar(json, value, &reason) != 0)
        return read_refuse(reader, ".value", "%s", reason.message);
    return read_string_size(reader, value);
}

static int
read_value(struct reader *reader, const struct json_value *object, struct op *op)
{
    CHECK(op->kind == OP_SET || op->kind == OP_REMOVE || op->kind == OP_ADD);
    const struct json_value *member = json_member(object, "value");
    if (member == NULL)
        return read_refuse(reader, ".value", "is missing");
    if (member->kind == JSON_NULL && op->kind != OP_SET)
        return read_refuse(reader, ".value", "null can only be set");
    return read_any_value(reader, member, &op->value);
}

/* Whether the op is one whose value was stored as invalid, with its reason. */
static bool
read_stored(struct reader *reader, struct text *reason)
{
    while (reader->stored_count > 0) {
        const struct ops_invalid *stored = reader->stored;
        int order = ops_invalid_compare(stored, reader->op, reader->nested);
        if (order > 0)
            return false;
        reader->stored++;
        reader->stored_count--;
        if (order == 0) {
            *reason = stored->reason;
            return true;
        }
    }
    return false;
}

/* Keeps the reason, and makes of the op what an invalid value leaves of it: set null, or an op
 * that falls away. */
static int
read_invalid(struct reader *reader, struct op *op, struct text reason)
{
    uint32_t count = (uint32_t)(reader->invalids.bytes / sizeof(struct ops_invalid));
    if (count == OPS_INVALID_MAX)
        return read_refuse(reader, ".value", "more than %d values of the row are invalid",
                           OPS_INVALID_MAX);
    const struct ops_invalid invalid = {
        .op = reader->op,
        .nested = reader->nested,
        .field = op->field,
        .reason = arena_text(reader->arena, reason),
    };
    buffer_append(&reader->invalids, &invalid, sizeof invalid);
    op->value = (struct value){.kind = VALUE_NULL};
    return 0;
}

static bool
op_falls_away(const struct op *op)
{
    if (op->kind == OP_FAN_OUT)
        return op->nested_count == 0;
    return (op->kind == OP_ADD || op->kind == OP_REMOVE) && op->value.kind == VALUE_NULL;
}

/* As read_value(), where an invalid value does not cost the row. */
static int
read_value_partly(struct reader *reader, const struct json_value *object, struct op *op)
{
    struct error *row_err = reader->err;
    uint32_t row_op = reader->op;
    struct error reason;
    struct text stored;
    CHECK(reader->is_partial && row_op != NO_OP);
    bool is_stored = read_stored(reader, &stored);
    reader->err = &reason;
    reader->op = NO_OP; /* the reason does not name the op */
    int rc = read_value(reader, object, op);
    reader->err = row_err;
    reader->op = row_op;
    if (rc == 0 && !is_stored)
        return 0;
    return read_invalid(reader, op, is_stored ? stored : text_of(reason.message));
}

/* The names of fields, at least one. */
static int
read_names(struct reader *reader, const struct json_value *array, struct value *value)
{
    if (array->kind != JSON_ARRAY || array->array.count == 0)
        return read_refuse(reader, ".fields", "is not an array with names");
    uint32_t count = array->array.count;
    if (count > reader->limits->array_items)
        return read_refuse(reader, ".fields", "array of more than %u items",
                           reader->limits->array_items);
    int rc = read_items(reader, ".fields", count);
    struct text *names = arena_alloc(reader->arena, count * sizeof *names);
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        const struct json_value *item = &array->array.items[i];
        if (item->kind != JSON_STRING || item->string.bytes == 0 ||
            item->string.bytes > reader->limits->name_bytes)
            rc = read_refuse(reader, ".fields", "item %u is not a string of 1 to %u bytes", i,
                             reader->limits->name_bytes);
        else
            names[i] = item->string;
    }
    *value = (struct value){.kind = VALUE_STRINGS, .strings = {names, count}};
    return rc;
}

static int
read_key(const struct reader *reader, const struct json_value *key, struct value *value)
{
    if (ops_value_from_scalar(key, value, NULL) != 0 ||
        (value->kind != VALUE_INTEGER && value->kind != VALUE_STRING))
        return read_refuse(reader, ".key", "is neither an integer nor a string");
    if (value->kind == VALUE_STRING && value->string.bytes > reader->limits->string_bytes)
        return read_refuse(reader, ".key", "string is longer than %u bytes",
                           reader->limits->string_bytes);
    return 0;
}

static int
read_all(const struct reader *reader, const struct json_value *all, struct value *value)
{
    if (ops_value_from_scalar(all, value, NULL) != 0 || value->kind != VALUE_BOOLEAN ||
        !value->boolean)
        return read_refuse(reader, ".all", "is not true");
    return 0;
}

/* Without an entry: of the row's entity. */
static int
read_entity_refresh(struct reader *reader, const struct json_value *object, struct op *op)
{
    const struct json_value *fields = json_member(object, "fields");
    if (json_member(object, KEY_OF_A_PARENT) != NULL)
        return read_refuse(reader, ".key", "is without an entry");
    if (json_member(object, ALL_ROWS) != NULL)
        return read_refuse(reader, ".all", "is without an entry");
    return fields != NULL ? read_names(reader, fields, &op->value) : 0;
}

static int
read_refresh(struct reader *reader, const struct json_value *object, struct op *op)
{
    const struct json_value *key = json_member(object, KEY_OF_A_PARENT);
    const struct json_value *all = json_member(object, ALL_ROWS);
    CHECK(op->kind == OP_REFRESH);
    if (json_member(object, "entry") == NULL)
        return read_entity_refresh(reader, object, op);
    if (json_member(object, "fields") != NULL)
        return read_refuse(reader, ".fields", "is beside an entry");
    if (key != NULL && all != NULL)
        return read_refuse(reader, ".all", "is beside a key");
    int rc = read_text(reader, object, "entry", ".entry", reader->limits->string_bytes, &op->field);
    if (rc == 0 && all != NULL)
        return read_all(reader, all, &op->value);
    return rc == 0 && key != NULL ? read_key(reader, key, &op->value) : rc;
}

static int
read_kind(const struct reader *reader, const struct json_value *object, enum op_kind *kind)
{
    if (object->kind != JSON_OBJECT)
        return read_refuse(reader, "", "is not an object: %s", json_kind_name(object->kind));
    const struct json_value *name = json_member(object, "op");
    if (name == NULL || name->kind != JSON_STRING)
        return read_refuse(reader, ".op", "is missing or not a string");
    for (*kind = OP_SET; *kind <= OP_REFRESH; (*kind)++)
        if (text_is(name->string, op_kind_name(*kind)))
            return 0;
    return read_refuse(reader, ".op", "is unknown");
}

static int
read_slot_op(struct reader *reader, const struct json_value *object, struct op *op)
{
    CHECK(op->kind != OP_FAN_OUT);
    if (op->kind == OP_ALIVE || op->kind == OP_DELETE)
        return 0;
    int rc = read_text(reader, object, "field", ".field", reader->limits->name_bytes, &op->field);
    if (rc != 0)
        return rc;
    return reader->is_partial ? read_value_partly(reader, object, op)
                              : read_value(reader, object, op);
}

static int
read_query(const struct reader *reader, const struct json_value *object, struct op *op)
{
    const struct filter *filter;
    struct error reason;
    int rc = read_text(reader, object, "query", ".query", reader->limits->query_bytes, &op->query);
    if (rc == 0 && filter_parse_query(op->query, reader->arena, &filter, &reason) != 0)
        rc = read_refuse(reader, ".query", "%s", reason.message);
    return rc;
}

static int
read_nested_op(struct reader *reader, const struct json_value *object, struct op *op)
{
    *op = (struct op){0};
    int rc = read_kind(reader, object, &op->kind);
    if (rc == 0 && (op->kind == OP_ALIVE || op->kind >= OP_FAN_OUT))
        rc = read_refuse(reader, ".op", "is not allowed in a fan-out");
    return rc == 0 ? read_slot_op(reader, object, op) : rc;
}

/* `*count`: of the ops that do not fall away. */
static int
read_nested(struct reader *reader, const struct json_value *array, struct op *ops, uint32_t *count)
{
    int rc = 0;
    CHECK(reader->nested == OPS_NOT_NESTED);
    *count = 0;
    for (uint32_t i = 0; rc == 0 && i < array->array.count; i++) {
        reader->nested = i;
        rc = read_nested_op(reader, &array->array.items[i], &ops[*count]);
        *count += rc == 0 && !op_falls_away(&ops[*count]);
    }
    reader->nested = OPS_NOT_NESTED;
    return rc;
}

static int
read_fan_out(struct reader *reader, const struct json_value *object, struct op *op)
{
    CHECK(op->kind == OP_FAN_OUT);
    int rc = read_query(reader, object, op);
    if (rc != 0)
        return rc;
    const struct json_value *array = json_member(object, "ops");
    if (array == NULL || array->kind != JSON_ARRAY || array->array.count == 0)
        return read_refuse(reader, ".ops", "is not an array with ops");
    uint32_t count = array->array.count;
    rc = read_items(reader, ".ops", count);
    if (rc != 0)
        return rc;
    struct op *nested = arena_alloc(reader->arena, count * sizeof *nested);
    op->nested = nested;
    return read_nested(reader, array, nested, &op->nested_count);
}

/* What an element with this op makes of its row. */
static enum ops_route
route_of_op(enum op_kind kind, const struct json_value *object)
{
    if (kind == OP_FAN_OUT)
        return OPS_ROUTE_FAN_OUT;
    bool is_request = kind == OP_REFRESH && (json_member(object, KEY_OF_A_PARENT) != NULL ||
                                             json_member(object, ALL_ROWS) != NULL);
    return is_request ? OPS_ROUTE_REQUESTS : OPS_ROUTE_ENTITY;
}

static enum ops_route
route_of_element(const struct json_value *object)
{
    const struct json_value *name = json_member(object, "op");
    if (name == NULL || name->kind != JSON_STRING)
        return OPS_ROUTE_ENTITY;
    if (text_is(name->string, op_kind_name(OP_FAN_OUT)))
        return OPS_ROUTE_FAN_OUT;
    bool is_refresh = text_is(name->string, op_kind_name(OP_REFRESH));
    return is_refresh ? route_of_op(OP_REFRESH, object) : OPS_ROUTE_ENTITY;
}

/* The rule of `enum ops_route` on a tree; route_of_text() is the same on a text. */
static enum ops_route
route_of_value(const struct json_value *array)
{
    enum ops_route route = OPS_ROUTE_ENTITY;
    if (array->kind != JSON_ARRAY)
        return route;
    for (uint32_t i = 0; route != OPS_ROUTE_FAN_OUT && i < array->array.count; i++) {
        enum ops_route element = route_of_element(&array->array.items[i]);
        if (element != OPS_ROUTE_ENTITY)
            route = element;
    }
    return route;
}

static enum ops_route
route_of_text(struct text json)
{
    if (json_array_has_object_with(json, "op", op_kind_name(OP_FAN_OUT), NULL))
        return OPS_ROUTE_FAN_OUT;
    const char *refresh = op_kind_name(OP_REFRESH);
    bool is_request = json_array_has_object_with(json, "op", refresh, KEY_OF_A_PARENT) ||
                      json_array_has_object_with(json, "op", refresh, ALL_ROWS);
    return is_request ? OPS_ROUTE_REQUESTS : OPS_ROUTE_ENTITY;
}

/* All ops of a row are of one route. */
static int
read_op(struct reader *reader, const struct json_value *object, struct op *op)
{
    int rc = read_kind(reader, object, &op->kind);
    if (rc != 0)
        return rc;
    enum ops_route route = route_of_op(op->kind, object);
    if (reader->op == 0)
        reader->first = route;
    if (route != reader->first)
        return read_refuse(reader, ".op", "%s and another op in one row",
                           route == OPS_ROUTE_FAN_OUT || reader->first == OPS_ROUTE_FAN_OUT
                               ? "a fan-out"
                               : "a parent's request");
    if (op->kind == OP_FAN_OUT)
        return read_fan_out(reader, object, op);
    return op->kind == OP_REFRESH ? read_refresh(reader, object, op)
                                  : read_slot_op(reader, object, op);
}

static int
read_ops(struct reader *reader, const struct json_value *array, struct ops *ops)
{
    uint32_t kept = 0;
    CHECK(array->array.count > 0);
    struct op *items = arena_alloc(reader->arena, array->array.count * sizeof *items);
    for (uint32_t i = 0; i < array->array.count; i++) {
        reader->op = i;
        items[kept] = (struct op){0};
        int rc = read_op(reader, &array->array.items[i], &items[kept]);
        if (rc != 0)
            return rc;
        kept += !op_falls_away(&items[kept]);
    }
    CHECK(kept == array->array.count || reader->is_partial);
    *ops = (struct ops){items, kept};
    return 0;
}

static int
read_row(struct reader *reader, const struct json_value *array, struct ops *ops,
         enum ops_route *route)
{
    const struct ops_limits *limits = reader->limits;
    *route = route_of_value(array);
    CHECK(limits->row_items > 0);
    if (array->kind != JSON_ARRAY || array->array.count == 0)
        return error_set(reader->err, ERR_DATA, "ops: is not an array with ops");
    if (array->array.count > limits->row_items)
        return error_set(reader->err, ERR_DATA, "ops: more than %u", limits->row_items);
    reader->items_left = limits->row_items - array->array.count;
    int rc = read_ops(reader, array, ops);
    if (rc != 0)
        return rc;
    CHECK(reader->nested == OPS_NOT_NESTED);
    if (ops->count > 0)
        ops_invariants_check(ops);
    return 0;
}

int
ops_json_from_value(const struct json_value *array, const struct ops_limits *limits,
                    struct arena *arena, struct ops *ops, enum ops_route *route, struct error *err)
{
    struct reader reader = {.limits = limits, .arena = arena, .err = err, .nested = OPS_NOT_NESTED};
    return read_row(&reader, array, ops, route);
}

static int
parse_text(struct text json, const struct ops_limits *limits, struct arena *arena,
           const struct json_value **array, struct error *err)
{
    if (json.bytes > limits->row_bytes)
        return error_set(err, ERR_DATA, "ops: longer than %u bytes", limits->row_bytes);
    return json_parse(json, limits->depth, arena, array, err);
}

int
ops_json_parse(struct text json, const struct ops_limits *limits, struct arena *arena,
               struct ops *ops, enum ops_route *route, struct error *err)
{
    CHECK(json.data != NULL || json.bytes == 0);
    const struct json_value *array;
    int rc = parse_text(json, limits, arena, &array, err);
    if (rc == 0)
        return ops_json_from_value(array, limits, arena, ops, route, err);
    *route = route_of_text(json);
    return rc;
}

int
ops_json_parse_row(struct text json, const struct ops_limits *limits,
                   const struct ops_invalids *stored, struct arena *arena, struct ops *ops,
                   enum ops_route *route, struct ops_invalids *invalids, struct error *err)
{
    const struct json_value *array;
    struct reader reader = {
        .limits = limits,
        .arena = arena,
        .err = err,
        .nested = OPS_NOT_NESTED,
        .is_partial = true,
        .stored = stored != NULL ? stored->items : NULL,
        .stored_count = stored != NULL ? stored->count : 0,
    };
    CHECK(json.data != NULL || json.bytes == 0);
    if (reader.stored_count == 0 && ops_printed_parse(json, limits, arena, ops)) {
        *route = OPS_ROUTE_ENTITY;
        *invalids = (struct ops_invalids){NULL, 0};
        return 0;
    }
    int rc = parse_text(json, limits, arena, &array, err);
    if (rc != 0) {
        *route = route_of_text(json);
        return rc;
    }
    rc = read_row(&reader, array, ops, route);
    invalids->count = (uint32_t)(reader.invalids.bytes / sizeof *invalids->items);
    invalids->items = buffer_move(&reader.invalids, arena);
    return rc;
}

int
ops_json_parse_value(struct text json, const struct ops_limits *limits, struct arena *arena,
                     struct value *value, struct error *err)
{
    const struct json_value *tree;
    struct reader reader = {
        .limits = limits,
        .arena = arena,
        .err = err,
        .items_left = limits->row_items,
        .op = NO_OP,
        .nested = OPS_NOT_NESTED,
    };
    CHECK(json.data != NULL || json.bytes == 0);
    if (json.bytes > limits->row_bytes)
        return error_set(err, ERR_DATA, "longer than %u bytes", limits->row_bytes);
    int rc = json_parse(json, limits->depth, arena, &tree, err);
    return rc != 0 ? rc : read_any_value(&reader, tree, value);
}

static void
write_value(struct json_writer *writer, const struct value *value)
{
    switch (value->kind) {
    case VALUE_NULL:
        json_null(writer);
        break;
    case VALUE_INTEGER:
        json_integer(writer, value->integer);
        break;
    case VALUE_FLOAT:
        json_float(writer, value->real);
        break;
    case VALUE_BOOLEAN:
        json_boolean(writer, value->boolean);
        break;
    case VALUE_STRING:
        json_text(writer, value->string);
        break;
    case VALUE_INTEGERS:
        json_array_begin(writer);
        for (uint32_t i = 0; i < value->integers.count; i++)
            json_integer(writer, value->integers.items[i]);
        json_array_end(writer);
        break;
    case VALUE_STRINGS:
        json_array_begin(writer);
        for (uint32_t i = 0; i < value->strings.count; i++)
            json_text(writer, value->strings.items[i]);
        json_array_end(writer);
        break;
    default:
        CHECK(false);
    }
}

static void
write_refresh(struct json_writer *writer, const struct op *op)
{
    bool has_entry = op->field.bytes > 0;
    CHECK(op->kind == OP_REFRESH);
    if (has_entry) {
        json_key(writer, "entry");
        json_text(writer, op->field);
    }
    if (op->value.kind == VALUE_NULL)
        return;
    bool is_all = has_entry && op->value.kind == VALUE_BOOLEAN;
    json_key(writer, is_all ? ALL_ROWS : has_entry ? KEY_OF_A_PARENT : "fields");
    write_value(writer, &op->value);
}

static void
write_ops(struct json_writer *writer, const struct op *ops, uint32_t count)
{
    CHECK(ops != NULL || count == 0);
    json_array_begin(writer);
    for (uint32_t i = 0; i < count; i++) {
        json_object_begin(writer);
        json_key(writer, "op");
        json_string(writer, op_kind_name(ops[i].kind));
        if (ops[i].kind == OP_FAN_OUT) {
            CHECK(ops[i].nested_count > 0);
            json_key(writer, "query");
            json_text(writer, ops[i].query);
            json_key(writer, "ops");
            write_ops(writer, ops[i].nested, ops[i].nested_count);
        } else if (ops[i].kind == OP_REFRESH) {
            write_refresh(writer, &ops[i]);
        } else if (ops[i].kind != OP_ALIVE && ops[i].kind != OP_DELETE) {
            json_key(writer, "field");
            json_text(writer, ops[i].field);
            json_key(writer, "value");
            write_value(writer, &ops[i].value);
        }
        json_object_end(writer);
    }
    json_array_end(writer);
}

void
ops_json_write(const struct ops *ops, struct buffer *out)
{
    struct json_writer writer;
    json_writer_init(&writer, out);
    write_ops(&writer, ops->items, ops->count);
}
