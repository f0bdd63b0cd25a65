#include "consumer/query/query_request.h"

#include <float.h>

#include "common/base/check.h"
#include "common/base/closest.h"
#include "common/base/exact_number.h"
#include "common/json/json_parse.h"
#include "common/json/json_value.h"
#include "common/ops/ops_value.h"

enum { LIMIT_DEFAULT = 20, LEAF_JSON_DEPTH = 6, FILTER_JSON_DEPTH = 2 };

struct request_parser {
    const struct query_limits *limits;
    struct arena *arena;
    uint32_t clauses;
    uint64_t values; /* in lists */
    struct error *err;
};

/* How a filter's argument is written. */
enum filter_form { FORM_VALUE, FORM_VALUES, FORM_FIELD, FORM_FILTERS, FORM_FILTER };

struct filter_word {
    const char *name;
    enum filter_kind kind;
    enum filter_form form;
};

static const struct filter_word filter_words[] = {
    {"Eq", FILTER_EQ, FORM_VALUE},          {"NotEq", FILTER_NOT_EQ, FORM_VALUE},
    {"In", FILTER_IN, FORM_VALUES},         {"NotIn", FILTER_NOT_IN, FORM_VALUES},
    {"Gt", FILTER_GT, FORM_VALUE},          {"Gte", FILTER_GTE, FORM_VALUE},
    {"Lt", FILTER_LT, FORM_VALUE},          {"Lte", FILTER_LTE, FORM_VALUE},
    {"IsNull", FILTER_IS_NULL, FORM_FIELD}, {"IsNotNull", FILTER_IS_NOT_NULL, FORM_FIELD},
    {"And", FILTER_AND, FORM_FILTERS},      {"Or", FILTER_OR, FORM_FILTERS},
    {"Not", FILTER_NOT, FORM_FILTER},
};

static int
parse_refuse(const struct request_parser *parser, const char *what, const char *wanted,
             const struct json_value *found)
{
    return error_set(parser->err, ERR_DATA, "%s takes %s, not %s", what, wanted,
                     json_kind_name(found->kind));
}

/* The name is not in `known`, a NULL-terminated list. */
static int
parse_refuse_name(const struct request_parser *parser, const char *what, const char *why,
                  struct text name, const char *list, const char *const *known)
{
    uint32_t count = 0;
    while (known[count] != NULL)
        count++;
    error_set(parser->err, ERR_DATA, "%s %s \"%.*s\"", what, why, TEXT_ARGS(closest_shown(name)));
    return closest_append(parser->err, name, list, known, count);
}

/* The value of a member; NULL: it is absent or null. */
static const struct json_value *
parse_member(const struct json_value *object, const char *key)
{
    CHECK(object->kind == JSON_OBJECT);
    const struct json_value *value = json_member(object, key);
    return value != NULL && value->kind != JSON_NULL ? value : NULL;
}

/* Every member must be one of `known`, a NULL-terminated list. */
static int
parse_check_members(const struct request_parser *parser, const char *what,
                    const struct json_value *value, const char *const *known)
{
    CHECK(known[0] != NULL);
    if (value->kind != JSON_OBJECT)
        return parse_refuse(parser, what, "an object", value);
    for (uint32_t i = 0; i < value->object.count; i++) {
        struct text key = value->object.members[i].key;
        const char *const *name = known;
        while (*name != NULL && !text_is(key, *name))
            name++;
        if (*name == NULL)
            return parse_refuse_name(parser, what, "has no member", key, "members", known);
    }
    return 0;
}

static int
parse_count_clause(struct request_parser *parser)
{
    CHECK(parser->clauses <= parser->limits->clauses);
    if (parser->clauses == parser->limits->clauses)
        return error_set(parser->err, ERR_DATA, "the query has more than %u filters",
                         parser->limits->clauses);
    parser->clauses++;
    return 0;
}

