/* One row of a dump phase: from the values of its columns to the values of fields. Pure; any
 * thread. */
#ifndef PRODUCER_LOAD_PHASE_ROW_H
#define PRODUCER_LOAD_PHASE_ROW_H

#include "common/base/memory.h"
#include "common/config/config_phase.h"
#include "common/expression/expression_value.h"

/* What is reported of a value that could not be had; the value is null then. */
struct phase_problem {
    const char *target; /* the field; NULL: the filter, and the row is left out */
    const char *reason; /* a constant: "is not an integer" */
};

enum { PHASE_PROBLEMS_MAX = 32 }; /* of one row; further ones are not described */

struct phase_row {
    bool is_kept; /* the filter is true */
    /* By value of the program: what the field gets, null for nothing. Integers for a field of
     * integers, and so on, as phase_value.types says. Strings are those of the columns. */
    struct expression_value *values;
    struct phase_problem problems[PHASE_PROBLEMS_MAX];
    uint32_t problem_count;
};

/* Reads a column from its text. False, with a reason: the text is not of these types. Of several
 * types, a number is an integer where it can be one. */
bool phase_parse_value(struct text text, expression_types types, struct expression_value *value,
                       const char **reason);

/* Fills `*row`, whose `values` has room for program->value_count. `columns` are the values of the
 * columns that the program reads. */
void phase_evaluate(const struct phase_program *program, const struct expression_value *columns,
                    struct phase_row *row);

/* Whether both conditions of a value are true. */
bool phase_value_applies(const struct phase_value *value, const struct expression_value *columns,
                         struct phase_row *row);

/* Marks the columns that the program reads, in a list by column. */
void phase_mark_columns(const struct phase_program *program, bool *is_read);

#endif
