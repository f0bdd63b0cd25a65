#include "consumer/ingest/ops_request.h"

#include <string.h>

#include "common/base/check.h"
#include "common/json/json_parse.h"
#include "common/json/json_value.h"
#include "common/ops/ops_json.h"

/* body, list, entry, ops, op, nested ops, op, array; the rest is left to ignored members. */
enum { BODY_DEPTH = 16 };

struct ops_parser {
    const struct ops_rules *rules;
    struct arena *arena;
};

/* The value of a member, or NULL when it is absent or null. */
static const struct json_value *
request_member(const struct json_value *object, const char *key)
{
    const struct json_value *value = json_member(object, key);
    return value != NULL && value->kind != JSON_NULL ? value : NULL;
}

/* ERR_DATA unless `value` is an object whose members are all in `known`, a NULL-terminated list. */
static int
request_check_members(const struct json_value *value, const char *const *known, struct error *err)
{
    CHECK(known[0] != NULL);
    if (value->kind != JSON_OBJECT)
        return error_set(err, ERR_DATA, "is not an object");
    for (uint32_t i = 0; i < value->object.count; i++) {
        const char *const *name = known;
        while (*name != NULL && !text_is(value->object.members[i].key, *name))
            name++;
        if (*name == NULL)
            return error_set(err, ERR_DATA, "has an unknown member");
    }
    return 0;
}

/* --- one entry ------------------------------------------------------------------------------- */

/* Puts `alive` before the ops. */
static void
entry_create_slot(const struct ops_parser *parser, struct ops *ops)
{
    CHECK(ops->count < UINT32_MAX);
    struct op *items = arena_alloc(parser->arena, (ops->count + 1) * sizeof *items);
    items[0] = (struct op){.kind = OP_ALIVE};
    if (ops->count > 0)
        memcpy(&items[1], ops->items, ops->count * sizeof *items);
    *ops = (struct ops){items, ops->count + 1};
}

/* An answer to a request follows a window of the source, which a posted row does not have. */
static int
entry_refuse_requests(const struct ops *ops, struct error *err)
{
    CHECK(ops->count > 0);
    for (uint32_t i = 0; i < ops->count; i++)
        if (ops->items[i].kind == OP_REFRESH)
            return error_set(err, ERR_DATA,
                             "ops[%u].op: a refresh cannot be posted: insert it into \"BitdexOps\""
                             " of the source database",
                             i);
    return 0;
}

static int
entry_parse_ops(const struct ops_parser *parser, const struct json_value *list, bool creates_slot,
                struct ops_entry *entry, struct error *err)
{
    enum ops_route route = OPS_ROUTE_ENTITY;
    bool is_empty = list->kind == JSON_ARRAY && list->array.count == 0;
    int rc = 0;
    if (!is_empty || !creates_slot)
        rc =
            ops_json_from_value(list, &ops_limits_default, parser->arena, &entry->ops, &route, err);
    if (rc == 0 && entry->ops.count > 0)
        rc = entry_refuse_requests(&entry->ops, err);
    if (rc != 0)
        return rc;
    CHECK(entry->ops.count > 0 || creates_slot);
    entry->is_fan_out = route == OPS_ROUTE_FAN_OUT;
    if (creates_slot && entry->is_fan_out)
        return error_set(err, ERR_DATA, "creates_slot is not possible with a queryOpSet");
    if (creates_slot)
        entry_create_slot(parser, &entry->ops);
    return 0;
}

