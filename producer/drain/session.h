/* One session of the drain: its position in the outbox, its connections to the source database, and
 * its publisher.
 *
 * takeover.h fills a session; an error of any call below ends it. Only what is saved in the cursor
 * outlives a session (L3), and the next session sends again from there (L4).
 *
 * Functions return 0, a negative ERR_*, or SESSION_STOPPED: a shutdown was requested. They belong
 * to the drain's thread. Functions that wait call session_turn() repeatedly, so that the session
 * serves both servers meanwhile.
 */
#ifndef PRODUCER_DRAIN_SESSION_H
#define PRODUCER_DRAIN_SESSION_H

#include "common/base/error.h"
#include "common/config/config.h"
#include "common/pg/pg.h"
#include "producer/drain/progress.h"
#include "producer/load/load_chunk.h"
#include "producer/load/window_reading.h"
#include "producer/refresh/owed.h"
#include "producer/sink/publisher.h"
#include "producer/sink/topic_watch.h"
#include "producer/source/cursor.h"
#include "producer/source/outbox.h"
#include "producer/source/source_snapshot.h"
#include "producer/triggers/covered.h"

enum { SESSION_STOPPED = 1, SESSION_NAME_BYTES = 17 };

struct session {
    const struct config *config;
    struct progress *progress;
    struct status *status;     /* of `progress` */
    struct topic_watch *watch; /* of all sessions; NULL: nobody looks for rivals */

    /* Owned; NULL until the takeover opens them. */
    struct pg *pg; /* for the lock on the name, the cursor, source snapshots */
    struct outbox *outbox;
    struct window_reading *reading; /* for what follows a window; connects when it is used */
    struct publisher *publisher;

    struct cursor_history history; /* of the database that the session is connected to */
    int64_t message_bytes_max;     /* max.message.bytes of the topic */
    struct cursor_owner owner;
    char start_name[SESSION_NAME_BYTES]; /* random, in every mark (L3) */
    struct arena arena;
    struct covered_fields covered; /* as read when the session began or by a load; in `arena` */
    struct buffer trigger_version; /* as of covered (in_place_read_version()) */
    struct cursor_window window;   /* the newest saved position */
    struct owed *owed;             /* owned; NULL until the takeover has loaded the position */
    bool requests_taken;           /* of the window that is sent */
    int64_t saved_tick;            /* of the position in the cursor, as loaded or saved last */
    int64_t saved_sub_id;
    /* All rows that this snapshot sees have been handed to the publisher. */
    struct source_snapshot delivered;
    int64_t *checked_offsets; /* by partition: the topic is checked up to this offset; owned */
    bool window_pending;      /* rows of the window may not be acknowledged yet */
    bool window_has_rows;
    bool rows_wait; /* rows of the window may have to be sent */
    bool rows_since_mark;
    bool is_watched;    /* by `watch`, since the fence is acknowledged */
    struct rival rival; /* a producer on a copy of the database, which ended the session */
    int64_t saved_us;   /* monotonic: when the position was last saved, or loaded */
    int64_t second_us;  /* monotonic: when the work of each second was last done */
    int64_t guards_us;  /* monotonic: when the guards of the source were last asked */
};

/* `config`, `progress` and `watch` outlive the session, which session_close() releases. */
void session_init(struct session *session, const struct config *config, struct progress *progress,
                  struct topic_watch *watch);
/* Keeps `config` and `progress`, so that session_sleep() may follow. */
void session_close(struct session *session);

/* One turn of everything that a session does while it waits: gives a heartbeat, takes what the
 * servers have sent (waiting up to `wait_ms` for the broker), once a second saves how far a long
 * window has come, and asks the guards of the source again (guards_check_again()). */
int session_turn(struct session *session, int wait_ms, struct error *err);
/* From now on, what others write to the topic is looked at (L3). */
void session_begin_watch(struct session *session);
/* Hands everything that was added to the publisher to the Kafka client. */
int session_flush(struct session *session, struct error *err);
/* Waits until everything that was handed over is acknowledged. */
int session_await_acks(struct session *session, struct error *err);
/* Waits `ms` with heartbeats, without using the servers. */
int session_sleep(struct session *session, int ms);

/* Queues an event that takes no seq, of the present window, for a partition (-1: for all of them),
 * and sends what is enough for that. ERR_DATA: it cannot be sent. */
int session_add_control(struct session *session, int32_t partition, struct event *event,
                        struct error *err);
/* Queues a mark of `snapshot` for every partition. */
int session_add_marks(struct session *session, enum mark_kind kind,
                      const struct source_snapshot *snapshot, struct error *err);

/* Queues all chunks of a reading. */
int session_add_chunk(struct session *session, const struct load_chunk *chunk, struct error *err);

/* Requests the rows with id > `after_id` of the window between s1 and s2. */
int session_start_chunk(struct session *session, int64_t after_id, const struct snapshot *s1,
                        const struct snapshot *s2, struct error *err);
/* Requests the requests among the rows of `rest`. */
int session_start_requests(struct session *session, const struct owed_rest *rest,
                           struct error *err);
/* Takes what has arrived of the requested chunk, waiting up to `wait_ms` for more. */
int session_pump(struct session *session, int wait_ms, struct error *err);
/* Waits until the requested chunk is complete, and takes it. */
int session_take_chunk(struct session *session, struct outbox_chunk *chunk, struct error *err);

/* The fields that the triggers cover were read again: marks name these from now on. False: they are
 * the same. */
bool session_set_covered(struct session *session, const struct covered_fields *covered);

/* The takeover calls it when it has loaded `window`, the saved position. */
void session_set_loaded(struct session *session);
/* Records that all rows that `snapshot` sees have been handed to the publisher. */
void session_set_delivered(struct session *session, const struct source_snapshot *snapshot);
/* Saves the next window, from `delivered` to `s2`, before the first of its rows is sent (L1).
 * Every event of the previous window must be acknowledged, which the saved window then proves. */
int session_open_window(struct session *session, const struct snapshot *s2, struct error *err);
/* Saves the newest acknowledged place inside the window, if it is newer than the saved one. */
int session_save_progress(struct session *session, struct error *err);

#endif
