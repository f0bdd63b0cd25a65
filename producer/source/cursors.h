/* The cursors of a database from outside: what the `cursor` commands see and change.
 *
 * Whoever changes one holds the lock on its producer's name (cursor_try_lock), so that no producer
 * of that name runs; and every write finds the cursor as it was read, in one statement and one
 * synchronous commit, as the producer's own writes do (cursor.h). One thread.
 */
#ifndef PRODUCER_SOURCE_CURSORS_H
#define PRODUCER_SOURCE_CURSORS_H

#include "producer/source/cursor.h"

/* A new epoch: where it begins, and what it must be above. */
struct cursors_epoch {
    int64_t epoch;      /* above everything saved and on the topic, as generation */
    int64_t generation; /* which the next run raises */
    bool new_topic_id;
    const char *position;    /* a snapshot, taken as delivered; NULL: that of the write itself */
    const int64_t *offsets;  /* by partition, the last one on the topic */
    const char *load_reason; /* why everything is to be loaded; NULL: no load is queued */
};

/* Appends a JSON array with an object for each cursor, whether its producer runs or not. */
int cursors_list(struct pg *pg, struct buffer *out, struct error *err);

/* Opens the epoch for the cursor of `owner`, of generation 0 if there is none yet: numbers begin
 * again at 1. A queued load takes the place of unfinished ones. `*tick` is the first window's.
 * ERR_FATAL when the cursor is not what `owner` says any more. */
int cursors_open_epoch(struct pg *pg, const struct config *config,
                       const struct cursor_history *history, const struct cursor_owner *owner,
                       const struct cursors_epoch *epoch, int64_t *tick, struct error *err);

/* Deletes a cursor with its positions and jobs. Dead letters stay: they are rows. `*found` tells
 * whether there was one. */
int cursors_remove(struct pg *pg, const char *name, bool *found, struct error *err);

#endif