static int
entry_check(const struct ops_parser *parser, const struct ops_entry *entry, struct error *err)
{
    const struct ops_rules *rules = parser->rules;
    const struct config_topic *topic = rules->topic;
    int64_t id = entry->entity_id;
    CHECK(entry->ops.count > 0);
    if (!entry->is_fan_out && (id < 0 || id / topic->partitions >= topic->max_slots))
        return error_set(err, ERR_DATA, "entity %lld is beyond topic.max_slots", (long long)id);
    for (uint32_t i = 0; i < entry->ops.count; i++) {
        int rc = rules->check_op(rules->context, &entry->ops.items[i], err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int
entry_parse(const struct ops_parser *parser, const struct json_value *json, struct ops_entry *entry,
            struct error *err)
{
    static const char *const known[] = {"entity_id", "ops", "creates_slot", NULL};
    int rc = request_check_members(json, known, err);
    if (rc != 0)
        return rc;
    const struct json_value *id = request_member(json, "entity_id");
    const struct json_value *list = request_member(json, "ops");
    const struct json_value *creates_slot = request_member(json, "creates_slot");
    if (id == NULL || id->kind != JSON_INTEGER)
        return error_set(err, ERR_DATA, "needs entity_id, an integer");
    if (list == NULL)
        return error_set(err, ERR_DATA, "needs ops, an array");
    if (creates_slot != NULL && creates_slot->kind != JSON_BOOLEAN)
        return error_set(err, ERR_DATA, "creates_slot must be true or false");
    *entry = (struct ops_entry){.entity_id = id->integer};
    rc = entry_parse_ops(parser, list, creates_slot != NULL && creates_slot->boolean, entry, err);
    return rc == 0 ? entry_check(parser, entry, err) : rc;
}

static int
request_parse_entries(const struct ops_parser *parser, const struct json_value *list,
                      struct ops_request *request, struct error *err)
{
    if (list == NULL || list->kind != JSON_ARRAY)
        return error_set(err, ERR_DATA, "the body needs ops, an array of entries");
    uint32_t count = list->array.count;
    request->entries = arena_alloc(parser->arena, count * sizeof *request->entries);
    for (uint32_t i = 0; i < count; i++) {
        int rc = entry_parse(parser, &list->array.items[i], &request->entries[i], err);
        if (rc != 0)
            return error_wrap(err, rc, "ops[%u]", i);
    }
    request->count = count;
    return 0;
}

/* --- meta ------------------------------------------------------------------------------------ */

static int
meta_parse_number(const struct json_value *meta, const char *name, int64_t *number,
                  struct error *err)
{
    const struct json_value *value = request_member(meta, name);
    if (value == NULL)
        return 0;
    if (value->kind != JSON_INTEGER || value->integer < 0)
        return error_set(err, ERR_DATA, "meta.%s must be an integer, 0 or more", name);
    *number = value->integer;
    return 0;
}

static int
meta_parse(const struct json_value *json, struct ops_meta *meta, struct error *err)
{
    *meta = (struct ops_meta){.cursor = -1, .max_id = -1, .lag_rows = -1};
    if (json == NULL)
        return 0;
    const struct json_value *source = request_member(json, "source");
    if (source == NULL || source->kind != JSON_STRING || source->string.bytes == 0 ||
        source->string.bytes > OPS_SOURCE_BYTES_MAX)
        return error_set(err, ERR_DATA, "meta.source must be a string of 1 to %d bytes",
                         OPS_SOURCE_BYTES_MAX);
    meta->source = source->string;
    int rc = meta_parse_number(json, "cursor", &meta->cursor, err);
    if (rc == 0)
        rc = meta_parse_number(json, "max_id", &meta->max_id, err);
    return rc == 0 ? meta_parse_number(json, "lag_rows", &meta->lag_rows, err) : rc;
}

int
ops_request_parse(struct text body, const struct ops_rules *rules, struct arena *arena,
                  struct ops_request *request, struct error *err)
{
    static const char *const known[] = {"ops", "meta", NULL};
    const struct ops_parser parser = {.rules = rules, .arena = arena};
    CHECK(rules->topic->partitions > 0);
    CHECK(rules->topic->max_slots > 0);
    CHECK(rules->check_op != NULL);
    const struct json_value *json;
    *request = (struct ops_request){0};
    int rc = json_parse(body, BODY_DEPTH, arena, &json, err);
    if (rc == 0)
        rc = request_check_members(json, known, err);
    if (rc != 0)
        return error_wrap(err, rc, "the body");
    rc = meta_parse(request_member(json, "meta"), &request->meta, err);
    return rc == 0 ? request_parse_entries(&parser, json_member(json, "ops"), request, err) : rc;
}