static int
parse_count_values(struct request_parser *parser, uint32_t count)
{
    CHECK(parser->values <= parser->limits->values);
    if (count > parser->limits->values - parser->values)
        return error_set(parser->err, ERR_DATA,
                         "the lists of the query have more than %llu values: consumer.query_values",
                         (unsigned long long)parser->limits->values);
    parser->values += count;
    return 0;
}

/* A number as it compares with integers, exactly: an integer; a number beyond all of them, on its
 * side; or a fraction, which is equal to none. Which fraction it is does not matter, because
 * parse_round() makes an integer of it where the order counts. */
static void
parse_number(const char *literal, struct value *value)
{
    struct exact_number number;
    exact_number_read(text_of(literal), &number);
    *value = (struct value){.kind = VALUE_FLOAT, .real = 0.5};
    if (number.range == EXACT_ABOVE)
        value->real = DBL_MAX;
    else if (number.range == EXACT_BELOW)
        value->real = -DBL_MAX;
    else if (number.is_integer)
        *value = (struct value){.kind = VALUE_INTEGER, .integer = number.floor};
}

/* Replaces a comparison of the order with a fraction by one with the integer below it. */
static void
parse_round(const struct json_value *json, struct filter *filter, struct value *value)
{
    struct exact_number number;
    if (json->kind == JSON_OBJECT)
        json = &json->object.members[0].value;
    if (filter->kind < FILTER_GT || filter->kind > FILTER_LTE || json->kind != JSON_FLOAT)
        return;
    exact_number_read(text_of(json->literal), &number);
    if (number.range != EXACT_IN_RANGE || number.is_integer)
        return;
    CHECK(value->kind == VALUE_FLOAT);
    bool greater = filter->kind == FILTER_GT || filter->kind == FILTER_GTE;
    filter->kind = greater ? FILTER_GT : FILTER_LTE;
    *value = (struct value){.kind = VALUE_INTEGER, .integer = number.floor};
}

static int
parse_plain_value(const struct request_parser *parser, const struct json_value *json,
                  struct value *value)
{
    if (json->kind == JSON_ARRAY || json->kind == JSON_OBJECT)
        return parse_refuse(parser, "a value", "a scalar or one like {\"Integer\":1}", json);
    if (json->kind == JSON_NULL)
        return error_set(parser->err, ERR_DATA, "null cannot be compared with: use IsNull");
    if (json->kind == JSON_FLOAT) {
        parse_number(json->literal, value);
        return 0;
    }
    int rc = ops_value_from_scalar(json, value, parser->err);
    return rc == 0 ? 0 : error_wrap(parser->err, rc, "a value");
}

/* {"Integer":1}: the word names the kind of the value. */
static int
parse_typed_value(const struct request_parser *parser, const struct json_member *member,
                  struct value *value)
{
    static const struct {
        const char *word;
        const char *wanted;
        enum value_kind kind;
        enum value_kind also;
    } words[] = {{"Integer", "an integer of 64 bits", VALUE_INTEGER, VALUE_INTEGER},
                 {"Float", "a number", VALUE_FLOAT, VALUE_INTEGER}, /* 3.0 is 3 */
                 {"Bool", "true or false", VALUE_BOOLEAN, VALUE_BOOLEAN},
                 {"String", "a string", VALUE_STRING, VALUE_STRING}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (!text_is(member->key, words[i].word))
            continue;
        int rc = parse_plain_value(parser, &member->value, value);
        if (rc == 0 && value->kind != words[i].kind && value->kind != words[i].also)
            return parse_refuse(parser, words[i].word, words[i].wanted, &member->value);
        return rc;
    }
    static const char *const names[] = {"Integer", "Float", "Bool", "String", NULL};
    return parse_refuse_name(parser, "unknown type of", "value", member->key, "types", names);
}

static int
parse_value(const struct request_parser *parser, const struct json_value *json, struct value *value)
{
    if (json->kind == JSON_OBJECT && json->object.count == 1)
        return parse_typed_value(parser, &json->object.members[0], value);
    return parse_plain_value(parser, json, value);
}

