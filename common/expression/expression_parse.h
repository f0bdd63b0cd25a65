/* The expressions of `dump_phases`: filters and computed fields, over the columns of a row.
 *
 * The grammar is PostgreSQL's, with its precedences; from the weakest to the strongest:
 *
 *     OR ||
 *     AND &&
 *     NOT
 *     IS [NOT] NULL, IS [NOT] TRUE, IS [NOT] FALSE
 *     = == <> != < <= > >=            two operands only: a < b < c is refused
 *     & | # << >> and prefix ~        from left to right, all alike; # is exclusive or
 *     + -
 *     * / %
 *     prefix - + !                    ! is NOT, which binds as in C
 *     (expression), a constant, a column, and the functions greatest, least, coalesce, max, min
 *
 * - Constants: 13, 1.5, 1e3, 'text' ('' is a quote in it), true, false, null.
 * - A column: its name, which is taken as it is written (PostgreSQL would fold it to lower case),
 *   "name" or {name}. max and min of several values are other names of greatest and least.
 * - = null and == null mean IS NULL, != null and <> null mean IS NOT NULL.
 * - Keywords and functions in any case.
 *
 * Nulls follow SQL's three-valued logic. Integers have 64 bits, other numbers are doubles; an
 * integer divided by an integer is an integer, rounded towards zero. Strings compare by their
 * bytes. What has no value (an overflow, a division by zero, a shift of a count outside of 0 to 63)
 * is an error value: null, and counted (expression_evaluate.h).
 */
#ifndef COMMON_EXPRESSION_EXPRESSION_PARSE_H
#define COMMON_EXPRESSION_EXPRESSION_PARSE_H

#include <stdint.h>

#include "common/base/error.h"
#include "common/base/memory.h"

struct expression;

/* Parses `text` into `arena`. `columns`, of which the tree keeps only the places, are the names
 * that it may use. The strings of the tree belong to the arena. ERR_DATA has the character, from 1,
 * and the reason. */
int expression_parse(struct text text, const char *const *columns, uint32_t column_count,
                     struct arena *arena, const struct expression **expression, struct error *err);

/* Whether the expression is nothing but a column, and which. */
bool expression_is_column(const struct expression *expression, uint32_t *column);

#endif
