#include "common/json/json_write.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/number.h"
#include "common/base/utf8.h"

void
json_writer_init(struct json_writer *writer, struct buffer *out)
{
    CHECK(out != NULL);
    *writer = (struct json_writer){.out = out};
}

/* Holds before and after each value and key. */
static void
writer_check(const struct json_writer *writer)
{
    CHECK(writer->depth < JSON_WRITER_DEPTH);
    enum json_writer_scope scope = writer->scopes[writer->depth];
    CHECK((writer->depth == 0) == (scope == JSON_WRITER_DOCUMENT));
    CHECK(!writer->after_key || scope == JSON_WRITER_OBJECT);
    CHECK(!writer->after_key || writer->need_comma[writer->depth]);
}

static void
write_comma(struct json_writer *writer)
{
    CHECK(!writer->after_key);
    if (writer->need_comma[writer->depth])
        buffer_append_text(writer->out, ",");
    writer->need_comma[writer->depth] = true;
}

/* A value follows: the one of the document, the next one of an array, or the one of a key. */
static void
write_value_begin(struct json_writer *writer)
{
    writer_check(writer);
    enum json_writer_scope scope = writer->scopes[writer->depth];
    CHECK(writer->after_key == (scope == JSON_WRITER_OBJECT));
    CHECK(scope != JSON_WRITER_DOCUMENT || !writer->need_comma[0]);
    if (writer->after_key)
        writer->after_key = false;
    else
        write_comma(writer);
}

static void
write_begin(struct json_writer *writer, enum json_writer_scope scope, const char *bracket)
{
    CHECK(scope != JSON_WRITER_DOCUMENT);
    write_value_begin(writer);
    buffer_append_text(writer->out, bracket);
    CHECK(writer->depth < JSON_WRITER_DEPTH - 1);
    writer->depth++;
    writer->scopes[writer->depth] = scope;
    writer->need_comma[writer->depth] = false;
    writer_check(writer);
}

static void
write_end(struct json_writer *writer, enum json_writer_scope scope, const char *bracket)
{
    CHECK(writer->depth > 0);
    CHECK(writer->scopes[writer->depth] == scope);
    CHECK(!writer->after_key);
    writer->depth--;
    buffer_append_text(writer->out, bracket);
    writer_check(writer);
    CHECK(writer->need_comma[writer->depth]); /* the value that ends */
}

static void
write_literal(struct json_writer *writer, const char *literal)
{
    write_value_begin(writer);
    buffer_append_text(writer->out, literal);
}

/* Bytes of the UTF-8 sequence at `at`; 0: the bytes are not UTF-8. */
static size_t
sequence_bytes(const char *at, size_t left)
{
    CHECK(left > 0);
    for (size_t bytes = 1; bytes <= 4 && bytes <= left; bytes++)
        if (utf8_valid(at, bytes))
            return bytes;
    return 0;
}

static void
write_character(struct buffer *out, const char *at, size_t bytes)
{
    static const char plain[] = "\"\\\b\f\n\r\t";
    static const char letters[] = "\"\\bfnrt";
    _Static_assert(sizeof plain == sizeof letters, "a letter for each character");
    CHECK(bytes <= 4);
    const char *found = bytes == 1 ? memchr(plain, *at, sizeof plain - 1) : NULL;
    if (found != NULL)
        buffer_append(out, (char[]){'\\', letters[found - plain]}, 2);
    else if (bytes == 0)
        buffer_append_text(out, "\xef\xbf\xbd");
    else if (bytes == 1 && (unsigned char)*at < 0x20)
        buffer_append_format(out, "\\u%04x", (unsigned)*at);
    else
        buffer_append(out, at, bytes);
}

/* How many of the first bytes are ASCII that stands for itself. */
static size_t
plain_bytes(const char *at, size_t left)
{
    size_t bytes = 0;
    while (bytes < left && at[bytes] >= 0x20 && at[bytes] <= 0x7e && at[bytes] != '"' &&
           at[bytes] != '\\')
        bytes++;
    return bytes;
}

