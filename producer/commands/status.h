/* The command `status`. Main thread. */
#ifndef PRODUCER_COMMANDS_STATUS_H
#define PRODUCER_COMMANDS_STATUS_H

#include "common/base/error.h"
#include "common/cli/command_table.h"

/* Prints the status of the running producer, which is read over HTTP from producer.listen. */
int command_status(const struct cli *cli, struct error *err);

#endif
