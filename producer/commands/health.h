/* The command `health`. Main thread. */
#ifndef PRODUCER_COMMANDS_HEALTH_H
#define PRODUCER_COMMANDS_HEALTH_H

#include "common/base/error.h"
#include "common/cli/command_table.h"

/* Returns 0 if GET /api/health of the running producer passes. */
int command_health(const struct cli *cli, struct error *err);

#endif
