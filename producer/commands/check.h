/* The command `check`. Main thread. */
#ifndef PRODUCER_COMMANDS_CHECK_H
#define PRODUCER_COMMANDS_CHECK_H

#include "common/base/error.h"
#include "common/cli/command_table.h"

extern const struct cli_option check_options[];

/* Prints a line for each condition on which the programs depend: configuration, database, triggers,
 * broker. All that can be examined is examined in one run, and nothing is changed. ERR_FATAL: at
 * least one of them is a problem; with --strict also a warning. */
int command_check(const struct cli *cli, struct error *err);

#endif
