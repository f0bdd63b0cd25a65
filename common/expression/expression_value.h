/* The values of expressions, and the types that are known of them before they are evaluated. */
#ifndef COMMON_EXPRESSION_EXPRESSION_VALUE_H
#define COMMON_EXPRESSION_EXPRESSION_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/memory.h"

enum expression_kind {
    EXPRESSION_NULL,
    EXPRESSION_BOOLEAN,
    EXPRESSION_INTEGER,
    EXPRESSION_FLOAT, /* finite */
    EXPRESSION_STRING,
};

struct expression_value {
    enum expression_kind kind;
    union {
        bool boolean;
        int64_t integer;
        double real;
        struct text string; /* belongs to the expression, or to whoever gave the column */
    };
};

/* A set of kinds, one bit for each: what a value may be beside null. */
typedef uint32_t expression_types;

enum {
    EXPRESSION_TYPE_BOOLEAN = 1 << EXPRESSION_BOOLEAN,
    EXPRESSION_TYPE_INTEGER = 1 << EXPRESSION_INTEGER,
    EXPRESSION_TYPE_FLOAT = 1 << EXPRESSION_FLOAT,
    EXPRESSION_TYPE_STRING = 1 << EXPRESSION_STRING,
    EXPRESSION_TYPE_NUMBER = EXPRESSION_TYPE_INTEGER | EXPRESSION_TYPE_FLOAT,
    EXPRESSION_TYPE_ANY = EXPRESSION_TYPE_BOOLEAN | EXPRESSION_TYPE_NUMBER | EXPRESSION_TYPE_STRING,
};

#endif
