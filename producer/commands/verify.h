/* The command `verify`: are the indexes of all consumer groups equal to the source database? Main
 * thread. */
#ifndef PRODUCER_COMMANDS_VERIFY_H
#define PRODUCER_COMMANDS_VERIFY_H

#include "common/base/error.h"
#include "common/cli/command_table.h"

extern const struct cli_option verify_options[];

/* ERR_USAGE: the selection is not one that can be verified, or there is no such group. ERR_FATAL:
 * something differs, or is not known. */
int command_verify(const struct cli *cli, struct error *err);

#endif
