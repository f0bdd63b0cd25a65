/* types_of() computes what a node can be from its operands; demand() carries what is wanted from it
 * down to the columns. The recursion is bounded by EXPRESSION_DEPTH_MAX.
 */
#include "common/expression/expression_types.h"

#include "common/base/check.h"
#include "common/expression/expression_node.h"

struct inference {
    const struct expression_columns *columns;
    bool *changed;
    struct error *err;
};

const char *
expression_types_name(expression_types types)
{
    switch (types) {
    case EXPRESSION_TYPE_BOOLEAN:
        return "a boolean";
    case EXPRESSION_TYPE_INTEGER:
        return "an integer";
    case EXPRESSION_TYPE_FLOAT:
        return "a float";
    case EXPRESSION_TYPE_NUMBER:
        return "a number";
    case EXPRESSION_TYPE_STRING:
        return "a string";
    case 0:
        return "of a type without operators";
    default:
        return "a value";
    }
}

/* Integers and floats compare with each other. */
static expression_types
comparable(expression_types types)
{
    return (types & EXPRESSION_TYPE_NUMBER) != 0 ? types | EXPRESSION_TYPE_NUMBER : types;
}

static expression_types types_of(const struct inference *inference, const struct expression *node);

static expression_types
arithmetic_types(const struct inference *inference, const struct expression *node)
{
    bool all_integers = true;
    bool has_float = false;
    CHECK(node->operand_count > 0);
    for (uint32_t i = 0; i < node->operand_count; i++) {
        expression_types types = types_of(inference, node->operands[i]);
        all_integers = all_integers && types == EXPRESSION_TYPE_INTEGER;
        has_float = has_float || types == EXPRESSION_TYPE_FLOAT;
    }
    if (has_float)
        return EXPRESSION_TYPE_FLOAT;
    return all_integers ? EXPRESSION_TYPE_INTEGER : EXPRESSION_TYPE_NUMBER;
}

/* What all operands can be, so that they compare. */
static expression_types
common_types(const struct inference *inference, const struct expression *node)
{
    expression_types types = EXPRESSION_TYPE_ANY;
    for (uint32_t i = 0; i < node->operand_count; i++)
        types &= comparable(types_of(inference, node->operands[i]));
    return types;
}

/* What one of the operands is. */
static expression_types
either_types(const struct inference *inference, const struct expression *node)
{
    expression_types types = 0;
    for (uint32_t i = 0; i < node->operand_count; i++)
        types |= types_of(inference, node->operands[i]);
    return types & common_types(inference, node);
}

static expression_types
types_of(const struct inference *inference, const struct expression *node)
{
    switch (node->op) {
    case EXPRESSION_CONSTANT:
        return node->constant.kind == EXPRESSION_NULL ? EXPRESSION_TYPE_ANY
                                                      : 1u << node->constant.kind;
    case EXPRESSION_COLUMN:
        CHECK(node->column < inference->columns->count);
        return inference->columns->types[node->column];
    case EXPRESSION_NEGATE:
    case EXPRESSION_ADD:
    case EXPRESSION_SUBTRACT:
    case EXPRESSION_MULTIPLY:
    case EXPRESSION_DIVIDE:
        return arithmetic_types(inference, node);
    case EXPRESSION_COMPLEMENT:
    case EXPRESSION_BIT_AND:
    case EXPRESSION_BIT_OR:
    case EXPRESSION_BIT_XOR:
    case EXPRESSION_SHIFT_LEFT:
    case EXPRESSION_SHIFT_RIGHT:
    case EXPRESSION_MODULO:
        return EXPRESSION_TYPE_INTEGER;
    case EXPRESSION_GREATEST:
    case EXPRESSION_LEAST:
    case EXPRESSION_COALESCE:
        return either_types(inference, node);
    default:
        return EXPRESSION_TYPE_BOOLEAN;
    }
}

