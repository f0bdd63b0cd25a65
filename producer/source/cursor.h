/* The cursor: the position up to which the outbox is delivered, saved in the source database.
 *
 *     bitdex_producers   one row per producer: its generation and its topic; changes at a takeover
 *     bitdex_windows     one row more for every window; the greatest (tick, sub_id) is the position
 *
 * Every write locks the producer's row FOR SHARE and compares the generation in it with its own, in
 * one statement and one synchronous commit. A session that was superseded writes nothing and gets
 * ERR_FATAL "fenced". A window is saved before its first event is sent (L1); that commit also makes
 * the commits of the window's rows durable.
 *
 * The functions use the caller's database session, on which no transaction is open. One thread.
 */
#ifndef PRODUCER_SOURCE_CURSOR_H
#define PRODUCER_SOURCE_CURSOR_H

#include "common/base/error.h"
#include "common/config/config.h"
#include "common/event/snapshot.h"
#include "common/pg/pg.h"

enum { CURSOR_UUID_BYTES = 37, CURSOR_TIMELINE_BYTES = 9 };

/* One unbroken history of a database, and how far it has come. */
struct cursor_history {
    char system_identifier[24];
    /* Of the current WAL file, which shows a promotion before the control file. */
    char timeline[CURSOR_TIMELINE_BYTES];
    uint64_t next_xid;
};

/* One generation of a producer: who may write its cursor. */
struct cursor_owner {
    const char *name; /* producer.name of the configuration, which outlives it */
    int64_t epoch;
    int64_t generation; /* 0: no session has taken the cursor yet */
    char topic_id[CURSOR_UUID_BYTES];
    char timeline[CURSOR_TIMELINE_BYTES]; /* on which the epoch runs; "" without a cursor */
    bool source_empty;                    /* the source was empty when the epoch began */
    int64_t voided;                       /* number of its newest voided event; 0: there was none */
    int64_t voided_sent; /* all partitions have acknowledged the voided events up to this number */
};

/* A position: a window, and how far it is acknowledged. Owned arrays with one item for each
 * partition. */
struct cursor_window {
    int64_t tick;
    struct snapshot s1; /* all that it sees was delivered before this window */
    struct snapshot s2; /* all that it sees is delivered with this window */
    /* Every request that it sees is answered by an acknowledged chunk. It sees nothing that s1 does
     * not see. */
    struct snapshot answered;
    int64_t sub_id;      /* rows of the window up to this id are acknowledged; 0: perhaps none */
    int64_t last_row_id; /* greatest row id among all delivered rows; saved: of those that the
                            sequence has given */
    int32_t partitions;
    int64_t *seq;
    uint64_t *digest;
    uint64_t *content_digest;
    int64_t *offsets; /* of the last acknowledged message; -1: none */
};

/* A row that cannot be an event, or some of whose values cannot be in one. */
struct cursor_dead_letter {
    int64_t row_id;
    const char *reason;         /* UTF-8 */
    const char *invalid_values; /* JSON (ops_invalids_write); NULL: the whole row is rejected */
};

void cursor_window_init(struct cursor_window *window, int32_t partitions);
void cursor_window_free(struct cursor_window *window);

int cursor_read_history(struct pg *pg, struct cursor_history *history, struct error *err);

/* Takes the database session's lock on the producer's name, if it is free. Does not wait: a session
 * that waits for a lock holds back xmin (F64). */
int cursor_try_lock(struct pg *pg, const char *name, bool *locked, struct error *err);

/* Does a producer of this name hold the lock? */
int cursor_find_lock(struct pg *pg, const char *name, bool *locked, struct error *err);

/* Checks that the saved cursor belongs to this database and to this topic, and is not in the
 * future. Changes nothing; a producer without a cursor passes, and so does a new timeline, where
 * the topic decides (cursor_timeline_is_new()). The message of ERR_FATAL says what to do. */
int cursor_check(struct pg *pg, const struct config *config, const struct cursor_history *history,
                 struct error *err);
/* Checks only the topic, which a new epoch does not change. */
int cursor_check_topic(struct pg *pg, const struct config *config, struct error *err);

/* Reads the owner of the cursor. If there is no cursor, `*found` is false and `owner` is generation
 * 0 of epoch 1. */
int cursor_find_owner(struct pg *pg, const struct config *config, struct cursor_owner *owner,
                      bool *found, struct error *err);

/* True: the database was restored or failed over since the owner's epoch was saved. Rows that were
 * sent may be lost, and their ids and transaction ids be used again. The epoch may continue only if
 * the topic holds nothing later than the cursor (producer/drain/takeover.h). Pure. */
