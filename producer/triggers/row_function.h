/* The view and the functions by which the trigger functions of a table look at its rows.
 *
 * A row function is SQL over one row, or two versions of one. Postgres parses it when it is
 * created, which binds tables, columns, labels, functions and operators: a rename does not break it
 * (F91), and nobody can put another function before the one that was meant (F97). It is one
 * expression, which Postgres puts into the plans of the function that calls it. Expressions of the
 * configuration are functions of their own, resolved by its search_path; everything else is
 * resolved in pg_catalog alone.
 *
 * The view has the rows of the table, by which a trigger looks whether the version that it was
 * called for is still the row. It is bound likewise.
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
