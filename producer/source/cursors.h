/* All cursors of a database, for the `cursor` commands.
 *
 * The caller that changes a cursor holds the lock on its producer's name (cursor_try_lock), so that
 * no producer of that name runs. Every change compares the cursor with what was read before, in one
 * statement and one synchronous commit, as the producer's own writes do (cursor.h). One thread.
 */
#ifndef PRODUCER_SOURCE_CURSORS_H
#define PRODUCER_SOURCE_CURSORS_H

#include "producer/source/cursor.h"

/* A new epoch. Its numbers are greater than all that are saved or on the topic. */
struct cursors_epoch {
    int64_t epoch;
    int64_t generation; /* the next session adds one */
    bool new_topic_id;
    const char *position;    /* the snapshot that counts as delivered; NULL: the current one */
    const int64_t *offsets;  /* by partition, the last one on the topic; -1: none */
    const char *load_reason; /* why a load of everything is queued; NULL: none is */
};

/* Appends a JSON array with one object for each cursor, whether its producer runs or not. */
int cursors_list(struct pg *pg, struct buffer *out, struct error *err);

/* Opens the epoch for the cursor of `owner` (generation 0: creates the cursor). Its seqs begin
 * again at 1, and `*tick` is its first window. A queued load replaces unfinished ones. ERR_FATAL
 * when the cursor has changed since `owner` was read. */
int cursors_open_epoch(struct pg *pg, const struct config *config,
                       const struct cursor_history *history, const struct cursor_owner *owner,
                       const struct cursors_epoch *epoch, int64_t *tick, struct error *err);

/* Deletes a cursor with its positions and jobs. Its dead letters stay, because they hold ops rows.
 * `*found`: the cursor existed. */
int cursors_remove(struct pg *pg, const char *name, bool *found, struct error *err);

#endif