static void
write_quoted(struct buffer *out, struct text text)
{
    CHECK(text.data != NULL || text.bytes == 0);
    buffer_append_text(out, "\"");
    for (size_t i = 0; i < text.bytes;) {
        size_t plain = plain_bytes(text.data + i, text.bytes - i);
        buffer_append(out, text.data + i, plain);
        i += plain;
        if (i == text.bytes)
            break;
        size_t bytes = sequence_bytes(text.data + i, text.bytes - i);
        write_character(out, text.data + i, bytes);
        i += bytes > 0 ? bytes : 1;
    }
    buffer_append_text(out, "\"");
}

void
json_object_begin(struct json_writer *writer)
{
    write_begin(writer, JSON_WRITER_OBJECT, "{");
}

void
json_object_end(struct json_writer *writer)
{
    write_end(writer, JSON_WRITER_OBJECT, "}");
}

void
json_array_begin(struct json_writer *writer)
{
    write_begin(writer, JSON_WRITER_ARRAY, "[");
}

void
json_array_end(struct json_writer *writer)
{
    write_end(writer, JSON_WRITER_ARRAY, "]");
}

void
json_key(struct json_writer *writer, const char *key)
{
    CHECK(writer->scopes[writer->depth] == JSON_WRITER_OBJECT);
    write_comma(writer);
    write_quoted(writer->out, text_of(key));
    buffer_append_text(writer->out, ":");
    writer->after_key = true;
    writer_check(writer);
}

void
json_null(struct json_writer *writer)
{
    write_literal(writer, "null");
}

void
json_boolean(struct json_writer *writer, bool value)
{
    write_literal(writer, value ? "true" : "false");
}

void
json_integer(struct json_writer *writer, int64_t value)
{
    char digits[32];
    snprintf(digits, sizeof digits, "%lld", (long long)value);
    write_literal(writer, digits);
}

void
json_float(struct json_writer *writer, double value)
{
    char digits[NUMBER_TEXT_BYTES];
    if (!isfinite(value)) {
        json_null(writer);
        return;
    }
    number_format(value, digits, sizeof digits);
    write_literal(writer, digits);
    if (strpbrk(digits, ".e") == NULL)
        buffer_append_text(writer->out, ".0");
}

void
json_text(struct json_writer *writer, struct text value)
{
    write_value_begin(writer);
    write_quoted(writer->out, value);
}

void
json_string(struct json_writer *writer, const char *value)
{
    json_text(writer, text_of(value));
}

void
json_raw(struct json_writer *writer, struct text json)
{
    CHECK(json.data != NULL);
    CHECK(json.bytes > 0);
    write_value_begin(writer);
    buffer_append(writer->out, json.data, json.bytes);
}

static void
write_array(struct json_writer *writer, const struct json_value *value)
{
    json_array_begin(writer);
    for (uint32_t i = 0; i < value->array.count; i++)
        json_tree(writer, &value->array.items[i]);
    json_array_end(writer);
}

static void
write_object(struct json_writer *writer, const struct json_value *value)
{
    json_object_begin(writer);
    for (uint32_t i = 0; i < value->object.count; i++) {
        json_key(writer, value->object.members[i].key.data);
        json_tree(writer, &value->object.members[i].value);
    }
    json_object_end(writer);
}

void
json_tree(struct json_writer *writer, const struct json_value *value)
{
    switch (value->kind) {
    case JSON_NULL:
        json_null(writer);
        break;
    case JSON_BOOLEAN:
        json_boolean(writer, value->boolean);
        break;
    case JSON_INTEGER:
        json_integer(writer, value->integer);
        break;
    case JSON_FLOAT:
        json_raw(writer, text_of(value->literal));
        break;
    case JSON_STRING:
        json_text(writer, value->string);
        break;
    case JSON_ARRAY:
        write_array(writer, value);
        break;
    case JSON_OBJECT:
        write_object(writer, value);
        break;
    }
}
