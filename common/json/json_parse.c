/* The callbacks of yajl build the tree.
 *
 * Happy path: finished values are entries of one stack. An open array or object is an entry too,
 * and its children are the entries after it. When it closes, its children move into the arena as
 * one piece, and its entry becomes the finished value. Nothing recurses.
 *
 * Failure modes: yajl accepts form feeds and vertical tabs between tokens, overlong UTF-8 and
 * encoded surrogates, and turns `\ud800` into "?", so the text is checked before yajl reads it.
 * Depth and repeated keys are checked in the callbacks, which end the parse.
 */
#include "common/json/json_parse.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/utf8.h"
#include "common/json/json_yajl.h"

enum { FEW_MEMBERS = 8, NONE_OPEN = UINT32_MAX };

struct builder {
    struct arena *arena;
    uint32_t max_depth;
    uint32_t depth;
    uint32_t
        open; /* entry of the innermost open array or object; its count is the next outer one */
    uint32_t count;
    uint32_t capacity;
    struct json_member *entries;
    const char *refusal; /* why a callback ended the parse */
};

static int
builder_refuse(struct builder *builder, const char *refusal)
{
    CHECK(refusal != NULL);
    CHECK(builder->refusal == NULL);
    builder->refusal = refusal;
    return 0;
}

static struct json_member *
builder_push(struct builder *builder)
{
    if (builder->count == builder->capacity) {
        CHECK(builder->capacity <= UINT32_MAX / 2); /* a text has at most INT32_MAX bytes */
        builder->capacity = builder->capacity > 0 ? 2 * builder->capacity : 16;
        builder->entries =
            memory_realloc(builder->entries, builder->capacity * sizeof *builder->entries);
    }
    CHECK(builder->count < builder->capacity);
    return &builder->entries[builder->count++];
}

/* The entry of the next value: that of its key, or a new one. */
static struct json_value *
builder_value(struct builder *builder)
{
    bool has_key =
        builder->open != NONE_OPEN && builder->entries[builder->open].value.kind == JSON_OBJECT;
    CHECK(!has_key || builder->count > builder->open + 1);
    return has_key ? &builder->entries[builder->count - 1].value : &builder_push(builder)->value;
}

/* Holds whenever an array or object begins or ends. */
static void
builder_check(const struct builder *builder)
{
    CHECK(builder->count <= builder->capacity);
    CHECK(builder->depth <= builder->max_depth);
    CHECK((builder->depth == 0) == (builder->open == NONE_OPEN));
    CHECK(builder->open == NONE_OPEN || builder->open < builder->count);
}

static struct text
builder_text(struct builder *builder, const unsigned char *data, size_t bytes)
{
    return arena_text(builder->arena, (struct text){(const char *)data, bytes});
}

static int
on_null(void *context)
{
    builder_value(context)->kind = JSON_NULL;
    return 1;
}

static int
on_boolean(void *context, int boolean)
{
    *builder_value(context) = (struct json_value){.kind = JSON_BOOLEAN, .boolean = boolean != 0};
    return 1;
}

static bool
number_integer(const char *data, size_t bytes, int64_t *integer)
{
    CHECK(bytes > 0);
    bool negative = data[0] == '-';
    int64_t number = 0;
    for (size_t i = negative; i < bytes; i++) {
        int digit = data[i] - '0';
        if (digit < 0 || digit > 9 || __builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, negative ? -digit : digit, &number))
            return false;
    }
    *integer = number;
    return true;
}

static int
on_number(void *context, const char *data, size_t bytes)
{
    struct builder *builder = context;
    struct json_value *value = builder_value(builder);
    value->kind = JSON_INTEGER;
    if (number_integer(data, bytes, &value->integer))
        return 1;
    value->kind = JSON_FLOAT;
    value->literal = arena_strdup(builder->arena, (struct text){data, bytes});
    value->real = strtod(value->literal, NULL);
    return 1;
}

static int
on_string(void *context, const unsigned char *data, size_t bytes)
{
    struct text string = builder_text(context, data, bytes);
    *builder_value(context) = (struct json_value){.kind = JSON_STRING, .string = string};
    return 1;
}

static int
on_key(void *context, const unsigned char *data, size_t bytes)
{
    struct builder *builder = context;
    CHECK(builder->open != NONE_OPEN);
    CHECK(builder->entries[builder->open].value.kind == JSON_OBJECT);
    struct text key = builder_text(builder, data, bytes);
    builder_push(builder)->key = key;
    return 1;
}

