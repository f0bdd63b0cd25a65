/* What drain and trimmer are doing, for people: shared between their threads and those of the HTTP
 * server.
 *
 * The two publish; anybody reads a copy. Any thread.
 */
#ifndef PRODUCER_DRAIN_STATE_H
#define PRODUCER_DRAIN_STATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/metrics/metrics.h"
#include "producer/source/retention.h"

enum state_phase {
    STATE_DATABASE, /* waiting for the source database */
    STATE_LOCK,     /* another producer of this name has the lock */
    STATE_BROKER,   /* waiting for the topic, or for our fence to be acknowledged */
    STATE_TOPIC,    /* looking at what is on the topic */
    STATE_DRAINING,
    STATE_STOPPING,
    STATE_STOPPED,
};

enum { STATE_TROUBLE_BYTES = 512 };

/* All of this run; ids and numbers as of the last look at the source. */
struct state_progress {
    int64_t epoch;
    int64_t generation;
    int64_t tick;
    int64_t last_row_id; /* greatest sent */
    int64_t max_row_id;  /* greatest that exists, or while rows wait, that was given out */
    int64_t backlog_rows;
    int64_t delivered_clock_us; /* the source's clock at a moment all of which is acknowledged */
    int64_t moved_us; /* monotonic: when something was last acknowledged, or nothing was due */
    int64_t acked_us; /* wall clock: when something was last acknowledged */
    int64_t cycle_us; /* how long the last window took */
    uint64_t outstanding;
    uint64_t rows;
    uint64_t events;
    uint64_t marks;
    uint64_t bytes;
    uint64_t dead_letters;
    uint64_t sessions;
    uint64_t looks;
    double rows_per_second;
    bool failing; /* the last session failed, and this one has not got further */
};

/* What the trimmer is doing (trimmer.h). */
struct state_retention {
    uint64_t removed_rows; /* of this run */
    char held_by[RETENTION_CURSOR_BYTES];
    int64_t held_s;
    char trouble[STATE_TROUBLE_BYTES]; /* "" when all is well */
};

struct state_view {
    enum state_phase phase;
    char trouble[STATE_TROUBLE_BYTES]; /* "" when all is well; the reason when stopped */
    int64_t beat_age_us;               /* since the drain last showed that it lives */
    bool in_server_call;               /* it waits for an answer of a server */
    struct state_progress progress;
    struct state_retention retention;
};

struct state {
    pthread_mutex_t mutex; /* of view.phase, .trouble, .progress and .retention */
    struct state_view view;
    _Atomic int64_t beat_us;
    _Atomic int server_calls; /* inside each other */
    struct metrics_histogram cycles;
};

void state_init(struct state *state);
void state_free(struct state *state);

/* The drain's side. */
void state_beat(struct state *state);
/* Around a call that may wait for a server for long: then no beat is no sign of death. They may
 * stand inside each other. */
void state_server_call(struct state *state, bool begins);
void state_set_phase(struct state *state, enum state_phase phase);
void state_publish(struct state *state, const struct state_progress *progress);
/* Logged when trouble begins and when it is over (`trouble` is ""), not while it lasts. */
void state_set_trouble(struct state *state, const char *trouble);

/* The trimmer's side. */
void state_publish_retention(struct state *state, const struct state_retention *retention);

/* The readers' side. */
void state_read(struct state *state, struct state_view *view);
const char *state_phase_name(enum state_phase phase);
/* Does the drain live? An outage of a server does not end it. */
bool state_is_healthy(const struct state_view *view);
/* Does it deliver? Otherwise fills `why`. */
bool state_is_ready(const struct state_view *view, char *why, size_t bytes);
/* Age of the newest moment of the source of which everything is acknowledged; negative before the
 * first one. It grows when anything stops. */
double state_freshness_seconds(const struct state_view *view);
/* The same while rows wait to be sent, else 0. */
double state_backlog_seconds(const struct state_view *view);

#endif
