/* Waiting for a job: prints how far it is, and does the work itself while no producer runs.
 *
 * The command is a producer then, with the lock on its name, a generation and a fence, until the
 * job has ended. Main thread.
 */
#ifndef PRODUCER_COMMANDS_LOAD_WAIT_H
#define PRODUCER_COMMANDS_LOAD_WAIT_H

#include "common/base/error.h"
#include "common/config/config.h"
#include "producer/load/job_queue.h"

/* Returns when the job has ended, and fills `view`. ERR_FATAL: a signal ended the waiting, or the
 * work cannot be done; `err` says what becomes of the job. */
int load_wait(const struct config *config, int64_t job, struct job_view *view, struct error *err);

#endif
