/* The mirror: shows in the source database, in bitdex_cursors, how far the partitions of this
 * process are (schemas/outbox.sql).
 *
 * It gets positions that the broker has acknowledged as the group's offsets, so that
 * mirrored <= committed (law L5). Nothing depends on it: a database that is away is tried again in
 * the background, and no worker waits.
 *
 * A row belongs to whoever began to own the partition last: `ownership` counts that, and only its
 * holder writes, forwards. One who was overtaken without knowing drops its position, and takes the
 * row back only with a later one, which the broker acknowledges to the group's true member alone.
 *
 * It has a thread and a session of its own. Its functions are for any thread, and do nothing (or
 * know nothing) for NULL.
 */
#ifndef CONSUMER_GROUP_CURSOR_TABLE_H
#define CONSUMER_GROUP_CURSOR_TABLE_H

#include "common/config/config.h"
#include "consumer/partition/sequence.h"

struct cursor_table;

/* `table` is NULL on error, and when no database is configured. `config` must outlive it. */
int cursor_table_start(const struct config *config, struct cursor_table **table, struct error *err);
/* Writes what is left. A database that does not answer is not waited for longer than seconds: then
 * the thread stays behind, for the process is about to end. */
void cursor_table_stop(struct cursor_table *mirror);

/* The partition is ours from now on. */
void cursor_table_begin(struct cursor_table *mirror, int32_t partition);
/* `sequence` stands before `offset`, and that is committed. */
void cursor_table_put(struct cursor_table *mirror, int32_t partition, int64_t offset,
                      const struct sequence *sequence);

/* The offset that the database has of this ownership; -1: none. */
int64_t cursor_table_offset(struct cursor_table *mirror, int32_t partition);
/* Why nothing is written, terminated; "" when all is well. */
void cursor_table_error(struct cursor_table *mirror, char *out, size_t bytes);

#endif