static int
builder_open(struct builder *builder, enum json_kind kind)
{
    if (builder->depth == builder->max_depth)
        return builder_refuse(builder, "nests too deep");
    CHECK(kind == JSON_ARRAY || kind == JSON_OBJECT);
    builder->depth++;
    struct json_value *value = builder_value(builder);
    CHECK(value == &builder->entries[builder->count - 1].value);
    *value = (struct json_value){.kind = kind, .array.count = builder->open};
    builder->open = builder->count - 1;
    builder_check(builder);
    return 1;
}

static int
on_object_begin(void *context)
{
    return builder_open(context, JSON_OBJECT);
}

static int
on_array_begin(void *context)
{
    return builder_open(context, JSON_ARRAY);
}

/* Those of the value that is open, which has that kind. */
static const struct json_member *
builder_children(const struct builder *builder, enum json_kind kind, uint32_t *count)
{
    CHECK(builder->depth > 0);
    CHECK(builder->open < builder->count);
    CHECK(builder->entries[builder->open].value.kind == kind);
    *count = builder->count - builder->open - 1;
    return &builder->entries[builder->open + 1];
}

/* Removes the children from the stack, and returns the value that was open. */
static struct json_value *
builder_close(struct builder *builder)
{
    CHECK(builder->depth > 0);
    struct json_value *value = &builder->entries[builder->open].value;
    CHECK(value->array.count == NONE_OPEN || value->array.count < builder->open);
    builder->count = builder->open + 1;
    builder->open = value->array.count;
    builder->depth--;
    builder_check(builder);
    return value;
}

static int
on_array_end(void *context)
{
    struct builder *builder = context;
    uint32_t count;
    const struct json_member *children = builder_children(builder, JSON_ARRAY, &count);
    struct json_value *items = arena_alloc(builder->arena, count * sizeof *items);
    for (uint32_t i = 0; i < count; i++)
        items[i] = children[i].value;
    struct json_value *value = builder_close(builder);
    value->array.items = items;
    value->array.count = count;
    return 1;
}

static int
text_compare(const void *left, const void *right)
{
    const struct text *a = left;
    const struct text *b = right;
    if (a->bytes != b->bytes)
        return a->bytes < b->bytes ? -1 : 1;
    return memcmp(a->data, b->data, a->bytes);
}

static bool
members_repeat_few(const struct json_member *members, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++)
        for (uint32_t j = 0; j < i; j++)
            if (text_equal(members[i].key, members[j].key))
                return true;
    return false;
}

static bool
members_repeat(const struct json_member *members, uint32_t count)
{
    if (count <= FEW_MEMBERS)
        return members_repeat_few(members, count);
    struct text *keys = memory_alloc(count * sizeof *keys);
    for (uint32_t i = 0; i < count; i++)
        keys[i] = members[i].key;
    qsort(keys, count, sizeof *keys, text_compare);
    bool repeat = false;
    for (uint32_t i = 1; i < count && !repeat; i++)
        repeat = text_equal(keys[i - 1], keys[i]);
    free(keys);
    return repeat;
}

static int
on_object_end(void *context)
{
    struct builder *builder = context;
    uint32_t count;
    const struct json_member *children = builder_children(builder, JSON_OBJECT, &count);
    if (members_repeat(children, count))
        return builder_refuse(builder, "object with a repeated key");
    struct json_member *members = arena_alloc(builder->arena, count * sizeof *members);
    memcpy(members, children, count * sizeof *members);
    struct json_value *value = builder_close(builder);
    value->object.members = members;
    value->object.count = count;
    return 1;
}

static const yajl_callbacks builder_callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_boolean,
    .yajl_number = on_number,
    .yajl_string = on_string,
    .yajl_start_map = on_object_begin,
    .yajl_map_key = on_key,
    .yajl_end_map = on_object_end,
    .yajl_start_array = on_array_begin,
    .yajl_end_array = on_array_end,
};

/* The code unit of `\uXXXX` at `at`; -1: there is no such escape. */
static int
escape_unit(const char *at, const char *end)
{
    char digits[5] = {0};
    if (end - at < 6 || at[0] != '\\' || at[1] != 'u')
        return -1;
    memcpy(digits, at + 2, 4);
    return strspn(digits, "0123456789abcdefABCDEF") == 4 ? (int)strtol(digits, NULL, 16) : -1;
}

