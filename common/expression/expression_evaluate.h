/* Evaluates an expression over a row. Pure; any thread. */
#ifndef COMMON_EXPRESSION_EXPRESSION_EVALUATE_H
#define COMMON_EXPRESSION_EXPRESSION_EVALUATE_H

#include "common/expression/expression_value.h"

struct expression;

/* What went wrong, over any number of evaluations. Zero-initialise. */
struct expression_errors {
    uint64_t count;
    const char *reason; /* of the last one; a constant */
};

/* `columns` are the values of the row, in the order of the columns that the expression was parsed
 * with. What has no value is null, and is counted. A string of the result is a column's or a
 * constant's. */
struct expression_value expression_evaluate(const struct expression *expression,
                                            const struct expression_value *columns,
                                            struct expression_errors *errors);

/* Whether a filter keeps the row: neither false nor null. */
bool expression_is_true(struct expression_value value);

/* Negative, 0 or positive. Both are not null, and both are numbers or of one kind. Integers and
 * floats compare exactly; false is below true; strings compare by their bytes. */
int expression_compare(struct expression_value a, struct expression_value b);

#endif
