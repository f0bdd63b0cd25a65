/* The command line of both programs: PROGRAM [--config FILE] COMMAND [options] [arguments].
 *
 * One table per program defines its commands: the line is parsed and checked by it, and the help is
 * printed from it. A command may have options of its own, with or without a value ("--table T" or
 * "--table=T"). Both programs have the command `config`, which prints the effective
 * configuration. --help works for the program and for every command. Options may be anywhere on the
 * line. `--generate man` and `--generate bash` print the manual
 * page and the shell completion, which the build installs (manual.h).
 *
 * Exit codes: 0 done, 1 failed, 2 wrong usage or configuration. Main thread only.
 */
#ifndef COMMON_CLI_CLI_H
#define COMMON_CLI_CLI_H

#include <stdint.h>

#include "common/base/error.h"
#include "common/cli/command_table.h"

/* Returns the exit code. The configuration file is that of --config, else $BITDEX_CONFIG, else
 * bitdex.yaml. */
int cli_main(const struct cli_program *program, int argc, char **argv);

/* ERR_USAGE: the argument is not a number from `minimum` to `maximum`. */
int cli_read_number(const char *argument, int64_t minimum, int64_t maximum, int64_t *number,
                    struct error *err);

#endif
