/* The producer's status: what drain and trimmer publish about themselves and HTTP requests show.
 *
 * Each writer replaces its part as a whole, and a reader gets a copy of all of it. Any thread.
 */
#ifndef PRODUCER_DRAIN_STATUS_H
#define PRODUCER_DRAIN_STATUS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/metrics/metrics.h"
#include "producer/source/retention.h"

/* What the drain does. A session passes from STATUS_DATABASE to STATUS_DRAINING in this order and
 * an error returns it to STATUS_DATABASE; status_set_phase() checks it. */
enum status_phase {
    STATUS_DATABASE, /* waiting for the source database */
    STATUS_LOCK,     /* standby: another producer of this name holds the lock */
    STATUS_BROKER,   /* waiting for the topic, or for the acknowledgement of the fence */
    STATUS_TOPIC,    /* reading what is on the topic; also while a window is resumed */
    STATUS_DRAINING,
    STATUS_STOPPING,
    STATUS_STOPPED,
};

enum { STATUS_ERROR_BYTES = 512 };

/* Counts are of this run of the process; row ids are those of the last poll of the source. */
struct status_progress {
    int64_t epoch;
    int64_t generation;
    int64_t tick;
    int64_t last_row_id; /* greatest sent */
    int64_t max_row_id;  /* greatest that exists; while rows wait, the greatest id given out */
    int64_t backlog_rows;
    int64_t delivered_us; /* when the newest source snapshot that is acknowledged was taken; 0 */
    int64_t moved_us;     /* monotonic: last acknowledgement, or last time that none was due */
    int64_t acked_us;     /* wall clock: last acknowledgement */
    int64_t cycle_us;     /* duration of the last window with rows */
    uint64_t outstanding; /* messages handed over and not acknowledged */
    uint64_t rows;
    uint64_t events;
    uint64_t marks;
    uint64_t bytes;
    uint64_t dead_letters;
    uint64_t sessions;
    uint64_t polls;                         /* of the source */
    int64_t voided;                         /* number of the newest voided event */
    char voided_reason[STATUS_ERROR_BYTES]; /* of that event; "": none in this run */
    double rows_per_second;
    bool failing; /* the last session failed, and this one has not got further */
};

/* What the trimmer does (trimmer.h). */
struct status_retention {
    uint64_t removed_rows;                /* of this run */
    char held_by[RETENTION_CURSOR_BYTES]; /* as struct retention */
    int64_t held_s;
    char error[STATUS_ERROR_BYTES]; /* "": none */
};

/* What the drain does for loads. */
struct status_load {
    int64_t job;                    /* that is running; 0: none */
    char stage[8];                  /* of the job */
    double ratio;                   /* of its ranges that are loaded; negative: unknown */
    int64_t job_rows;               /* that it has sent, in all runs */
    char error[STATUS_ERROR_BYTES]; /* why its last step has to be repeated; "": nothing */
    uint64_t rows;                  /* of this run, as is */
    uint64_t bytes;                 /* that the database sent */
};

/* What the members of the consumer groups report of their newest verdicts (verify/patrol.h). */
struct status_patrol {
    bool is_on;                     /* they have been asked */
    int64_t ranges;                 /* verdicts, of all shards of all groups */
    int64_t differing;              /* of them */
    int64_t unknown;                /* partitions of groups that nobody answers for */
    double oldest_s;                /* age of the oldest verdict; negative: unknown */
    char error[STATUS_ERROR_BYTES]; /* "": all members have answered */
};

/* What the drain does for requests. */
struct status_refresh {
    int64_t owed;                   /* rows whose requests are not answered */
    int64_t oldest_us;              /* monotonic: when the oldest became owed; 0: nothing is owed */
    uint64_t requests;              /* rows of this run that ask for something */
    uint64_t answers;               /* rows of this run whose requests were answered */
    char error[STATUS_ERROR_BYTES]; /* why some cannot be answered at present; "": nothing */
};

/* The dead letters of this producer that are not resolved. */
struct status_letters {
    bool known;
    int64_t open;
};

enum { STATUS_EXEMPT_MAX = 32, STATUS_EXEMPT_BYTES = 64 };

/* The fields for which the law of the committed row (L11) does not hold (triggers/exempt.h). */
struct status_exempt {
    uint32_t count; /* of all of them */
    /* The first ones; a longer name is cut. */
    char names[STATUS_EXEMPT_MAX][STATUS_EXEMPT_BYTES];
};

struct status_view {
    enum status_phase phase;
    char error[STATUS_ERROR_BYTES]; /* "": none; the reason when stopped */
    int64_t heartbeat_age_us;
    bool in_server_call;
    struct status_progress progress;
    struct status_retention retention;
    struct status_letters letters;
    struct status_exempt exempt;
    struct status_load load;
    struct status_patrol patrol;
    struct status_refresh refresh;
};

struct status {
    /* Of view.phase, .error, .progress, .retention, .letters, .exempt, .load, .patrol, .refresh. */
    pthread_mutex_t mutex;
    struct status_view view;
    _Atomic int64_t heartbeat_us; /* monotonic */
    _Atomic int server_calls;     /* nested */
    struct metrics_histogram cycles;
    struct metrics_histogram load_steps;
    struct metrics_histogram refresh_turns;
};

void status_init(struct status *status);
void status_free(struct status *status);

/* For the drain. */
void status_heartbeat(struct status *status);
/* Around a call that may wait for a server without limit: the drain is healthy meanwhile, without
 * heartbeats. Calls may be nested. */
void status_begin_server_call(struct status *status);
void status_end_server_call(struct status *status);
void status_set_phase(struct status *status, enum status_phase phase);
void status_publish(struct status *status, const struct status_progress *progress);
/* `error`: "" without one. Logs the first of a row of errors, and their end. */
void status_set_error(struct status *status, const char *error);

/* When a session begins. */
void status_publish_exempt(struct status *status, const struct status_exempt *exempt);

void status_publish_load(struct status *status, const struct status_load *load);
void status_publish_refresh(struct status *status, const struct status_refresh *refresh);

/* For the trimmer. */
void status_publish_retention(struct status *status, const struct status_retention *retention);

/* Warns when there are more than before. */
void status_publish_letters(struct status *status, int64_t open);

/* For the patrol. */
void status_publish_patrol(struct status *status, const struct status_patrol *patrol);

/* For readers. */
void status_read(struct status *status, struct status_view *view);
const char *status_phase_name(enum status_phase phase);
/* What people read: the phase, or that a session which drains waits for the broker. */
const char *status_state_name(const struct status_view *view);
/* The drain's thread is alive: it gives heartbeats or waits for a server. */
bool status_is_healthy(const struct status_view *view);
/* Another producer of this name has the lock, and this one would take over. */
bool status_is_standby(const struct status_view *view);
/* The drain delivers, or is a standby. Otherwise fills `why`. */
bool status_is_ready(const struct status_view *view, char *why, size_t bytes);
/* Age of the newest source snapshot of which everything is acknowledged; negative before the first
 * one. */
double status_freshness_seconds(const struct status_view *view);
/* The same while rows wait to be sent, else 0. */
double status_backlog_seconds(const struct status_view *view);
/* Age of the oldest request that is owed; 0: nothing is owed. */
double status_owed_seconds(const struct status_view *view);

#endif
