/* The bodies of the trigger functions, in PL/pgSQL, each from DECLARE or BEGIN to END. Pure; any
 * thread.
 *
 * OLD is all null in an INSERT, and NEW in a DELETE; names of our own begin with an underscore, and
 * what else could be a column or a variable is a column.
 */
#ifndef PRODUCER_TRIGGERS_BODY_H
#define PRODUCER_TRIGGERS_BODY_H

#include "producer/triggers/entry.h"

/* AFTER INSERT OR DELETE for each row of the entry's table, or AFTER UPDATE. */
void body_append_row(struct buffer *out, const struct entry *entry, bool is_update);

/* The same on its child table: an entity that comes, or moves to another parent, gets the fields of
 * the parent, which is read with a lock: neither can pass the other unseen (F32). */
void body_append_child(struct buffer *out, const struct entry *entry);

/* The condition of an UPDATE's trigger: a column that the function reads has changed. */
void body_append_when(struct buffer *out, const struct entry *entry, bool is_child);

/* BEFORE TRUNCATE of `table`, for each statement: the entry's table, its child table, or one of
 * their partitions. */
void body_append_truncate(struct buffer *out, const struct entry *entry,
                          const struct entry_table *table, bool is_child);

#endif
