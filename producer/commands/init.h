/* The command `init`. Main thread. */
#ifndef PRODUCER_COMMANDS_INIT_H
#define PRODUCER_COMMANDS_INIT_H

#include "common/base/error.h"
#include "common/cli/command_table.h"

/* Creates what the producer needs in the database and at the broker, and prints each step that it
 * takes. May be repeated, also after an interruption. */
int command_init(const struct cli *cli, struct error *err);

#endif
