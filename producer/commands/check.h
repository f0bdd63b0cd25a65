/* The command `check`. Main thread. */
#ifndef PRODUCER_COMMANDS_CHECK_H
#define PRODUCER_COMMANDS_CHECK_H

#include "common/base/error.h"
#include "common/cli/command_table.h"

/* Prints a line for each condition on which `run` depends: configuration, database, triggers,
 * broker. Changes nothing. ERR_FATAL: at least one of them is a problem. */
int command_check(const struct cli *cli, struct error *err);

#endif