static int
parse_values(struct request_parser *parser, const struct json_value *json, struct filter *filter)
{
    CHECK(filter->values == NULL);
    if (json->kind != JSON_ARRAY)
        return parse_refuse(parser, "a list", "[value, ...]", json);
    uint32_t count = json->array.count;
    int rc = parse_count_values(parser, count);
    if (rc != 0)
        return rc;
    struct value *values = arena_alloc(parser->arena, count * sizeof *values);
    for (uint32_t i = 0; rc == 0 && i < count; i++)
        rc = parse_value(parser, &json->array.items[i], &values[i]);
    filter->values = values;
    filter->count = count;
    return rc;
}

/* [field, value] or [field, [value, ...]]. */
static int
parse_comparison(struct request_parser *parser, const struct json_value *json,
                 const struct filter_word *word, struct filter *filter)
{
    bool list = word->form == FORM_VALUES;
    CHECK(list || word->form == FORM_VALUE);
    if (json->kind != JSON_ARRAY || json->array.count != 2 ||
        json->array.items[0].kind != JSON_STRING)
        return error_set(parser->err, ERR_DATA, "takes %s",
                         list ? "[\"field\", [value, ...]]" : "[\"field\", value]");
    filter->field = json->array.items[0].string;
    if (list)
        return parse_values(parser, &json->array.items[1], filter);
    struct value *value = arena_alloc(parser->arena, sizeof *value);
    filter->values = value;
    filter->count = 1;
    int rc = parse_value(parser, &json->array.items[1], value);
    if (rc == 0)
        parse_round(&json->array.items[1], filter, value);
    return rc;
}

static int parse_filter(struct request_parser *parser, const struct json_value *json,
                        uint32_t depth, struct filter *filter);

static int
parse_children(struct request_parser *parser, const struct json_value *json, uint32_t depth,
               struct filter *filter)
{
    if (json->kind != JSON_ARRAY)
        return parse_refuse(parser, "a list of filters", "[filter, ...]", json);
    uint32_t count = json->array.count;
    struct filter *children = arena_alloc(parser->arena, count * sizeof *children);
    for (uint32_t i = 0; i < count; i++) {
        int rc = parse_filter(parser, &json->array.items[i], depth, &children[i]);
        if (rc != 0)
            return error_wrap(parser->err, rc, "[%u]", i);
    }
    CHECK(filter->children == NULL && filter->count == 0);
    filter->children = children;
    filter->count = count;
    return 0;
}

static int
parse_argument(struct request_parser *parser, const struct filter_word *word,
               const struct json_value *json, uint32_t depth, struct filter *filter)
{
    struct filter *child;
    switch (word->form) {
    case FORM_FIELD:
        filter->field = json->kind == JSON_STRING ? json->string : (struct text){0};
        return json->kind == JSON_STRING ? 0 : error_set(parser->err, ERR_DATA, "takes \"field\"");
    case FORM_FILTERS:
        return parse_children(parser, json, depth + 1, filter);
    case FORM_FILTER:
        child = arena_alloc(parser->arena, sizeof *child);
        filter->children = child;
        filter->count = 1;
        return parse_filter(parser, json, depth + 1, child);
    default:
        return parse_comparison(parser, json, word, filter);
    }
}

static int
parse_refuse_filter(const struct request_parser *parser, struct text name)
{
    enum { FILTERS = sizeof filter_words / sizeof filter_words[0] };
    const char *known[FILTERS + 1] = {NULL};
    for (size_t i = 0; i < FILTERS; i++)
        known[i] = filter_words[i].name;
    return parse_refuse_name(parser, "unknown", "filter", name, "filters", known);
}

