/* The cursor table: shows in the source database, in bitdex_cursors, how far the partitions of this
 * process are (schemas/outbox.sql).
 *
 * It gets offsets that the broker has acknowledged as the group's, so that cursor table <=
 * committed (law L5). Nothing depends on it: a database that does not answer is tried again in the
 * background, and no worker waits.
 *
 * A row belongs to the process that began to own the partition last. The row's `ownership` counts
 * owners: only the owner with the newest count writes the row, and only forwards. A process that
 * was superseded without noticing drops its offset. It takes the row back only with a later offset,
 * which the broker acknowledges to the current member of the group alone.
 *
 * The cursor table has a thread and a session of its own. Any thread may call these functions. A
 * NULL table is allowed: nothing is written, and nothing is known.
 */
#ifndef CONSUMER_GROUP_CURSOR_TABLE_H
#define CONSUMER_GROUP_CURSOR_TABLE_H

#include "common/base/error.h"
#include "common/config/config.h"
#include "consumer/partition/sequence.h"

struct cursor_table;

/* `*table` is NULL on error, and when no database is configured. `config` must outlive it. */
int cursor_table_start(const struct config *config, struct cursor_table **table, struct error *err);
/* Writes what waits, and frees the table. When the database does not answer within seconds, the
 * thread is left running, because the process is about to end. */
void cursor_table_stop(struct cursor_table *table);

/* Begins a new ownership of the partition. */
void cursor_table_begin(struct cursor_table *table, int32_t partition);
/* `offset` is committed, and `sequence` is the position there. Offsets of an ownership do not go
 * back. */
void cursor_table_put(struct cursor_table *table, int32_t partition, int64_t offset,
                      const struct sequence *sequence);

/* The offset of this ownership that the database has; -1: none. */
int64_t cursor_table_offset(struct cursor_table *table, int32_t partition);
/* Why nothing is written, terminated; "" without an error. */
void cursor_table_error(struct cursor_table *table, char *out, size_t bytes);

#endif