static int
refuse(const struct inference *inference, const struct expression *node, expression_types is,
       expression_types wanted)
{
    if (node->op == EXPRESSION_COLUMN)
        return error_set(inference->err, ERR_DATA,
                         "character %u: column %s must be %s here, but it is %s", node->character,
                         inference->columns->names[node->column], expression_types_name(wanted),
                         expression_types_name(is));
    return error_set(inference->err, ERR_DATA, "character %u: must be %s, not %s", node->character,
                     expression_types_name(wanted), expression_types_name(is));
}

static bool
passes_through(const struct expression *node)
{
    return node->op == EXPRESSION_GREATEST || node->op == EXPRESSION_LEAST ||
           node->op == EXPRESSION_COALESCE;
}

/* `node` has to be one of `wanted`. Beyond columns, only operators that return one of their
 * operands pass the demand on: the value of a sum of numbers may be an integer. */
static int
demand(const struct inference *inference, const struct expression *node, expression_types wanted)
{
    expression_types is = types_of(inference, node);
    expression_types left = is & wanted;
    CHECK(wanted != 0);
    if (left == 0)
        return refuse(inference, node, is, wanted);
    if (node->op == EXPRESSION_COLUMN && left != is) {
        inference->columns->types[node->column] = left;
        *inference->changed = true;
    }
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && passes_through(node) && i < node->operand_count; i++)
        rc = demand(inference, node->operands[i], wanted);
    return rc;
}

/* What an operator demands of its operands. */
static expression_types
operand_types(const struct inference *inference, const struct expression *node)
{
    switch (node->op) {
    case EXPRESSION_NOT:
    case EXPRESSION_IS_TRUE:
    case EXPRESSION_IS_FALSE:
    case EXPRESSION_AND:
    case EXPRESSION_OR:
        return EXPRESSION_TYPE_BOOLEAN;
    case EXPRESSION_NEGATE:
    case EXPRESSION_ADD:
    case EXPRESSION_SUBTRACT:
    case EXPRESSION_MULTIPLY:
    case EXPRESSION_DIVIDE:
        return EXPRESSION_TYPE_NUMBER;
    case EXPRESSION_COMPLEMENT:
    case EXPRESSION_BIT_AND:
    case EXPRESSION_BIT_OR:
    case EXPRESSION_BIT_XOR:
    case EXPRESSION_SHIFT_LEFT:
    case EXPRESSION_SHIFT_RIGHT:
    case EXPRESSION_MODULO:
        return EXPRESSION_TYPE_INTEGER;
    case EXPRESSION_IS_NULL:
        return EXPRESSION_TYPE_ANY;
    default:
        return common_types(inference, node);
    }
}

static int
infer_operands(const struct inference *inference, const struct expression *node)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < node->operand_count; i++)
        rc = infer_operands(inference, node->operands[i]);
    if (rc != 0 || node->operand_count == 0)
        return rc;
    expression_types wanted = operand_types(inference, node);
    if (wanted == 0)
        return error_set(
            inference->err, ERR_DATA, "character %u: %s and %s do not compare", node->character,
            expression_types_name(types_of(inference, node->operands[0])),
            expression_types_name(types_of(inference, node->operands[node->operand_count - 1])));
    bool is_any = node->op == EXPRESSION_IS_NULL; /* also what has no operators */
    for (uint32_t i = 0; rc == 0 && !is_any && i < node->operand_count; i++)
        rc = demand(inference, node->operands[i], wanted);
    return rc;
}

int
expression_infer(const struct expression *expression, expression_types wanted,
                 const struct expression_columns *columns, bool *changed, struct error *err)
{
    struct inference inference = {columns, changed, err};
    CHECK(expression->depth <= EXPRESSION_DEPTH_MAX);
    CHECK(columns->types != NULL || columns->count == 0);
    int rc = infer_operands(&inference, expression);
    return rc == 0 ? demand(&inference, expression, wanted) : rc;
}

void
expression_mark_columns(const struct expression *expression, bool *is_read)
{
    CHECK(expression->depth <= EXPRESSION_DEPTH_MAX);
    if (expression->op == EXPRESSION_COLUMN)
        is_read[expression->column] = true;
    for (uint32_t i = 0; i < expression->operand_count; i++)
        expression_mark_columns(expression->operands[i], is_read);
}
