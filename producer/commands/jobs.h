/* The commands `jobs`. Main thread. */
#ifndef PRODUCER_COMMANDS_JOBS_H
#define PRODUCER_COMMANDS_JOBS_H

#include <stdint.h>

#include "common/base/error.h"
#include "common/cli/command_table.h"

/* Prints the newest jobs of the producer. */
int command_jobs_list(const struct cli *cli, struct error *err);
/* Prints one job, with what it has read. */
int command_jobs_show(const struct cli *cli, struct error *err);
/* Ends a job that is not finished. */
int command_jobs_cancel(const struct cli *cli, struct error *err);

/* Prints a job to standard output, as JSON or as lines. ERR_FATAL: there is no such job. */
int jobs_print(const struct cli *cli, int64_t job, struct error *err);

#endif
