/* The commands of bitdex-producer, each as common/cli wants it. Main thread. */
#ifndef PRODUCER_COMMANDS_COMMANDS_H
#define PRODUCER_COMMANDS_COMMANDS_H

#include "common/cli/cli.h"

/* Makes what the producer needs in the database and at the broker. Prints what it does; goes on
 * where an interruption stopped it; does nothing when all is there. */
int command_init(const struct cli *cli, struct error *err);

/* Prints a line for everything that `run` relies on. Changes nothing. Fails when one is a
 * problem. */
int command_check(const struct cli *cli, struct error *err);

/* Drains until SIGTERM. */
int command_run(const struct cli *cli, struct error *err);

/* Asks the running producer at producer.listen. */
int command_status(const struct cli *cli, struct error *err);

/* Prints every cursor of the database. Changes nothing. */
int command_cursor_show(const struct cli *cli, struct error *err);

/* These change a cursor; refused while its producer runs. `set` and `adopt` open a new epoch: from
 * a position that the operator names, or from now, when what was sent cannot be trusted. */
int command_cursor_set(const struct cli *cli, struct error *err);
int command_cursor_adopt(const struct cli *cli, struct error *err);
int command_cursor_remove(const struct cli *cli, struct error *err);
/* Removes what may go from the outbox. Prints how much it was, and which cursor holds back the
 * rest. */
int command_trim(const struct cli *cli, struct error *err);

/* What `triggers` asks for: prints its SQL; prints how the database differs from it, and fails when
 * it does; makes the database follow; removes all that was made. */
int command_triggers_print(const struct cli *cli, struct error *err);
int command_triggers_diff(const struct cli *cli, struct error *err);
int command_triggers_apply(const struct cli *cli, struct error *err);
int command_triggers_drop(const struct cli *cli, struct error *err);

/* Prints rows that were kept as dead letters, by their ids; or one of them with its ops. */
int command_dead_letters_list(const struct cli *cli, struct error *err);
int command_dead_letters_show(const struct cli *cli, struct error *err);

#endif
