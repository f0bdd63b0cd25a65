/* The command `trim`. Main thread. */
#ifndef PRODUCER_COMMANDS_TRIM_H
#define PRODUCER_COMMANDS_TRIM_H

#include "common/base/error.h"
#include "common/cli/command_table.h"

/* Removes the rows that every producer has sent. Prints how many there were, and which cursor keeps
 * the others in the outbox. */
int command_trim(const struct cli *cli, struct error *err);

#endif
