/* A dump phase as it is executed: its expressions parsed, and what its columns hold inferred from
 * their uses and from the fields of the index. Pure; any thread.
 */
#ifndef COMMON_CONFIG_CONFIG_PHASE_H
#define COMMON_CONFIG_CONFIG_PHASE_H

#include <stdbool.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/config/config.h"
#include "common/expression/expression_value.h"

struct expression;

/* What one field gets from a row: the value where both conditions are true. */
struct phase_value {
    const char *target;
    bool is_multi_value;              /* whether the field is: a row adds a value */
    bool is_column;                   /* the value is `column`, else what `value` evaluates to */
    uint32_t column;                  /* its place in phase->columns */
    expression_types types;           /* what the field holds; any, when the fields are unknown */
    const struct expression *filter;  /* NULL: always true */
    const struct expression *asserts; /* the condition of a `value`; NULL: always true */
    const struct expression *value;
};

struct phase_program {
    const struct config_dump_phase *phase;
    expression_types *types; /* by column */
    uint32_t slot_column;
    const struct expression *filter; /* NULL: every row */
    struct phase_value *values;      /* those of `fields`, then those of `computed_fields` */
    uint32_t value_count;
};

/* Fills `*program`, which belongs to `arena` and points to the configuration. `known` has the types
 * of the columns, from the catalogue: 0 for a type that no expression can use. NULL: they are
 * inferred, and a column without uses is a string. ERR_USAGE: an expression is invalid, or a column
 * is used as two types; *refused is then the address of that setting in the configuration. */
int config_phase_compile(const struct config *config, const struct config_dump_phase *phase,
                         const expression_types *known, struct arena *arena,
                         struct phase_program *program, const void **refused, struct error *err);

#endif
