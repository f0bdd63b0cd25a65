/* The command `run`. Main thread. */
#ifndef PRODUCER_COMMANDS_RUN_H
#define PRODUCER_COMMANDS_RUN_H

#include "common/base/error.h"
#include "common/cli/command_table.h"

/* Drains the outbox, removes sent rows, and serves HTTP until SIGTERM or SIGINT. */
int command_run(const struct cli *cli, struct error *err);

#endif
