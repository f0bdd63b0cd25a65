/* The `cursor` commands: the cursors of all producers of a database. Main thread. */
#ifndef PRODUCER_COMMANDS_CURSOR_H
#define PRODUCER_COMMANDS_CURSOR_H

#include "common/base/error.h"
#include "common/cli/command_table.h"

/* Prints every cursor. Changes nothing. */
int command_cursor_show(const struct cli *cli, struct error *err);

/* Both open a new epoch and are refused while the producer runs. `set` begins it at a position that
 * the operator names. `adopt` begins it at the current snapshot and queues a load of everything,
 * because it is not known what was sent. */
int command_cursor_set(const struct cli *cli, struct error *err);
int command_cursor_adopt(const struct cli *cli, struct error *err);

/* Deletes the cursor of the producer that the argument names; refused while it runs. */
int command_cursor_remove(const struct cli *cli, struct error *err);

#endif
