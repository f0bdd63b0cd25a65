#include "common/json/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/utf8.h"

void
json_writer_init(struct json_writer *writer, struct buffer *out)
{
    *writer = (struct json_writer){.out = out};
}

/* Before a key, or a value that has none. */
static void
write_comma(struct json_writer *writer)
{
    if (!writer->after_key && writer->need_comma[writer->depth])
        buffer_append_text(writer->out, ",");
    writer->need_comma[writer->depth] = true;
    writer->after_key = false;
}

static void
write_begin(struct json_writer *writer, const char *bracket)
{
    write_comma(writer);
    buffer_append_text(writer->out, bracket);
    CHECK(writer->depth < JSON_WRITER_DEPTH - 1);
    writer->need_comma[++writer->depth] = false;
}

static void
write_end(struct json_writer *writer, const char *bracket)
{
    CHECK(writer->depth > 0 && !writer->after_key);
    writer->depth--;
    buffer_append_text(writer->out, bracket);
}

static void
write_literal(struct json_writer *writer, const char *literal)
{
    write_comma(writer);
    buffer_append_text(writer->out, literal);
}

/* Bytes of the UTF-8 sequence at `at`; 0 when there is none. */
static size_t
sequence_bytes(const char *at, size_t left)
{
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

static void
write_quoted(struct buffer *out, struct text text)
{
    buffer_append_text(out, "\"");
    for (size_t i = 0; i < text.bytes;) {
        size_t bytes = sequence_bytes(text.data + i, text.bytes - i);
        write_character(out, text.data + i, bytes);
        i += bytes > 0 ? bytes : 1;
    }
    buffer_append_text(out, "\"");
}

void
json_object_begin(struct json_writer *writer)
{
    write_begin(writer, "{");
}

void
json_object_end(struct json_writer *writer)
{
    write_end(writer, "}");
}

void
json_array_begin(struct json_writer *writer)
{
    write_begin(writer, "[");
}

void
json_array_end(struct json_writer *writer)
{
    write_end(writer, "]");
}

void
json_key(struct json_writer *writer, const char *key)
{
    CHECK(!writer->after_key);
    write_comma(writer);
    write_quoted(writer->out, text_of(key));
    buffer_append_text(writer->out, ":");
    writer->after_key = true;
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

/* The fewest digits that read as the same number: 15 always fit, 17 always do. */
void
json_float(struct json_writer *writer, double value)
{
    char digits[40];
    if (!isfinite(value)) {
        json_null(writer);
        return;
    }
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value)
            break;
    }
    write_literal(writer, digits);
    if (strpbrk(digits, ".e") == NULL)
        buffer_append_text(writer->out, ".0");
}

void
json_text(struct json_writer *writer, struct text value)
{
    write_comma(writer);
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
    write_comma(writer);
    buffer_append(writer->out, json.data, json.bytes);
}
