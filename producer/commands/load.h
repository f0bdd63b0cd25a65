/* The command `load`: queues a job, and waits for its end. Main thread. */
#ifndef PRODUCER_COMMANDS_LOAD_H
#define PRODUCER_COMMANDS_LOAD_H

#include "common/base/error.h"
#include "common/cli/command_table.h"

extern const struct cli_option load_options[];

/* ERR_USAGE: the selection is not one that can be loaded. ERR_FATAL: the job failed, was cancelled,
 * or continues without this command, which was interrupted. */
int command_load(const struct cli *cli, struct error *err);

#endif
