/* The parser reads the query from left to right, one clause after the other; nothing recurses. It
 * collects clauses and values in buffers, and moves them into the arena when their number is known.
 *
 * `at` never passes `end`.
 */
#include "common/ops/filter.h"

#include <string.h>
#include <strings.h>

#include "common/base/check.h"
#include "common/json/json_parse.h"
#include "common/json/json_value.h"
#include "common/ops/ops_value.h"

struct query {
    const char *begin;
    const char *at;
    const char *end;
    struct arena *arena;
    struct buffer leaves; /* struct filter */
    struct buffer values; /* struct value, of the clause that is parsed */
    struct error *err;
};

static int
query_refuse(const struct query *query, const char *reason)
{
    CHECK(query->at >= query->begin && query->at <= query->end);
    return error_set(query->err, ERR_DATA, "byte %zu: %s", (size_t)(query->at - query->begin),
                     reason);
}

static bool
is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

static void
query_skip_blanks(struct query *query)
{
    while (query->at < query->end && is_blank(*query->at))
        query->at++;
    CHECK(query->at <= query->end);
}

static bool
query_is_at(const struct query *query, char byte)
{
    return query->at < query->end && *query->at == byte;
}

/* The bytes up to a blank, the end, or `stop`. */
static struct text
query_word(struct query *query, char stop)
{
    const char *begin = query->at;
    while (query->at < query->end && !is_blank(*query->at) && *query->at != stop)
        query->at++;
    return (struct text){begin, (size_t)(query->at - begin)};
}

static bool
word_is(struct text word, const char *lower)
{
    return word.bytes == strlen(lower) && strncasecmp(word.data, lower, word.bytes) == 0;
}

static int
query_json_string(struct query *query, struct value *value)
{
    CHECK(query_is_at(query, '"'));
    const struct json_value *json;
    const char *close = query->at + 1;
    while (close < query->end && *close != '"')
        close += *close == '\\' ? 2 : 1;
    if (close >= query->end)
        return query_refuse(query, "quote that is not closed");
    struct text quoted = {query->at, (size_t)(close + 1 - query->at)};
    if (json_parse(quoted, 0, query->arena, &json, NULL) != 0)
        return query_refuse(query, "the value in double quotes is not a JSON string");
    CHECK(json->kind == JSON_STRING);
    *value = (struct value){.kind = VALUE_STRING, .string = json->string};
    query->at = close + 1;
    return 0;
}

static int
query_sql_string(struct query *query, struct value *value)
{
    CHECK(query_is_at(query, '\''));
    const char *close = query->at + 1;
    while (close < query->end) {
        bool is_doubled = close + 1 < query->end && close[1] == '\'';
        if (*close == '\'' && !is_doubled)
            break;
        close += *close == '\'' ? 2 : 1;
    }
    if (close >= query->end)
        return query_refuse(query, "quote that is not closed");
    size_t bytes_max = (size_t)(close - query->at);
    char *out = arena_alloc(query->arena, bytes_max);
    size_t bytes = 0;
    for (const char *at = query->at + 1; at < close; at += *at == '\'' ? 2 : 1)
        out[bytes++] = *at;
    CHECK(bytes < bytes_max);
    *value = (struct value){.kind = VALUE_STRING, .string = {out, bytes}};
    query->at = close + 1;
    return 0;
}

/* The words up to the next AND, or to the end. */
static struct text
query_bare_words(struct query *query)
{
    const char *begin = query->at;
    const char *end = begin;
    for (;;) {
        struct text word = query_word(query, ' ');
        if (word.bytes == 0 || word_is(word, "and")) {
            query->at = word.data;
            return (struct text){begin, (size_t)(end - begin)};
        }
        end = query->at;
        query_skip_blanks(query);
    }
}

/* The bytes up to the next comma or bracket, without the blanks at their end. */
static struct text
query_bare_item(struct query *query)
{
    const char *begin = query->at;
    while (query->at < query->end && *query->at != ',' && *query->at != ']')
        query->at++;
    const char *end = query->at;
    CHECK(end >= begin);
    while (end > begin && is_blank(end[-1]))
        end--;
    return (struct text){begin, (size_t)(end - begin)};
}

static int
query_bare(struct query *query, bool in_list, struct value *value)
{
    const struct json_value *json;
    if (query_is_at(query, '[') || query_is_at(query, ']'))
        return query_refuse(query, "expected a value");
    struct text bare = in_list ? query_bare_item(query) : query_bare_words(query);
    if (bare.bytes == 0)
        return query_refuse(query, "expected a value");
    bool is_scalar = json_parse(bare, 0, query->arena, &json, NULL) == 0 &&
                     json->kind != JSON_NULL && ops_value_from_scalar(json, value, NULL) == 0;
    if (!is_scalar) /* a number that is no value (ops_value.h) too: only strings can equal it */
        *value = (struct value){.kind = VALUE_STRING, .string = arena_text(query->arena, bare)};
    return 0;
}

