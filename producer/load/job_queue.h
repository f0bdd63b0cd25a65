/* The queue of jobs from the outside: what commands add, cancel and show. The producer itself works
 * with job.h.
 *
 * The functions use the caller's database session, on which no transaction is open. One thread.
 */
#ifndef PRODUCER_LOAD_JOB_QUEUE_H
#define PRODUCER_LOAD_JOB_QUEUE_H

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/pg/pg.h"
#include "producer/load/job_ranges.h"
#include "producer/load/load_plan.h"

enum job_state { JOB_STATE_QUEUED, JOB_STATE_RUNNING, JOB_STATE_ENDED };

/* What a waiting command shows of a job. */
struct job_view {
    int64_t id;
    enum job_state state;
    char state_name[12]; /* as in bitdex_jobs */
    bool cancel_requested;
    double ratio;     /* of the ranges, 0 to 1; negative: unknown */
    int64_t end_tick; /* of verify and check: of the last event sent; 0: none */
    int64_t passes;   /* that are finished */
    int64_t rows;
    int64_t bytes;
    int64_t rejected;
    char error[512]; /* "": none */
};

/* Queues a load of `selection`, whose fields and ids are ascending, for the producer `name`. An
 * unfinished job with the same selection that nobody has cancelled is taken instead: `*found` is
 * then true. */
int job_queue_load(struct pg *pg, const char *name, const struct load_selection *selection,
                   const char *reason, int64_t *id, bool *found, struct error *err);

/* Likewise a job of verify or check. `ranges`: what it is about, in place of the range of the
 * selection, which has no ids; none: that range. */
int job_queue_verify(struct pg *pg, const char *name, enum job_kind kind,
                     const struct load_selection *selection, const struct job_ranges *ranges,
                     const char *reason, int64_t *id, bool *found, struct error *err);

/* Likewise a load, of the CSV files in `directory`, for the command that reads them. */
int job_queue_csv(struct pg *pg, const char *name, const char *directory, const char *reason,
                  int64_t *id, bool *found, struct error *err);

/* Queues a load of everything. `reason` says why it is needed. */
int job_queue_load_all(struct pg *pg, const char *name, const char *reason, int64_t *id,
                       struct error *err);

/* Asks the producer to end a running job, or ends one that is queued. `*found` is false when `name`
 * has no unfinished job `id`; `*ended`: it was not running. */
int job_queue_cancel(struct pg *pg, const char *name, int64_t id, bool *found, bool *ended,
                     struct error *err);

/* Reads a job of the producer `name`. `*found` is false when there is no such job. */
int job_queue_view(struct pg *pg, const char *name, int64_t id, struct job_view *view, bool *found,
                   struct error *err);

/* Appends the newest `limit` jobs of the producer `name` as a JSON array, oldest first; with
 * `id` > 0 only that one. */
int job_queue_print(struct pg *pg, const char *name, int64_t id, int64_t limit, struct buffer *json,
                    struct error *err);

#endif
