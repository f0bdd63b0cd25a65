/* A job: a load, a verify or a check that was asked for, as a row of bitdex_jobs. The producer of
 * its name works the jobs off, one after another, and saves how far it has come.
 *
 *     queued --> running --> done | failed | cancelled
 *
 * The producer writes a job under the condition that it still has the cursor (cursor.h), so a
 * superseded session changes nothing. A job that was running when the producer stopped is found
 * again and continues at its saved place; in another epoch, or when what it reads has changed, it
 * begins again.
 *
 * The functions use the caller's database session, on which no transaction is open. One thread.
 */
#ifndef PRODUCER_LOAD_JOB_H
#define PRODUCER_LOAD_JOB_H

#include "common/base/error.h"
#include "common/pg/pg.h"
#include "producer/load/job_place.h"
#include "producer/load/job_ranges.h"
#include "producer/load/load_chunk.h"
#include "producer/load/load_plan.h"
#include "producer/source/cursor.h"

/* What was sent so far. */
struct job_counts {
    int64_t rows;
    int64_t ops_written; /* values, and entities alive */
    int64_t chunks;      /* readings, of ranges and of passes */
    int64_t bytes;       /* that the database sent */
    int64_t rejected;    /* values that no event can carry, and entities without a slot */
    int64_t uncovered;   /* entities that fit no event: their fields are not loaded */
};

/* A source of the job's plan: first the ranges, then the passes. */
struct job_source {
    struct text name;  /* of its dump, "{Table}-{hash8}" */
    struct text table; /* as configured */
    bool is_whole;     /* all values of all entities, so that the job makes its dump complete */
    bool expects_rows; /* there were some when the job began */
    int64_t rows;
    int64_t ops_written;
};

struct job {
    struct arena arena; /* of everything that it points to */
    int64_t id;
    enum job_kind kind;
    bool is_running; /* it has begun, perhaps in an earlier session */
    bool cancel_requested;
    bool has_phases; /* it selects by dump phases */
    const char *csv; /* directory of the CSV files that it reads; NULL: the database */
    struct load_selection selection;
    struct job_ranges ranges; /* of verify and check; none: those of the selection */
    int64_t end_tick;         /* of verify and check: of the last event sent; 0: none */
    int64_t epoch;            /* in which it began; 0: it has not begun */
    const char *plan;         /* hash of the plan that it began with; "": it has not begun */
    struct job_place place;
    int64_t last_id; /* greatest entity id when it began; -1: unknown */
    struct job_counts counts;
    struct job_source *sources; /* empty before it has begun */
    uint32_t source_count;
};

/* As the job of dead letters: they are of answers to requests. */
#define JOB_OF_ANSWERS INT64_C(-1)

enum job_end { JOB_DONE, JOB_FAILED, JOB_CANCELLED };

/* The unfinished job that is first in the queue, or that is running. With `loads` it is found only
 * if it is a load, otherwise only if it is one of another kind: the others wait for it. `*job` is
 * NULL when no job is found; the caller owns it. ERR_DATA: its row cannot be understood; `*id` is
 * then its id. */
int job_find_next(struct pg *pg, const struct cursor_owner *owner, bool loads, struct job **job,
                  int64_t *id, struct error *err);
/* Likewise the load `wanted` alone. */
int job_find(struct pg *pg, const struct cursor_owner *owner, int64_t wanted, struct job **job,
             int64_t *id, struct error *err);
/* NULL does nothing. */
void job_free(struct job *job);

/* Saves the job as running, with its epoch, plan, place and counts. Sets job->cancel_requested.
 * `*exists` is false when the job was ended or removed meanwhile; nothing is saved then. */
int job_save(struct pg *pg, const struct cursor_owner *owner, struct job *job, bool *exists,
             struct error *err);

/* Ends an unfinished job. `reason`: why it failed; else NULL. */
int job_finish(struct pg *pg, const struct cursor_owner *owner, int64_t id, enum job_end end,
               const char *reason, struct error *err);

/* Is the job still unfinished, and is its end requested? Costs little. */
int job_poll(struct pg *pg, int64_t id, bool *exists, bool *cancel_requested, struct error *err);

/* Stores what the job could not load as dead letters, before the events without it are sent (L9).
 * What is stored already stays as it is, except for answers: the newest one says what is wrong
 * now, and no retry has resolved it. */
int job_add_dead_letters(struct pg *pg, const struct cursor_owner *owner, int64_t id, int64_t tick,
                         const struct load_problems *problems, struct error *err);

#endif
