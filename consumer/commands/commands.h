/* The commands of bitdex-consumer, for the table in main.c (command_table.h). Main thread. */
#ifndef CONSUMER_COMMANDS_COMMANDS_H
#define CONSUMER_COMMANDS_COMMANDS_H

#include "common/cli/cli.h"

int command_audit(const struct cli *cli, struct error *err);
int command_check(const struct cli *cli, struct error *err);
int command_run(const struct cli *cli, struct error *err);
int command_checkpoint(const struct cli *cli, struct error *err);
int command_replay(const struct cli *cli, struct error *err);
int command_health(const struct cli *cli, struct error *err);
int command_status(const struct cli *cli, struct error *err);
int command_dead_letters_list(const struct cli *cli, struct error *err);
int command_dead_letters_show(const struct cli *cli, struct error *err);
int command_dead_letters_retry(const struct cli *cli, struct error *err);
int command_query(const struct cli *cli, struct error *err);
int command_get(const struct cli *cli, struct error *err);
int command_wal_list(const struct cli *cli, struct error *err);
int command_wal_dump(const struct cli *cli, struct error *err);
int command_wal_check(const struct cli *cli, struct error *err);

#endif
