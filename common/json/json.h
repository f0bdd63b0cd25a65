/* JSON: a bounded reader into an arena, and a writer into a buffer. Owner of the JSON library.
 *
 * The reader accepts RFC 8259 (UTF-8 checked, one value, no trailing garbage) and keeps the
 * difference between integers and floats. It refuses what the grammar allows but nobody can keep or
 * agree on: a NUL in a string, half a surrogate pair, a number beyond a double's range, a repeated
 * key. Not thread-safe per arena or buffer; no global state.
 */
#ifndef COMMON_JSON_JSON_H
#define COMMON_JSON_JSON_H

#include "common/base/error.h"
#include "common/base/memory.h"

enum json_kind {
    JSON_NULL,
    JSON_BOOLEAN,
    JSON_INTEGER,
    JSON_FLOAT,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};

struct json_value {
    enum json_kind kind;
    union {
        bool boolean;
        int64_t integer; /* an integer literal that fits 64 bits; one that does not is JSON_FLOAT */
        double real;     /* finite */
        struct text string; /* terminated as well; UTF-8, may contain any byte but 0 */
        struct {
            const struct json_value *items;
            uint32_t count;
        } array;
        struct {
            const struct json_member *members; /* in document order, each key once */
            uint32_t count;
        } object;
    };
};

struct json_member {
    struct text key; /* as a string */
    struct json_value value;
};

/* ERR_DATA with the byte when `text` is not one JSON value, or has more than `max_depth` arrays and
 * objects inside each other (`[[]]` has 2; 0 allows scalars only). The message never quotes `text`.
 * The result lives in `arena` and does not point into `text`. After an error `arena` may have
 * grown. */
int json_parse(struct text text, uint32_t max_depth, struct arena *arena,
               const struct json_value **value, struct error *err);

/* Whether `text` is a JSON array with an object as a direct element that has a member `key` with
 * the string `value`. The grammar alone decides: nothing else that json_parse refuses (depth,
 * numbers, repeated keys, encoding) matters. Memory: a byte for every level of nesting. */
bool json_array_has_object_with(struct text text, const char *key, const char *value);

/* NULL when `object` is not an object or has no such member. */
const struct json_value *json_member(const struct json_value *object, const char *key);

/* "null", "boolean", "integer", ...: for messages. */
const char *json_kind_name(enum json_kind kind);

enum { JSON_WRITER_DEPTH = 32 };

/* The writer puts commas and colons itself; keys and values alternate inside an object. Text must
 * be UTF-8: bytes that are not, and NUL, are written as U+FFFD. A float always reads as a float
 * again ("3.0"), and as the same one; one that is not finite is written as null. At most
 * JSON_WRITER_DEPTH - 1 arrays and objects inside each other. */
struct json_writer {
    struct buffer *out;
    uint8_t depth;
    bool need_comma[JSON_WRITER_DEPTH]; /* by depth */
    bool after_key;
};

void json_writer_init(struct json_writer *writer, struct buffer *out);
void json_object_begin(struct json_writer *writer);
void json_object_end(struct json_writer *writer);
void json_array_begin(struct json_writer *writer);
void json_array_end(struct json_writer *writer);
void json_key(struct json_writer *writer, const char *key);
void json_null(struct json_writer *writer);
void json_boolean(struct json_writer *writer, bool value);
void json_integer(struct json_writer *writer, int64_t value);
void json_float(struct json_writer *writer, double value);
void json_text(struct json_writer *writer, struct text value);
void json_string(struct json_writer *writer, const char *value);
/* Bytes that are JSON already. */
void json_raw(struct json_writer *writer, struct text json);

#endif
