/* The bodies of the generated trigger functions: PL/pgSQL, from #variable_conflict to END. Pure;
 * any thread.
 *
 * A body is the same for every table, apart from the names of row functions, the view and the
 * outbox, and the list of columns by which it reads a version of the row. It reads no other table.
 *
 * Every function appends to `out`. row_function_add() has filled the table's names.
 */
#ifndef PRODUCER_TRIGGERS_BODY_H
#define PRODUCER_TRIGGERS_BODY_H

#include <stdbool.h>

#include "common/base/memory.h"
#include "producer/triggers/entry.h"
#include "producer/triggers/row_table.h"

/* For each row, AFTER the event. */
void body_append_insert(struct buffer *out, const struct row_table *table);
void body_append_update(struct buffer *out, const struct row_table *table);
void body_append_delete(struct buffer *out, const struct row_table *table);

/* BEFORE TRUNCATE, for each statement, of the table or a partition of it. */
void body_append_truncate(struct buffer *out, const struct row_table *table,
                          const struct entry_table *truncated);

/* Does TRUNCATE of the table write that all of its entries' rows changed, or is it refused? */
bool body_truncate_emits(const struct row_table *table);

#endif
