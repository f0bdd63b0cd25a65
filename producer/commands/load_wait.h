/* Waiting for jobs: prints how far they are, and does the work itself while no producer runs.
 *
 * The command is a producer then, with the lock on its name, a generation and a fence, until it
 * waits for no further job. Main thread.
 */
#ifndef PRODUCER_COMMANDS_LOAD_WAIT_H
#define PRODUCER_COMMANDS_LOAD_WAIT_H

#include "common/base/error.h"
#include "common/cli/cli.h"
#include "common/config/config.h"
#include "producer/load/csv_source.h"
#include "producer/load/job_queue.h"

struct load_waiter;

/* With `csv` the only job is the one that it is for, and only this command can do the work;
 * otherwise NULL. Installs the handlers of shutdown.h. `config` outlives the waiter. */
struct load_waiter *load_waiter_create(const struct config *config, const struct csv_request *csv);
/* Ends the producer that the command has become. A process that has done so is about to end:
 * shutdown_requested() is true after it. */
void load_waiter_destroy(struct load_waiter *waiter);

/* Returns when the job has ended, and fills `view`; further jobs may follow. ERR_FATAL: a signal
 * ended the waiting, or the work cannot be done; `err` says what becomes of the job. */
int load_waiter_wait(struct load_waiter *waiter, int64_t job, struct job_view *view,
                     struct error *err);

/* Waits for one job. */
int load_wait(const struct config *config, const struct csv_request *csv, int64_t job,
              struct job_view *view, struct error *err);

/* ERR_FATAL: the job, which has ended, failed or was cancelled. */
int load_check_done(const struct job_view *view, struct error *err);

/* Prints how a job has ended. ERR_FATAL: it failed, or was cancelled. */
int load_report(const struct cli *cli, const struct job_view *view, struct error *err);

#endif