static int
query_value(struct query *query, bool in_list)
{
    struct value value;
    int rc;
    query_skip_blanks(query);
    if (query_is_at(query, '"'))
        rc = query_json_string(query, &value);
    else if (query_is_at(query, '\''))
        rc = query_sql_string(query, &value);
    else
        rc = query_bare(query, in_list, &value);
    if (rc != 0)
        return rc;
    CHECK(value.kind > VALUE_NULL && value.kind <= VALUE_STRING);
    buffer_append(&query->values, &value, sizeof value);
    return 0;
}

static int
query_list(struct query *query)
{
    query_skip_blanks(query);
    if (!query_is_at(query, '['))
        return query_refuse(query, "expected [");
    query->at++;
    query_skip_blanks(query);
    if (query_is_at(query, ']')) {
        query->at++;
        return 0;
    }
    for (;;) {
        int rc = query_value(query, true);
        if (rc != 0)
            return rc;
        query_skip_blanks(query);
        if (!query_is_at(query, ',') && !query_is_at(query, ']'))
            return query_refuse(query, "expected , or ]");
        if (*query->at++ == ']')
            return 0;
    }
}

static void *
query_move(const struct query *query, const struct buffer *buffer)
{
    void *copy = arena_alloc(query->arena, buffer->bytes);
    if (buffer->bytes > 0)
        memcpy(copy, buffer->data, buffer->bytes);
    return copy;
}

static int
query_clause(struct query *query)
{
    query_skip_blanks(query);
    struct text field = query_word(query, ' ');
    if (field.bytes == 0)
        return query_refuse(query, "expected a field");
    query_skip_blanks(query);
    struct text verb = query_word(query, '[');
    struct filter leaf = {.field = arena_text(query->arena, field)};
    int rc;
    buffer_clear(&query->values);
    if (word_is(verb, "eq")) {
        leaf.kind = FILTER_EQ;
        rc = query_value(query, false);
    } else if (word_is(verb, "in")) {
        leaf.kind = FILTER_IN;
        rc = query_list(query);
    } else {
        query->at = verb.data;
        return query_refuse(query, "expected eq or in");
    }
    leaf.values = query_move(query, &query->values);
    leaf.count = (uint32_t)(query->values.bytes / sizeof(struct value));
    CHECK(rc != 0 || leaf.kind == FILTER_IN || leaf.count == 1);
    buffer_append(&query->leaves, &leaf, sizeof leaf);
    return rc;
}

static int
query_clauses(struct query *query)
{
    for (;;) {
        int rc = query_clause(query);
        if (rc != 0)
            return rc;
        query_skip_blanks(query);
        if (query->at == query->end)
            return 0;
        const char *word = query->at;
        if (!word_is(query_word(query, ' '), "and")) {
            query->at = word;
            return query_refuse(query, "expected AND");
        }
    }
}

static const struct filter *
query_tree(const struct query *query)
{
    const struct filter *leaves = query_move(query, &query->leaves);
    uint32_t count = (uint32_t)(query->leaves.bytes / sizeof *leaves);
    CHECK(count > 0);
    if (count == 1)
        return leaves;
    struct filter *tree = arena_alloc(query->arena, sizeof *tree);
    *tree = (struct filter){.kind = FILTER_AND, .children = leaves, .count = count};
    return tree;
}

static void
leaf_check(const struct filter *leaf)
{
    CHECK(leaf->kind == FILTER_EQ || leaf->kind == FILTER_IN);
    CHECK(leaf->field.bytes > 0);
    CHECK(leaf->kind != FILTER_EQ || leaf->count == 1);
    CHECK(leaf->values != NULL || leaf->count == 0);
    for (uint32_t i = 0; i < leaf->count; i++)
        CHECK(leaf->values[i].kind <= VALUE_STRING);
}

static void
tree_check(const struct filter *tree)
{
    if (tree->kind != FILTER_AND) {
        leaf_check(tree);
        return;
    }
    CHECK(tree->count > 1);
    for (uint32_t i = 0; i < tree->count; i++)
        leaf_check(&tree->children[i]);
}

int
filter_parse_query(struct text text, struct arena *arena, const struct filter **filter,
                   struct error *err)
{
    const char *begin = text.bytes > 0 ? text.data : "";
    struct query query = {begin, begin, begin + text.bytes, .arena = arena, .err = err};
    int rc = query_clauses(&query);
    CHECK(rc != 0 || query.at == query.end);
    if (rc == 0) {
        *filter = query_tree(&query);
        tree_check(*filter);
    }
    buffer_free(&query.leaves);
    buffer_free(&query.values);
    return rc;
}
