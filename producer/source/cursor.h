/* The cursor: what has been delivered, saved in the source database (DESIGN "Cursor").
 *
 *     bitdex_producers   one row per producer: who may write, to which topic; changes at a takeover
 *     bitdex_windows     appended to for every window; the greatest (tick, sub_id) is the position
 *
 * Every write holds the producer's row FOR SHARE and finds its own generation there, in one
 * statement and one synchronous commit: whoever has been superseded writes nothing and learns it
 * (ERR_FATAL "fenced"). A window's row is saved before its first event is sent (L1), which also
 * makes the commits of its own rows durable.
 *
 * The functions work on the caller's session, on which no transaction is open. One thread.
 */
#ifndef PRODUCER_SOURCE_CURSOR_H
#define PRODUCER_SOURCE_CURSOR_H

#include "common/config/config.h"
#include "common/pg/pg.h"
#include "producer/source/snapshot.h"

enum { CURSOR_UUID_BYTES = 37 };

/* One unbroken history of a database, and the moment it has reached. */
struct cursor_history {
    char system_identifier[24];
    char timeline[9]; /* of the current WAL file; the control file lags behind a promotion */
    uint64_t next_xid;
};

/* One ownership of a producer's name. */
struct cursor_owner {
    const char *name; /* the configuration's */
    int64_t epoch;
    int64_t generation;
    char topic_id[CURSOR_UUID_BYTES];
    bool source_empty; /* when the epoch began */
};

/* A position. Arrays have one item for each partition. */
struct cursor_window {
    int64_t tick;
    struct snapshot s1;  /* delivered before this window */
    struct snapshot s2;  /* delivered with it */
    int64_t sub_id;      /* its rows up to this id are acknowledged; 0: none need be */
    int64_t last_row_id; /* greatest row id delivered up to here */
    int32_t partitions;
    int64_t *seq;
    uint64_t *digest;
    int64_t *offsets; /* of the last acknowledged message; -1: none */
};

struct cursor_dead_letter {
    int64_t row_id;
    const char *reason; /* UTF-8 */
};

void cursor_window_init(struct cursor_window *window, int32_t partitions);
void cursor_window_free(struct cursor_window *window);

int cursor_read_history(struct pg *pg, struct cursor_history *history, struct error *err);

/* The session's lock on the producer's name. Never blocks: a session that waits for a lock pins
 * xmin (F64). */
int cursor_try_lock(struct pg *pg, const char *name, bool *locked, struct error *err);

/* Is the saved cursor of this database's history, and of this topic? Changes nothing; a producer
 * without a cursor is all right. ERR_FATAL names the way out. */
int cursor_check(struct pg *pg, const struct config *config, const struct cursor_history *history,
                 struct error *err);
/* Only that it is of this topic: what a new epoch does not change. */
int cursor_check_topic(struct pg *pg, const struct config *config, struct error *err);

/* Who owns the cursor. Without one, `*found` is false and `owner` is generation 0 of epoch 1. */
int cursor_find_owner(struct pg *pg, const struct config *config, struct cursor_owner *owner,
                      bool *found, struct error *err);

/* Takes a new generation; the first time, opens epoch 1 with an empty position. After
 * cursor_check(). */
int cursor_take_over(struct pg *pg, const struct config *config,
                     const struct cursor_history *history, struct cursor_owner *owner,
                     struct error *err);

/* The newest position. `window` is initialised, with the configured partitions. */
int cursor_load(struct pg *pg, const struct cursor_owner *owner, struct cursor_window *window,
                struct error *err);

/* The offsets as they were when window `tick` was opened, before anything of it was sent. `offsets`
 * has one item for each partition. */
int cursor_read_opening(struct pg *pg, const struct cursor_owner *owner, int64_t tick,
                        int64_t *offsets, int32_t partitions, struct error *err);

/* Saves a position: opens the window (sub_id 0) or moves on inside it. */
int cursor_save(struct pg *pg, const struct cursor_owner *owner, const struct cursor_window *window,
                struct error *err);

/* Deletes positions that lie some way behind `tick`. */
int cursor_trim(struct pg *pg, const struct cursor_owner *owner, int64_t tick, struct error *err);

/* Keeps rows as dead letters, with their ops as they are in the outbox (L9). Rows that are kept
 * already stay as they are. */
int cursor_add_dead_letters(struct pg *pg, const struct cursor_owner *owner, int64_t tick,
                            const struct cursor_dead_letter *letters, uint32_t count,
                            struct error *err);

/* Dead letters with after_id < row id <= last_id, ascending, into `arena`: a window that is resumed
 * follows them, whatever this version thinks of those rows (F79). */
int cursor_list_dead_letters(struct pg *pg, const struct cursor_owner *owner, int64_t after_id,
                             int64_t last_id, struct arena *arena,
                             const struct cursor_dead_letter **letters, uint32_t *count,
                             struct error *err);

#endif