static int
parse_filter(struct request_parser *parser, const struct json_value *json, uint32_t depth,
             struct filter *filter)
{
    CHECK(depth > 0);
    int rc = parse_count_clause(parser);
    if (rc != 0)
        return rc;
    if (depth > parser->limits->depth)
        return error_set(parser->err, ERR_DATA, "filters nest deeper than %u",
                         parser->limits->depth);
    if (json->kind != JSON_OBJECT || json->object.count != 1)
        return error_set(parser->err, ERR_DATA, "a filter is an object with one member");
    const struct json_member *member = &json->object.members[0];
    for (size_t i = 0; i < sizeof filter_words / sizeof filter_words[0]; i++) {
        const struct filter_word *word = &filter_words[i];
        if (!text_is(member->key, word->name))
            continue;
        *filter = (struct filter){.kind = word->kind};
        CHECK(filter_has_children(filter) == (word->form >= FORM_FILTERS));
        rc = parse_argument(parser, word, &member->value, depth, filter);
        return rc == 0 ? 0 : error_wrap(parser->err, rc, "%s", word->name);
    }
    return parse_refuse_filter(parser, member->key);
}

static int
parse_filters(struct request_parser *parser, const struct json_value *json,
              struct engine_query *query)
{
    CHECK(query->filter == NULL);
    if (json == NULL)
        return 0;
    struct filter *all = arena_alloc(parser->arena, sizeof *all);
    *all = (struct filter){.kind = FILTER_AND};
    query->filter = all;
    int rc = parse_children(parser, json, 1, all);
    return rc == 0 ? 0 : error_wrap(parser->err, rc, "filters");
}

static int
parse_sort(const struct request_parser *parser, const struct json_value *json,
           struct engine_query *query)
{
    static const char *const known[] = {"field", "direction", NULL};
    if (json == NULL)
        return 0;
    int rc = parse_check_members(parser, "sort", json, known);
    if (rc != 0)
        return rc;
    const struct json_value *field = parse_member(json, "field");
    const struct json_value *direction = parse_member(json, "direction");
    if (field == NULL || field->kind != JSON_STRING || field->string.bytes == 0)
        return error_set(parser->err, ERR_DATA, "sort needs field, the name of a field");
    CHECK(query->sort_field.bytes == 0);
    query->sort_field = field->string;
    if (direction == NULL)
        return 0;
    bool ascending = direction->kind == JSON_STRING && text_is(direction->string, "Asc");
    bool descending = direction->kind == JSON_STRING && text_is(direction->string, "Desc");
    if (!ascending && !descending)
        return error_set(parser->err, ERR_DATA,
                         "the direction of sort must be \"Asc\" or \"Desc\"");
    query->direction = ascending ? ENGINE_ASCENDING : ENGINE_DESCENDING;
    return 0;
}

static int
parse_size(const struct request_parser *parser, const char *name, const struct json_value *json,
           uint64_t *size)
{
    if (json == NULL)
        return 0;
    if (json->kind != JSON_INTEGER || json->integer < 0)
        return error_set(parser->err, ERR_DATA, "%s must be an integer of at least 0", name);
    *size = (uint64_t)json->integer;
    return 0;
}

static int
parse_cursor(const struct request_parser *parser, const struct json_value *json,
             struct query_request *request)
{
    static const char *const known[] = {"sort_value", "slot_id", NULL};
    if (json == NULL)
        return 0;
    int rc = parse_check_members(parser, "cursor", json, known);
    if (rc != 0)
        return rc;
    const struct json_value *id = parse_member(json, "slot_id");
    const struct json_value *value = parse_member(json, "sort_value");
    if (id == NULL || id->kind != JSON_INTEGER)
        return error_set(parser->err, ERR_DATA, "cursor needs slot_id, an integer");
    if (value != NULL && value->kind != JSON_INTEGER)
        return error_set(parser->err, ERR_DATA, "sort_value must be an integer or null");
    CHECK(request->query.after == NULL);
    request->page_key.entity_id = id->integer;
    if (value != NULL && request->query.sort_field.bytes > 0) {
        request->page_key.has_value = true;
        request->page_key.value = value->integer;
    }
    request->query.after = &request->page_key;
    return 0;
}

