#include "consumer/query/document_request.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/closest.h"
#include "common/json/json_parse.h"

enum { BODY_DEPTH = 2, NAMES_MAX = CONFIG_FIELDS_MAX + 1 };

/* The member under one of its two names; NULL: it is absent. ERR_DATA: both names are there. */
static int
request_member(const struct json_value *body, const char *name, const char *other,
               const struct json_value **value, struct error *err)
{
    const struct json_value *first = json_member(body, name);
    const struct json_value *second = json_member(body, other);
    CHECK(body->kind == JSON_OBJECT);
    if (first != NULL && second != NULL)
        return error_set(err, ERR_DATA, "%s and %s mean the same: give one of them", name, other);
    *value = first != NULL ? first : second;
    return 0;
}

static int
fields_parse_list(const struct json_value *json, struct arena *arena,
                  struct document_fields *fields, struct error *err)
{
    CHECK(json->kind == JSON_ARRAY);
    uint32_t count = json->array.count;
    if (count > NAMES_MAX)
        return error_set(err, ERR_DATA, "the list of fields has more than %d names", NAMES_MAX);
    struct text *names = arena_alloc(arena, count * sizeof *names);
    *fields = (struct document_fields){.wanted = count > 0, .names = names, .count = count};
    for (uint32_t i = 0; i < count; i++) {
        const struct json_value *item = &json->array.items[i];
        if (item->kind != JSON_STRING)
            return error_set(err, ERR_DATA, "the list of fields takes names, not %s",
                             json_kind_name(item->kind));
        names[i] = item->string;
        fields->all = fields->all || text_is(item->string, "*");
    }
    return 0;
}

/* `json` NULL leaves the default in `fields`. */
static int
fields_parse(const struct json_value *json, struct arena *arena, struct document_fields *fields,
             struct error *err)
{
    if (json == NULL || json->kind == JSON_NULL)
        return 0;
    if (json->kind == JSON_ARRAY)
        return fields_parse_list(json, arena, fields, err);
    if (json->kind != JSON_BOOLEAN)
        return error_set(err, ERR_DATA,
                         "the fields of documents are true, false or a list of names, not %s",
                         json_kind_name(json->kind));
    *fields = (struct document_fields){.wanted = json->boolean, .all = json->boolean};
    return 0;
}

int
document_fields_parse(const struct json_value *body, struct arena *arena,
                      struct document_fields *fields, struct error *err)
{
    const struct json_value *json = NULL;
    *fields = (struct document_fields){0};
    int rc = request_member(body, "include_docs", "fields", &json, err);
    return rc == 0 ? fields_parse(json, arena, fields, err) : rc;
}

static int
fields_refuse(const struct config_fields *index, struct text name, struct error *err)
{
    const char **names = memory_alloc((index->count + 1) * sizeof *names);
    names[0] = CONFIG_FIELD_ID;
    for (uint32_t i = 0; i < index->count; i++)
        names[i + 1] = index->names[i];
    error_set(err, ERR_DATA, "the index has no field \"%.*s\"", TEXT_ARGS(closest_shown(name)));
    int rc = closest_append(err, name, "fields", names, index->count + 1);
    free(names);
    return rc;
}

int
document_fields_resolve(const struct document_fields *fields, const struct config_fields *index,
                        struct field_set *set, struct error *err)
{
    *set = (struct field_set){{0}};
    for (uint32_t i = 0; fields->all && i < index->count; i++)
        field_set_add(set, i);
    for (uint32_t i = 0; !fields->all && i < fields->count; i++) {
        struct text name = fields->names[i];
        uint32_t number;
        if (text_is(name, CONFIG_FIELD_ID))
            continue;
        if (!config_fields_find(index, name, &number) || number == FIELD_ALIVE)
            return fields_refuse(index, name, err);
        field_set_add(set, number);
    }
    CHECK(!field_set_has(set, FIELD_ALIVE));
    return 0;
}

static int
request_parse_body(struct text body, const char *const *known, struct arena *arena,
                   const struct json_value **json, struct error *err)
{
    int rc = json_parse(body, BODY_DEPTH, arena, json, err);
    if (rc != 0)
        return rc;
    if ((*json)->kind != JSON_OBJECT)
        return error_set(err, ERR_DATA, "the body takes an object, not %s",
                         json_kind_name((*json)->kind));
    for (uint32_t i = 0; i < (*json)->object.count; i++) {
        struct text key = (*json)->object.members[i].key;
        uint32_t at = 0;
        while (known[at] != NULL && !text_is(key, known[at]))
            at++;
        if (known[at] != NULL)
            continue;
        error_set(err, ERR_DATA, "the body has no member \"%.*s\"", TEXT_ARGS(closest_shown(key)));
        return closest_append(err, key, "members", known, at);
    }
    return 0;
}

static int
request_take_ids(const struct json_value *json, uint64_t limit, struct arena *arena,
                 struct document_request *request, struct error *err)
{
    if (json == NULL || json->kind != JSON_ARRAY)
        return error_set(err, ERR_DATA, "the body needs ids, a list of integers");
    if (json->array.count > limit)
        return error_set(err, ERR_DATA,
                         "%u ids are more than consumer.documents_limit, %llu: ask for them in "
                         "several requests",
                         json->array.count, (unsigned long long)limit);
    int64_t *ids = arena_alloc(arena, json->array.count * sizeof *ids);
    for (uint32_t i = 0; i < json->array.count; i++) {
        const struct json_value *item = &json->array.items[i];
        if (item->kind != JSON_INTEGER)
            return error_set(err, ERR_DATA, "ids: [%u] must be an integer of 64 bits, not %s", i,
                             json_kind_name(item->kind));
        ids[i] = item->integer;
    }
    request->ids = ids;
    request->count = json->array.count;
    return 0;
}

int
document_request_parse(struct text body, uint64_t limit, struct arena *arena,
                       struct document_request *request, struct error *err)
{
    static const char *const known[] = {"ids", "slot_ids", "fields", NULL};
    const struct json_value *json;
    const struct json_value *ids = NULL;
    *request = (struct document_request){.fields = {.wanted = true, .all = true}};
    int rc = request_parse_body(body, known, arena, &json, err);
    if (rc == 0)
        rc = request_member(json, "ids", "slot_ids", &ids, err);
    if (rc == 0)
        rc = request_take_ids(ids, limit, arena, request, err);
    if (rc == 0)
        rc = fields_parse(json_member(json, "fields"), arena, &request->fields, err);
    CHECK(rc != 0 || request->count <= limit);
    return rc;
}

int
document_request_parse_one(struct text body, struct arena *arena, struct document_request *request,
                           struct error *err)
{
    static const char *const known[] = {"slot_id", "id", "fields", NULL};
    const struct json_value *json;
    const struct json_value *id = NULL;
    *request = (struct document_request){.fields = {.wanted = true, .all = true}};
    int rc = request_parse_body(body, known, arena, &json, err);
    if (rc == 0)
        rc = request_member(json, "slot_id", "id", &id, err);
    if (rc != 0)
        return rc;
    if (id == NULL || id->kind != JSON_INTEGER)
        return error_set(err, ERR_DATA, "the body needs slot_id, an integer of 64 bits");
    request->ids = &id->integer;
    request->count = 1;
    CHECK(request->fields.all);
    return fields_parse(json_member(json, "fields"), arena, &request->fields, err);
}
