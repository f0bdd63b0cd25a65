/* What is known of an SQL expression of the configuration from its text alone. Pure; any thread. */
#ifndef PRODUCER_TRIGGERS_SQL_MAY_FAIL_H
#define PRODUCER_TRIGGERS_SQL_MAY_FAIL_H

#include <stdbool.h>

/* Can Postgres fail to evaluate the expression for some row? False only where it is made of parts
 * that have a result for all values: columns, literals, comparisons, logic, bits, choices
 * (CASE, coalesce, greatest, least) and casts to text. Whether they have one for the types of the
 * columns is another question (guard.c). A cast to a number, a division or any other
 * function can fail. */
bool sql_may_fail(const char *expression);

#endif
