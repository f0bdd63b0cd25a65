/* What the parts of the drain share: drain.c (windows), session.c (what comes before them) and
 * stream.c (rows).
 *
 * Functions return 0, a negative ERR_*, or DRAIN_STOPPED: somebody asked us to stop.
 */
#ifndef PRODUCER_DRAIN_DRAIN_INTERNAL_H
#define PRODUCER_DRAIN_DRAIN_INTERNAL_H

#include "producer/drain/drain.h"
#include "producer/sink/publisher.h"
#include "producer/source/cursor.h"
#include "producer/source/outbox.h"
#include "producer/source/source_snapshot.h"

enum { DRAIN_STOPPED = 1, DRAIN_SECOND_US = 1000000 };

struct drain {
    const struct config *config;
    struct status *status;
    struct status_progress progress;

    /* One session: nothing below outlives it (L3). */
    struct pg *pg; /* lock, cursor, snapshots */
    struct outbox *outbox;
    struct publisher *publisher;
    struct cursor_owner owner;
    struct cursor_window window; /* the newest saved position */
    int64_t *looked;             /* by partition: the topic has been looked at up to this offset */
    bool streaming;              /* rows of the window may not be acknowledged yet */
    bool window_has_rows;
    struct source_snapshot
        delivered;             /* all that this moment saw has been handed to the publisher */
    int64_t message_bytes_max; /* of the topic */
    int64_t saved_us;          /* monotonic, as those below */
    int64_t marked_us;
    int64_t second_us;
    bool rows_since_mark;
    int64_t active_us; /* when the last row was handed over */

    /* Of all sessions. */
    int64_t event_bytes_max;         /* the greatest message_bytes_max so far */
    struct error failure;            /* of the last session, until this one has got further */
    struct publisher_counts counted; /* by publishers that are gone */
    uint64_t measured_rows;          /* at measured_us */
    int64_t measured_us;
};

/* One turn of everything that goes on while something is awaited: shows that we live, takes what
 * the servers have sent (waiting up to `wait_ms` for the broker), and saves how far a long window
 * has come. */
int drain_turn(struct drain *drain, int wait_ms, struct error *err);

/* Turns until the publisher has nothing left to hand over. */
int drain_flush(struct drain *drain, struct error *err);

/* Turns until everything that was handed over is acknowledged. */
int drain_await_acks(struct drain *drain, struct error *err);

/* Waits without the servers. */
int drain_sleep(struct drain *drain, int ms);

/* Queues a mark of `moment` for every partition. */
int drain_add_marks(struct drain *drain, enum mark_kind kind, const struct source_snapshot *moment,
                    struct error *err);

/* Opens a session on both sides, up to where the first row may be sent. session_close() is due in
 * any case. */
int session_open(struct drain *drain, struct error *err);
void session_close(struct drain *drain);

/* Takes what has come of the chunk that is read, waiting up to `wait_ms` for more. */
int drain_pump(struct drain *drain, int wait_ms, struct error *err);

/* Turns until a chunk has been read, and takes it. */
int drain_take_chunk(struct drain *drain, struct outbox_chunk *chunk, struct error *err);

/* Asks for the window's rows behind `after_id`. */
int drain_start_chunk(struct drain *drain, int64_t after_id, const struct snapshot *s1,
                      const struct snapshot *s2, struct error *err);

/* Hands the rows of the saved window to the publisher, beginning with `first`. A window that is
 * `resumed` follows the verdicts that were stored about its rows. */
int stream_window(struct drain *drain, const struct outbox_chunk *first, bool resumed,
                  struct error *err);

#endif
