/* A walk over the tree. Nothing is allocated. Types have been checked (expression_types.h), but a
 * value that is not what an operator needs is an error value too, and never undefined behaviour.
 */
#include "common/expression/expression_evaluate.h"

#include <math.h>
#include <string.h>

#include "common/base/check.h"
#include "common/expression/expression_node.h"

struct evaluation {
    const struct expression_value *columns;
    struct expression_errors *errors;
};

static const struct expression_value null_value = {.kind = EXPRESSION_NULL};

static struct expression_value evaluate(const struct evaluation *evaluation,
                                        const struct expression *node);

static struct expression_value
fail(const struct evaluation *evaluation, const char *reason)
{
    evaluation->errors->count++;
    evaluation->errors->reason = reason;
    return null_value;
}

static struct expression_value
integer_value(int64_t integer)
{
    return (struct expression_value){EXPRESSION_INTEGER, .integer = integer};
}

static struct expression_value
boolean_value(bool boolean)
{
    return (struct expression_value){EXPRESSION_BOOLEAN, .boolean = boolean};
}

static bool
is_number(struct expression_value number)
{
    return number.kind == EXPRESSION_INTEGER || number.kind == EXPRESSION_FLOAT;
}

static double
as_double(struct expression_value number)
{
    CHECK(is_number(number));
    return number.kind == EXPRESSION_INTEGER ? (double)number.integer : number.real;
}

