/* The bodies of the generated trigger functions: PL/pgSQL, from #variable_conflict to END. Pure;
 * any thread.
 *
 * One function serves INSERT and DELETE, where OLD and NEW, respectively, are all null. The names
 * of its own variables and aliases begin with an underscore; where a column has the same name, the
 * name means the column.
 *
 * Every function appends to `out`. `entry` has been read from the catalogue (catalogue.h).
 */
#ifndef PRODUCER_TRIGGERS_BODY_H
#define PRODUCER_TRIGGERS_BODY_H

#include "common/base/memory.h"
#include "producer/triggers/entry.h"

/* Of the entry's table, for each row: AFTER INSERT OR DELETE, or with `is_update` AFTER UPDATE. */
void body_append_row(struct buffer *out, const struct entry *entry, bool is_update);

/* Of the entry's child table, for each row: an entity that is inserted, or moves to another parent,
 * gets the fields of its parent. The parent is read with a row lock, so that of two concurrent
 * changes the later one sees the earlier one (F32). */
void body_append_child(struct buffer *out, const struct entry *entry);

/* The WHEN condition of an UPDATE trigger: a column that its function reads has changed. */
void body_append_when(struct buffer *out, const struct entry *entry, bool is_child);

/* BEFORE TRUNCATE, for each statement, of `table`: the entry's table, with `is_child` its child
 * table, or one of their partitions. */
void body_append_truncate(struct buffer *out, const struct entry *entry,
                          const struct entry_table *table, bool is_child);

#endif
