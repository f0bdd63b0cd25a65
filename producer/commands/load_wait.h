/* Waiting for a job: prints how far it is, and does the work itself while no producer runs.
 *
 * The command is a producer then, with the lock on its name, a generation and a fence, until the
 * job has ended. Main thread.
 */
#ifndef PRODUCER_COMMANDS_LOAD_WAIT_H
#define PRODUCER_COMMANDS_LOAD_WAIT_H

#include "common/base/error.h"
#include "common/cli/cli.h"
#include "common/config/config.h"
#include "producer/load/csv_source.h"
#include "producer/load/job_queue.h"

/* Returns when the job has ended, and fills `view`. With `csv`, whose job it is, only this command
 * can do the work; otherwise NULL. ERR_FATAL: a signal ended the waiting, or the work cannot be
 * done; `err` says what becomes of the job. */
int load_wait(const struct config *config, const struct csv_request *csv, int64_t job,
              struct job_view *view, struct error *err);

/* Prints how a job has ended. ERR_FATAL: it failed, or was cancelled. */
int load_report(const struct cli *cli, const struct job_view *view, struct error *err);

#endif
