/* A JSON value as a tree, which json_parse() builds. Plain data; every pointer belongs to the arena
 * that the value was parsed into. */
#ifndef COMMON_JSON_JSON_VALUE_H
#define COMMON_JSON_JSON_VALUE_H

#include "common/base/memory.h"

enum json_kind {
    JSON_NULL,
    JSON_BOOLEAN,
    JSON_INTEGER,
    JSON_FLOAT, /* any other number */
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};

struct json_value {
    enum json_kind kind;
    union {
        bool boolean;
        int64_t integer; /* an integer literal that fits 64 bits; one that does not is JSON_FLOAT */
        struct {
            double real;         /* the nearest; infinite when the number is beyond all doubles */
            const char *literal; /* the number as it was written */
        };
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

/* NULL when `object` is not an object or has no such member. */
const struct json_value *json_member(const struct json_value *object, const char *key);

/* "null", "boolean", "integer", ...: for messages. */
const char *json_kind_name(enum json_kind kind);

#endif