/* The largest page that is given reduces the limit; the largest limit of all refuses it. */
static int
parse_reach(const struct request_parser *parser, struct engine_query *query)
{
    const struct query_limits *limits = parser->limits;
    bool is_beyond = query->limit > limits->limit;
    if (query->limit > limits->page)
        query->limit = limits->page;
    if (is_beyond || query->offset > limits->limit - query->limit)
        return error_set(parser->err, ERR_DATA, "limit plus offset is more than %llu: use a cursor",
                         (unsigned long long)limits->limit);
    CHECK(query->limit <= limits->page);
    return 0;
}

/* limit, offset and cursor: the part of the order that the page is. */
static int
parse_page(const struct request_parser *parser, const struct json_value *body,
           struct query_request *request)
{
    struct engine_query *query = &request->query;
    int rc = parse_size(parser, "limit", parse_member(body, "limit"), &query->limit);
    if (rc == 0)
        rc = parse_size(parser, "offset", parse_member(body, "offset"), &query->offset);
    if (rc == 0)
        rc = parse_cursor(parser, parse_member(body, "cursor"), request);
    if (rc != 0)
        return rc;
    if (query->after != NULL)
        query->offset = 0;
    CHECK(query->after == NULL || query->offset == 0);
    return parse_reach(parser, query);
}

static int
parse_xid(const struct request_parser *parser, const struct json_value *json, uint64_t *xid)
{
    uint64_t value = 0;
    bool is_valid = json == NULL || (json->kind == JSON_STRING && json->string.bytes > 0);
    if (json == NULL)
        return 0;
    for (size_t i = 0; is_valid && i < json->string.bytes; i++) {
        char digit = json->string.data[i];
        is_valid = digit >= '0' && digit <= '9' && !__builtin_mul_overflow(value, 10, &value) &&
                   !__builtin_add_overflow(value, (uint64_t)(digit - '0'), &value);
    }
    if (!is_valid || value == 0)
        return error_set(parser->err, ERR_DATA,
                         "after_xid must be a string with the id of a transaction, like \"745\": "
                         "SELECT pg_current_xact_id()");
    *xid = value;
    return 0;
}

/* after_xid and consistent: what the answer must hold. */
static int
parse_reads(const struct request_parser *parser, const struct json_value *body,
            struct query_request *request)
{
    const struct json_value *consistent = parse_member(body, "consistent");
    if (consistent != NULL && consistent->kind != JSON_BOOLEAN)
        return parse_refuse(parser, "consistent", "true or false", consistent);
    request->is_consistent = consistent != NULL && consistent->boolean;
    return parse_xid(parser, parse_member(body, "after_xid"), &request->after_xid);
}

int
query_request_parse(struct text body, const struct query_limits *limits, struct arena *arena,
                    struct query_request *request, struct error *err)
{
    static const char *const known[] = {"filters",   "sort",         "limit",  "offset",
                                        "cursor",    "include_docs", "fields", "skip_cache",
                                        "after_xid", "consistent",   NULL};
    struct request_parser parser = {.limits = limits, .arena = arena, .err = err};
    const struct json_value *json;
    CHECK(limits->depth > 0);
    CHECK(limits->page > 0);
    uint64_t limit = limits->limit < LIMIT_DEFAULT ? limits->limit : LIMIT_DEFAULT;
    *request = (struct query_request){.query = {.limit = limit}};
    uint32_t json_depth = LEAF_JSON_DEPTH + FILTER_JSON_DEPTH * limits->depth;
    int rc = json_parse(body, json_depth, arena, &json, err);
    if (rc == 0)
        rc = parse_check_members(&parser, "a query", json, known);
    if (rc == 0)
        rc = parse_filters(&parser, parse_member(json, "filters"), &request->query);
    if (rc == 0)
        rc = parse_sort(&parser, parse_member(json, "sort"), &request->query);
    if (rc == 0)
        rc = parse_page(&parser, json, request);
    if (rc == 0)
        rc = parse_reads(&parser, json, request);
    if (rc == 0)
        rc = document_fields_parse(json, arena, &request->documents, err);
    CHECK(rc != 0 || request->query.limit + request->query.offset <= limits->limit);
    CHECK(parser.clauses <= limits->clauses);
    return rc;
}