bool cursor_timeline_is_new(const struct cursor_owner *owner, const struct cursor_history *history);
/* `is`: the server was started after the owner last wrote to its row, as that of a copy is, and
 * that of a database that was restarted. `now_us`: its clock; `saved_us`: when the newest position
 * was saved, or 0. */
int cursor_is_of_earlier_server(struct pg *pg, const char *name, bool *is, int64_t *now_us,
                                int64_t *saved_us, struct error *err);
/* The owner's epoch continues on the timeline of `history`. */
int cursor_save_timeline(struct pg *pg, struct cursor_owner *owner,
                         const struct cursor_history *history, struct error *err);

/* Takes the next generation. A producer without a cursor gets one: epoch 1, with an empty position.
 * After cursor_check(). */
int cursor_take_over(struct pg *pg, const struct config *config,
                     const struct cursor_history *history, struct cursor_owner *owner,
                     struct error *err);

/* Reads the newest position. `window` was initialised with the configured partitions. */
int cursor_load(struct pg *pg, const struct cursor_owner *owner, struct cursor_window *window,
                struct error *err);

/* Reads the epoch of the producer `name` and the tick of its newest window, which are 0 without a
 * cursor. A step of a job that was not queued yet is sent in a later tick. */
int cursor_read_tick(struct pg *pg, const char *name, int64_t *epoch, int64_t *tick,
                     struct error *err);

/* Has the producer sent rows of the outbox, or begun to? `*delivered` is false without a cursor. */
int cursor_find_delivered(struct pg *pg, const struct config *config, bool *delivered,
                          struct error *err);
/* Has one argument, the name of the producer. */
#define CURSOR_DELIVERED_MESSAGE                                                                  \
    "producer \"%s\" has sent changes already, and CSV files are older than these: load from the" \
    " database with bitdex-producer load, or begin again with another topic and"                  \
    " bitdex-producer cursor remove"

/* Reads the offsets that were saved when window `tick` was opened, before any of its rows was sent.
 * `offsets` has one item for each partition. */
int cursor_read_opening(struct pg *pg, const struct cursor_owner *owner, int64_t tick,
                        int64_t *offsets, int32_t partitions, struct error *err);

/* Saves a position: opens the window (sub_id 0) or advances inside it. */
int cursor_save(struct pg *pg, const struct cursor_owner *owner, const struct cursor_window *window,
                struct error *err);

/* Saves the number of the next voided event, before it is sent, as owner->voided. */
int cursor_save_voided(struct pg *pg, struct cursor_owner *owner, struct error *err);
/* All partitions have acknowledged owner->voided, or have been loaded since. */
int cursor_save_voided_sent(struct pg *pg, struct cursor_owner *owner, struct error *err);

/* Deletes the positions of windows long before `tick`. */
int cursor_trim(struct pg *pg, const struct cursor_owner *owner, int64_t tick, struct error *err);

/* Changes nothing. ERR_FATAL "fenced" when the cursor has another owner. */
int cursor_check_owner(struct pg *pg, const struct cursor_owner *owner, struct error *err);

/* A statement that writes under the condition that `owner` still has the cursor begins with
 * CURSOR_OWNER, continues with an INSERT, UPDATE or DELETE that reads `FROM owner o`, and ends with
 * CURSOR_OWNER_END or another SELECT whose first column is count(*) FROM owner. Its parameters $1
 * to $3 are the owner's, and those from $4 on its own. */
#define CURSOR_OWNER                                                                          \
    "WITH owner AS (SELECT name FROM bitdex_producers WHERE name = $1 AND epoch = $2::bigint" \
    " AND generation = $3::bigint FOR SHARE), written AS ("
#define CURSOR_OWNER_END ") SELECT count(*) FROM owner"
enum { CURSOR_WRITE_PARAMS_MAX = 16 };
/* The caller clears `*written`, the row of the statement; NULL: it is not needed. */
int cursor_write(struct pg *pg, const struct cursor_owner *owner, const char *sql,
                 const char *const *more, int count, struct pg_result **written, struct error *err);

/* Stores rows of window `tick` as dead letters, with their ops as they are in the outbox (L9). Row
 * ids ascend. A row that is stored already stays as it is, except that more of its values may
 * turn out to be invalid. */
int cursor_add_dead_letters(struct pg *pg, const struct cursor_owner *owner, int64_t tick,
                            const struct cursor_dead_letter *letters, uint32_t count,
                            struct error *err);

/* Lists the stored dead letters with after_id < row id <= last_id, ascending, in `arena`. */
int cursor_list_dead_letters(struct pg *pg, const struct cursor_owner *owner, int64_t after_id,
                             int64_t last_id, struct arena *arena,
                             const struct cursor_dead_letter **letters, uint32_t *count,
                             struct error *err);

#endif
