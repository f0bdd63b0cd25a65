/* A JSON writer into a buffer.
 *
 * The writer adds commas and colons. Inside an object keys and values alternate; a wrong order
 * trips a CHECK. A text must be UTF-8: bytes that are not, and NUL, are written as U+FFFD. A writer
 * belongs to one thread.
 */
#ifndef COMMON_JSON_JSON_WRITE_H
#define COMMON_JSON_JSON_WRITE_H

#include "common/base/memory.h"
#include "common/json/json_value.h"

/* The writer holds the document and at most JSON_WRITER_DEPTH - 1 open arrays and objects. */
enum { JSON_WRITER_DEPTH = 32 };

enum json_writer_scope { JSON_WRITER_DOCUMENT, JSON_WRITER_ARRAY, JSON_WRITER_OBJECT };

struct json_writer {
    struct buffer *out;
    uint8_t depth;
    enum json_writer_scope scopes[JSON_WRITER_DEPTH]; /* by depth */
    bool need_comma[JSON_WRITER_DEPTH];               /* by depth */
    bool after_key;
};

/* One value is written to `out`, which must outlive the writer. */
void json_writer_init(struct json_writer *writer, struct buffer *out);
void json_object_begin(struct json_writer *writer);
void json_object_end(struct json_writer *writer);
void json_array_begin(struct json_writer *writer);
void json_array_end(struct json_writer *writer);
void json_key(struct json_writer *writer, const char *key);
void json_null(struct json_writer *writer);
void json_boolean(struct json_writer *writer, bool value);
void json_integer(struct json_writer *writer, int64_t value);
/* The text reads back as the same float, never as an integer ("3.0"). A value that is not finite is
 * written as null. */
void json_float(struct json_writer *writer, double value);
void json_text(struct json_writer *writer, struct text value);
void json_string(struct json_writer *writer, const char *value);
/* Writes a value that was parsed, with all that is in it, which the free depth must hold. */
void json_tree(struct json_writer *writer, const struct json_value *value);
/* Writes one value that is JSON already, without a check. */
void json_raw(struct json_writer *writer, struct text json);

#endif