/* Returns why the escape at `at` is refused, or NULL, and sets `bytes` to its length. yajl refuses
 * the escapes that JSON does not have. */
static const char *
escape_check(const char *at, const char *end, size_t *bytes)
{
    CHECK(at < end);
    CHECK(*at == '\\');
    int unit = escape_unit(at, end);
    *bytes = unit < 0 ? 2 : 6;
    if (unit == 0)
        return "string with a NUL";
    if (unit < 0xd800 || unit > 0xdfff)
        return NULL;
    int low = escape_unit(at + 6, end);
    *bytes = 12;
    return unit < 0xdc00 && low >= 0xdc00 && low <= 0xdfff ? NULL : "half a surrogate pair";
}

/* Returns why the text is refused although yajl would accept or change it, or NULL. A backslash
 * outside of a string is not JSON, so this function need not know where strings begin. */
static const char *
text_refusal(struct text text, size_t *at_byte)
{
    const char *end = text.data + text.bytes;
    const char *at = text.data;
    const char *refusal = NULL;
    CHECK(text.data != NULL || text.bytes == 0);
    *at_byte = 0;
    if (text.bytes == 0)
        return "no value";
    if (text.bytes > INT32_MAX)
        return "longer than 2 GiB";
    if (!utf8_valid(text.data, text.bytes))
        return "not UTF-8, or has a NUL";
    if (memchr(text.data, '\v', text.bytes) != NULL || memchr(text.data, '\f', text.bytes) != NULL)
        return "has a control character";
    while (at < end && refusal == NULL && (at = memchr(at, '\\', (size_t)(end - at))) != NULL) {
        size_t bytes;
        refusal = escape_check(at, end, &bytes);
        *at_byte = (size_t)(at - text.data);
        at += bytes;
    }
    CHECK(*at_byte < text.bytes);
    return refusal;
}

static int
parse_refuse(const char *refusal, size_t at_byte, struct error *err)
{
    return error_set(err, ERR_DATA, "not JSON: byte %zu: %s", at_byte, refusal);
}

static int
parse_refuse_yajl(yajl_handle yajl, size_t at_byte, struct error *err)
{
    unsigned char *message = yajl_get_error(yajl, 0, NULL, 0);
    const char *refusal = message != NULL ? (const char *)message : "";
    int rc = error_set(err, ERR_DATA, "not JSON: byte %zu: %.*s", at_byte,
                       (int)strcspn(refusal, "\n"), refusal);
    yajl_free_error(yajl, message);
    return rc;
}

static int
parse_run(struct builder *builder, struct text text, struct error *err)
{
    yajl_handle yajl = json_yajl_create(&builder_callbacks, builder);
    yajl_status status = yajl_parse(yajl, (const unsigned char *)text.data, text.bytes);
    size_t at_byte = yajl_get_bytes_consumed(yajl);
    CHECK(at_byte <= text.bytes);
    if (status == yajl_status_ok) {
        status = yajl_complete_parse(yajl);
        at_byte = text.bytes;
    }
    int rc = 0;
    CHECK((status == yajl_status_client_canceled) == (builder->refusal != NULL));
    if (status == yajl_status_client_canceled)
        rc = parse_refuse(builder->refusal, at_byte, err);
    else if (status != yajl_status_ok)
        rc = parse_refuse_yajl(yajl, at_byte, err);
    yajl_free(yajl);
    return rc;
}

int
json_parse(struct text text, uint32_t max_depth, struct arena *arena,
           const struct json_value **value, struct error *err)
{
    size_t at_byte;
    const char *refusal = text_refusal(text, &at_byte);
    if (refusal != NULL)
        return parse_refuse(refusal, at_byte, err);
    struct builder builder = {.arena = arena, .max_depth = max_depth, .open = NONE_OPEN};
    int rc = parse_run(&builder, text, err);
    if (rc == 0) {
        CHECK(builder.count == 1);
        CHECK(builder.depth == 0);
        CHECK(builder.open == NONE_OPEN);
        struct json_value *root = arena_alloc(arena, sizeof *root);
        *root = builder.entries[0].value;
        *value = root;
    }
    free(builder.entries);
    return rc;
}
