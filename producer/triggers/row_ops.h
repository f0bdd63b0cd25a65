/* The SQL expressions of what a row means for its entity, or for the entities of a parent: ops and
 * requests as text, with a comma before each; empty text where there is nothing to say. They are
 * the bodies of row functions (row_function.h), with the parameter _row, or _old and _new for two
 * versions of a row, and are resolved in pg_catalog alone. Pure; any thread.
 *
 * A row says something only while it is the row: the caller has looked.
 */
#ifndef PRODUCER_TRIGGERS_ROW_OPS_H
#define PRODUCER_TRIGGERS_ROW_OPS_H

#include "common/base/memory.h"
#include "producer/triggers/row_table.h"

/* The entity gets what the row says. */
void row_ops_append_enter(struct buffer *out, const struct row_group *group);

/* The entity loses what the row said: no other row says the same. */
void row_ops_append_leave(struct buffer *out, const struct row_group *group);

/* The row changed, and its entity did not. Without what row_ops_append_left() takes back. */
void row_ops_append_update(struct buffer *out, const struct row_table *table,
                           const struct row_group *group);

/* The values of proved joins that the row had and has no more: the caller has to look whether
 * another row has them by now. */
void row_ops_append_left(struct buffer *out, const struct row_group *group);

/* A literal: requests for the entity by every role of the group. */
void row_ops_append_ask(struct buffer *out, const struct row_group *group);

/* The same for a row that appears: also for what outlived an earlier one, as
 * row_ops_append_enter(). */
void row_ops_append_ask_enter(struct buffer *out, const struct row_group *group);

/* Requests for the entities of the parent, by its key. */
void row_ops_append_keys(struct buffer *out, const struct row_table *table);

/* The same by the old key and the new one, where an entity may show something that changed. */
void row_ops_append_moves(struct buffer *out, const struct row_table *table);

/* The condition that a column differs in `new` and `old`, the names of rows. */
void row_ops_append_change(struct buffer *out, const struct entry_table_column *column,
                           const char *new, const char *old);

/* A literal: all entities of all roles of the table are to be read. */
void row_ops_append_all(struct buffer *out, const struct row_table *table);

#endif
