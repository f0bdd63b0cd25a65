/* The tree of an expression. For this room only. */
#ifndef COMMON_EXPRESSION_EXPRESSION_NODE_H
#define COMMON_EXPRESSION_EXPRESSION_NODE_H

#include <stdint.h>

#include "common/expression/expression_value.h"

enum expression_op {
    EXPRESSION_CONSTANT,
    EXPRESSION_COLUMN,
    EXPRESSION_NEGATE,
    EXPRESSION_COMPLEMENT,
    EXPRESSION_NOT,
    EXPRESSION_IS_NULL,
    EXPRESSION_IS_TRUE,
    EXPRESSION_IS_FALSE,
    EXPRESSION_AND,
    EXPRESSION_OR,
    EXPRESSION_BIT_AND,
    EXPRESSION_BIT_OR,
    EXPRESSION_BIT_XOR,
    EXPRESSION_SHIFT_LEFT,
    EXPRESSION_SHIFT_RIGHT,
    EXPRESSION_ADD,
    EXPRESSION_SUBTRACT,
    EXPRESSION_MULTIPLY,
    EXPRESSION_DIVIDE,
    EXPRESSION_MODULO,
    EXPRESSION_EQ,
    EXPRESSION_NOT_EQ,
    EXPRESSION_LT,
    EXPRESSION_LTE,
    EXPRESSION_GT,
    EXPRESSION_GTE,
    EXPRESSION_GREATEST,
    EXPRESSION_LEAST,
    EXPRESSION_COALESCE,
};

/* The levels of a tree: what evaluation recurses. */
enum { EXPRESSION_DEPTH_MAX = 200 };

struct expression {
    enum expression_op op;
    uint32_t character; /* where the operator, constant or column is in the text; from 1 */
    uint32_t depth;     /* 1: no operands */
    struct expression_value constant;
    uint32_t column; /* its place in the list of columns */
    const struct expression *const *operands;
    uint32_t operand_count;
};

#endif
