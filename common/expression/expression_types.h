/* What is known of the types of an expression before a row is read. Pure; any thread.
 *
 * Columns of a CSV file have no types. Each use of a column demands one: & demands an integer, a
 * comparison with 'text' a string, the field of the index that the value is for what the field
 * holds. All expressions of one file narrow the types of its columns together.
 */
#ifndef COMMON_EXPRESSION_EXPRESSION_TYPES_H
#define COMMON_EXPRESSION_EXPRESSION_TYPES_H

#include <stdbool.h>

#include "common/base/error.h"
#include "common/expression/expression_value.h"

struct expression;

struct expression_columns {
    const char *const *names;
    expression_types *types; /* never empty, except for a column that no expression can use */
    uint32_t count;
};

/* Narrows the types of the columns to what the expression demands when its value is one of
 * `wanted`. Sets *changed when a type has changed: the caller repeats the call for all expressions
 * until nothing changes. ERR_DATA with the character and the reason: a demand cannot be met, and
 * the types are then of no use. */
int expression_infer(const struct expression *expression, expression_types wanted,
                     const struct expression_columns *columns, bool *changed, struct error *err);

/* Marks the columns that the expression reads, in a list by column. */
void expression_mark_columns(const struct expression *expression, bool *is_read);

/* "an integer", "a number", ...; of all kinds "a value". */
const char *expression_types_name(expression_types types);

#endif