static int
compare_integers(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

/* A double cannot hold every integer of 64 bits, so the integers are compared as integers, and
 * then the fraction. */
static int
compare_mixed(int64_t integer, double real)
{
    const double limit = 9223372036854775808.0; /* 2^63 */
    CHECK(isfinite(real) != 0);
    if (real >= limit)
        return -1;
    if (real < -limit)
        return 1;
    double whole = trunc(real);
    int order = compare_integers(integer, (int64_t)whole);
    if (order != 0)
        return order;
    return whole < real ? -1 : whole > real;
}

static int
compare_texts(struct text a, struct text b)
{
    size_t shorter = a.bytes < b.bytes ? a.bytes : b.bytes;
    int order = shorter > 0 ? memcmp(a.data, b.data, shorter) : 0;
    return order != 0 ? order : (a.bytes > b.bytes) - (a.bytes < b.bytes);
}

int
expression_compare(struct expression_value a, struct expression_value b)
{
    CHECK(a.kind != EXPRESSION_NULL);
    CHECK(a.kind == b.kind || (is_number(a) && is_number(b)));
    if (a.kind == EXPRESSION_STRING)
        return compare_texts(a.string, b.string);
    if (a.kind == EXPRESSION_BOOLEAN)
        return (int)a.boolean - (int)b.boolean;
    if (a.kind == EXPRESSION_INTEGER && b.kind == EXPRESSION_INTEGER)
        return compare_integers(a.integer, b.integer);
    if (a.kind == EXPRESSION_INTEGER)
        return compare_mixed(a.integer, b.real);
    if (b.kind == EXPRESSION_INTEGER)
        return -compare_mixed(b.integer, a.real);
    return (a.real > b.real) - (a.real < b.real);
}

bool
expression_is_true(struct expression_value result)
{
    return result.kind == EXPRESSION_BOOLEAN && result.boolean;
}

static struct expression_value
finite_value(const struct evaluation *evaluation, double real)
{
    if (isfinite(real) == 0)
        return fail(evaluation, "a number is out of range");
    return (struct expression_value){EXPRESSION_FLOAT, .real = real};
}

static struct expression_value
float_arithmetic(const struct evaluation *evaluation, enum expression_op op, double a, double b)
{
    switch (op) {
    case EXPRESSION_ADD:
        return finite_value(evaluation, a + b);
    case EXPRESSION_SUBTRACT:
        return finite_value(evaluation, a - b);
    case EXPRESSION_MULTIPLY:
        return finite_value(evaluation, a * b);
    default:
        CHECK(op == EXPRESSION_DIVIDE);
        return b == 0 ? fail(evaluation, "a division by zero") : finite_value(evaluation, a / b);
    }
}

static struct expression_value
integer_division(const struct evaluation *evaluation, enum expression_op op, int64_t a, int64_t b)
{
    CHECK(op == EXPRESSION_DIVIDE || op == EXPRESSION_MODULO);
    if (b == 0)
        return fail(evaluation, "a division by zero");
    if (b == -1 && op == EXPRESSION_MODULO)
        return integer_value(0);
    if (b == -1 && a == INT64_MIN)
        return fail(evaluation, "an integer is out of range");
    return integer_value(op == EXPRESSION_DIVIDE ? a / b : a % b);
}

static struct expression_value
integer_arithmetic(const struct evaluation *evaluation, enum expression_op op, int64_t a, int64_t b)
{
    int64_t result = 0;
    bool overflows;
    switch (op) {
    case EXPRESSION_ADD:
        overflows = __builtin_add_overflow(a, b, &result);
        break;
    case EXPRESSION_SUBTRACT:
        overflows = __builtin_sub_overflow(a, b, &result);
        break;
    case EXPRESSION_MULTIPLY:
        overflows = __builtin_mul_overflow(a, b, &result);
        break;
    default:
        return integer_division(evaluation, op, a, b);
    }
    return overflows ? fail(evaluation, "an integer is out of range") : integer_value(result);
}

static struct expression_value
arithmetic(const struct evaluation *evaluation, enum expression_op op, struct expression_value a,
           struct expression_value b)
{
    if (a.kind == EXPRESSION_INTEGER && b.kind == EXPRESSION_INTEGER)
        return integer_arithmetic(evaluation, op, a.integer, b.integer);
    if (!is_number(a) || !is_number(b))
        return fail(evaluation, "a value is not a number");
    return float_arithmetic(evaluation, op, as_double(a), as_double(b));
}

static struct expression_value
shift(const struct evaluation *evaluation, enum expression_op op, int64_t a, int64_t count)
{
    CHECK(op == EXPRESSION_SHIFT_LEFT || op == EXPRESSION_SHIFT_RIGHT);
    if (count < 0 || count > 63)
        return fail(evaluation, "a shift is not by 0 to 63 bits");
    if (op == EXPRESSION_SHIFT_LEFT)
        return integer_value((int64_t)((uint64_t)a << count));
    return integer_value(a >> count); /* arithmetic: gcc and clang define it so */
}

static struct expression_value
bits(const struct evaluation *evaluation, enum expression_op op, struct expression_value a,
     struct expression_value b)
{
    if (a.kind != EXPRESSION_INTEGER || b.kind != EXPRESSION_INTEGER)
        return fail(evaluation, "a value is not an integer");
    switch (op) {
    case EXPRESSION_BIT_AND:
        return integer_value(a.integer & b.integer);
    case EXPRESSION_BIT_OR:
        return integer_value(a.integer | b.integer);
    case EXPRESSION_BIT_XOR:
        return integer_value(a.integer ^ b.integer);
    case EXPRESSION_MODULO:
        return integer_division(evaluation, op, a.integer, b.integer);
    default:
        return shift(evaluation, op, a.integer, b.integer);
    }
}

static struct expression_value
comparison(const struct evaluation *evaluation, enum expression_op op, struct expression_value a,
           struct expression_value b)
{
    if (a.kind != b.kind && (!is_number(a) || !is_number(b)))
        return fail(evaluation, "two values do not compare");
    int order = expression_compare(a, b);
    switch (op) {
    case EXPRESSION_EQ:
        return boolean_value(order == 0);
    case EXPRESSION_NOT_EQ:
        return boolean_value(order != 0);
    case EXPRESSION_LT:
        return boolean_value(order < 0);
    case EXPRESSION_LTE:
        return boolean_value(order <= 0);
    case EXPRESSION_GT:
        return boolean_value(order > 0);
    default:
        CHECK(op == EXPRESSION_GTE);
        return boolean_value(order >= 0);
    }
}

/* An operator of two operands that is null when one of them is. */
static struct expression_value
binary(const struct evaluation *evaluation, const struct expression *node)
{
    CHECK(node->operand_count == 2);
    struct expression_value a = evaluate(evaluation, node->operands[0]);
    struct expression_value b = evaluate(evaluation, node->operands[1]);
    if (a.kind == EXPRESSION_NULL || b.kind == EXPRESSION_NULL)
        return null_value;
    switch (node->op) {
    case EXPRESSION_ADD:
    case EXPRESSION_SUBTRACT:
    case EXPRESSION_MULTIPLY:
    case EXPRESSION_DIVIDE:
        return arithmetic(evaluation, node->op, a, b);
    case EXPRESSION_EQ:
    case EXPRESSION_NOT_EQ:
    case EXPRESSION_LT:
    case EXPRESSION_LTE:
    case EXPRESSION_GT:
    case EXPRESSION_GTE:
        return comparison(evaluation, node->op, a, b);
    default:
        return bits(evaluation, node->op, a, b);
    }
}

/* The operand that decides: false for AND, true for OR. Otherwise null if an operand is null. */
static struct expression_value
logic(const struct evaluation *evaluation, const struct expression *node)
{
    bool decides = node->op == EXPRESSION_OR;
    bool is_null = false;
    CHECK(node->op == EXPRESSION_AND || node->op == EXPRESSION_OR);
    for (uint32_t i = 0; i < node->operand_count; i++) {
        struct expression_value operand = evaluate(evaluation, node->operands[i]);
        if (operand.kind != EXPRESSION_NULL && operand.kind != EXPRESSION_BOOLEAN)
            operand = fail(evaluation, "a value is not a boolean");
        if (operand.kind == EXPRESSION_BOOLEAN && operand.boolean == decides)
            return boolean_value(decides);
        is_null = is_null || operand.kind == EXPRESSION_NULL;
    }
    return is_null ? null_value : boolean_value(!decides);
}

static bool
replaces(const struct evaluation *evaluation, enum expression_op op, struct expression_value found,
         struct expression_value best)
{
    if (best.kind == EXPRESSION_NULL)
        return true;
    if (op == EXPRESSION_COALESCE)
        return false;
    struct expression_value after = comparison(evaluation, EXPRESSION_LT, found, best);
    struct expression_value before = comparison(evaluation, EXPRESSION_GT, found, best);
    return expression_is_true(op == EXPRESSION_LEAST ? after : before);
}

/* greatest, least, coalesce: nulls are ignored. */
static struct expression_value
choice(const struct evaluation *evaluation, const struct expression *node)
{
    struct expression_value best = null_value;
    CHECK(node->operand_count > 0);
    for (uint32_t i = 0; i < node->operand_count; i++) {
        if (node->op == EXPRESSION_COALESCE && best.kind != EXPRESSION_NULL)
            break;
        struct expression_value found = evaluate(evaluation, node->operands[i]);
        if (found.kind != EXPRESSION_NULL && replaces(evaluation, node->op, found, best))
            best = found;
    }
    return best;
}

static struct expression_value
negation(const struct evaluation *evaluation, const struct expression *node,
         struct expression_value operand)
{
    if (operand.kind == EXPRESSION_NULL)
        return operand;
    if (node->op == EXPRESSION_NOT)
        return operand.kind == EXPRESSION_BOOLEAN ? boolean_value(!operand.boolean)
                                                  : fail(evaluation, "a value is not a boolean");
    if (node->op == EXPRESSION_COMPLEMENT)
        return operand.kind == EXPRESSION_INTEGER ? integer_value(~operand.integer)
                                                  : fail(evaluation, "a value is not an integer");
    CHECK(node->op == EXPRESSION_NEGATE);
    return arithmetic(evaluation, EXPRESSION_SUBTRACT, integer_value(0), operand);
}

static struct expression_value
evaluate(const struct evaluation *evaluation, const struct expression *node)
{
    switch (node->op) {
    case EXPRESSION_CONSTANT:
        return node->constant;
    case EXPRESSION_COLUMN:
        return evaluation->columns[node->column];
    case EXPRESSION_AND:
    case EXPRESSION_OR:
        return logic(evaluation, node);
    case EXPRESSION_GREATEST:
    case EXPRESSION_LEAST:
    case EXPRESSION_COALESCE:
        return choice(evaluation, node);
    case EXPRESSION_IS_NULL:
        return boolean_value(evaluate(evaluation, node->operands[0]).kind == EXPRESSION_NULL);
    case EXPRESSION_IS_TRUE:
        return boolean_value(expression_is_true(evaluate(evaluation, node->operands[0])));
    case EXPRESSION_IS_FALSE: {
        struct expression_value operand = evaluate(evaluation, node->operands[0]);
        return boolean_value(operand.kind == EXPRESSION_BOOLEAN && !operand.boolean);
    }
    case EXPRESSION_NOT:
    case EXPRESSION_COMPLEMENT:
    case EXPRESSION_NEGATE:
        return negation(evaluation, node, evaluate(evaluation, node->operands[0]));
    default:
        return binary(evaluation, node);
    }
}

struct expression_value
expression_evaluate(const struct expression *expression, const struct expression_value *columns,
                    struct expression_errors *errors)
{
    struct evaluation evaluation = {columns, errors};
    CHECK(expression->depth <= EXPRESSION_DEPTH_MAX);
    CHECK(errors != NULL);
    return evaluate(&evaluation, expression);
}
