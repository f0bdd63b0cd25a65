/* The `dead-letters` commands: what the producer could not send. Main thread. */
#ifndef PRODUCER_COMMANDS_DEAD_LETTERS_H
#define PRODUCER_COMMANDS_DEAD_LETTERS_H

#include "common/base/error.h"
#include "common/cli/command_table.h"

/* Prints dead letters in the order of their row ids. */
int command_dead_letters_list(const struct cli *cli, struct error *err);

/* Prints one dead letter with its ops. */
int command_dead_letters_show(const struct cli *cli, struct error *err);

/* Requests what dead letters are about from the source once more (dead_letters_retry.c). */
int command_dead_letters_retry(const struct cli *cli, struct error *err);

#endif
