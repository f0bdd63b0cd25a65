/* The `triggers` commands: the generated triggers of a database. Main thread. */
#ifndef PRODUCER_COMMANDS_TRIGGERS_H
#define PRODUCER_COMMANDS_TRIGGERS_H

#include "common/base/error.h"
#include "common/cli/command_table.h"

/* Prints the SQL that the configuration generates. Changes nothing. */
int command_triggers_print(const struct cli *cli, struct error *err);

/* Prints how the database differs from the configuration. Changes nothing. ERR_FATAL: there is a
 * difference. */
int command_triggers_diff(const struct cli *cli, struct error *err);

/* Makes the triggers of the database equal to the configuration. */
int command_triggers_apply(const struct cli *cli, struct error *err);

/* Removes every generated trigger and function. */
int command_triggers_drop(const struct cli *cli, struct error *err);

#endif
