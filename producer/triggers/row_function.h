/* The view and the functions by which the trigger functions of a table look at its rows.
 *
 * The view has the columns that are read, bound to the columns of the table and not to their names
 * (F91). By it a trigger looks whether the version that it was called for is still the row.
 *
 * A row function is SQL over one row of the view, or two versions of one. Postgres parses it when
 * it is created, which binds columns, labels, functions and operators: nobody can put another
 * function before the one that was meant (F97). It is one expression, which Postgres puts into the
 * plans of the function that calls it. Expressions of the configuration are functions of their own,
 * resolved by its search_path; everything else is resolved in pg_catalog alone. (A function that is
 * parsed over rows of the table would make Postgres refuse to rewrite the table.)
 *
 * `renamed` returns NULL, or after a rename the statement that reads a row of the table, its
 * parameter, as one of the view. Its value is a part of the plans of statements that call it.
 *
 * Loads have guards (guard.h) over rows of the table, whose text is parsed when it is called.
 */
#ifndef PRODUCER_TRIGGERS_ROW_FUNCTION_H
#define PRODUCER_TRIGGERS_ROW_FUNCTION_H

#include "common/base/memory.h"
#include "producer/triggers/object.h"
#include "producer/triggers/row_table.h"

/* Appends the view and the row functions of the table, and fills their names into it. Everything is
 * allocated from `arena`. */
void row_function_add(struct row_table *table, struct arena *arena,
                      struct trigger_objects *objects);

#endif
