#include "common/ops/ops_invalid.h"

#include "common/base/check.h"
#include "common/json/json_parse.h"
#include "common/json/json_value.h"
#include "common/json/json_write.h"

enum { DESCRIBED_MAX = 3, DEPTH = 2 };

int
ops_invalid_compare(const struct ops_invalid *a, uint32_t op, uint32_t nested)
{
    if (a->op != op)
        return a->op < op ? -1 : 1;
    return (a->nested > nested) - (a->nested < nested);
}

void
ops_invalids_write(const struct ops_invalids *invalids, struct buffer *out)
{
    struct json_writer json;
    CHECK(invalids->count <= OPS_INVALID_MAX);
    json_writer_init(&json, out);
    json_array_begin(&json);
    for (uint32_t i = 0; i < invalids->count; i++) {
        const struct ops_invalid *item = &invalids->items[i];
        json_object_begin(&json);
        json_key(&json, "op");
        json_integer(&json, item->op);
        json_key(&json, "nested");
        if (item->nested == OPS_NOT_NESTED)
            json_null(&json);
        else
            json_integer(&json, item->nested);
        json_key(&json, "field");
        json_text(&json, item->field);
        json_key(&json, "reason");
        json_text(&json, item->reason);
        json_object_end(&json);
    }
    json_array_end(&json);
}

static bool
is_index(const struct json_value *json)
{
    return json != NULL && json->kind == JSON_INTEGER && json->integer >= 0 &&
           json->integer < UINT32_MAX;
}

static bool
read_item(const struct json_value *json, struct ops_invalid *item)
{
    const struct json_value *op = json_member(json, "op");
    const struct json_value *nested = json_member(json, "nested");
    const struct json_value *field = json_member(json, "field");
    const struct json_value *reason = json_member(json, "reason");
    bool is_nested = is_index(nested);
    if (!is_index(op) || nested == NULL || (!is_nested && nested->kind != JSON_NULL) ||
        field == NULL || field->kind != JSON_STRING || reason == NULL ||
        reason->kind != JSON_STRING)
        return false;
    *item = (struct ops_invalid){
        .op = (uint32_t)op->integer,
        .nested = is_nested ? (uint32_t)nested->integer : OPS_NOT_NESTED,
        .field = field->string,
        .reason = reason->string,
    };
    return true;
}

static bool
read_list(const struct json_value *array, struct arena *arena, struct ops_invalids *invalids)
{
    if (array->kind != JSON_ARRAY || array->array.count > OPS_INVALID_MAX)
        return false;
    uint32_t count = array->array.count;
    struct ops_invalid *items = arena_alloc(arena, (count + 1) * sizeof *items);
    for (uint32_t i = 0; i < count; i++)
        if (!read_item(&array->array.items[i], &items[i]) ||
            (i > 0 && ops_invalid_compare(&items[i - 1], items[i].op, items[i].nested) >= 0))
            return false;
    *invalids = (struct ops_invalids){items, count};
    return true;
}

int
ops_invalids_read(struct text json, struct arena *arena, struct ops_invalids *invalids,
                  struct error *err)
{
    const struct json_value *array;
    int rc = json_parse(json, DEPTH, arena, &array, err);
    if (rc != 0)
        return rc;
    return read_list(array, arena, invalids)
               ? 0
               : error_set(err, ERR_DATA, "is not a list of invalid values");
}

void
ops_invalids_describe(const struct ops_invalids *invalids, struct buffer *out)
{
    CHECK(invalids->count > 0);
    for (uint32_t i = 0; i < invalids->count && i < DESCRIBED_MAX; i++) {
        const struct ops_invalid *item = &invalids->items[i];
        buffer_append_format(out, "%sfield \"%.*s\" (ops[%u]", i > 0 ? "; " : "",
                             TEXT_ARGS(item->field), item->op);
        if (item->nested != OPS_NOT_NESTED)
            buffer_append_format(out, ".ops[%u]", item->nested);
        buffer_append_format(out, ".value): %.*s", TEXT_ARGS(item->reason));
    }
    if (invalids->count > DESCRIBED_MAX)
        buffer_append_format(out, "; and %u further values", invalids->count - DESCRIBED_MAX);
}
