/* The command line of both programs: PROGRAM [--config FILE] COMMAND [options] [arguments].
 *
 * One table per program defines its commands: the line is parsed and checked by it, and the help is
 * printed from it. Both programs have the command `config`, which prints the effective
 * configuration. --help works for the program and for every command. --config, --json and --help
 * may be anywhere on the line.
 *
 * Exit codes: 0 done, 1 failed, 2 wrong usage or configuration. Main thread only.
 */
#ifndef COMMON_CLI_CLI_H
#define COMMON_CLI_CLI_H

#include <stdbool.h>

#include "common/base/error.h"
#include "common/config/config.h"

enum { CLI_ARGUMENTS_MAX = 8 };

/* The input of a command. Strings are those of argv. */
struct cli {
    const char *program;         /* "bitdex-producer" */
    const char *command;         /* the name of the command */
    const struct config *config; /* loaded and valid */
    bool json;                   /* --json: print for a script */
    const char *const *arguments;
    int argument_count;
};

struct cli_command {
    const char *name;      /* one word, or two: "cursor show" */
    const char *arguments; /* for the usage line, e.g. "ID"; NULL: none */
    int arguments_min;
    int arguments_max;
    bool has_json;       /* accepts --json */
    bool has_log;        /* a daemon: its error is the last line of its log */
    const char *summary; /* one line */
    const char *help;    /* further lines; NULL: none */
    /* Returns 0, or a negative ERR_* code with `err`, which is printed. The exit code is then 2 for
     * ERR_USAGE, else 1. */
    int (*run)(const struct cli *cli, struct error *err);
};

struct cli_program {
    const char *name;
    const char *summary;
    enum config_program config_program;
    const struct cli_command *commands; /* ends with a NULL name */
};

/* Returns the exit code. The configuration file is that of --config, else $BITDEX_CONFIG, else
 * bitdex.yaml. */
int cli_main(const struct cli_program *program, int argc, char **argv);

/* ERR_USAGE: the argument is not a number from `minimum` to `maximum`. */
int cli_read_number(const char *argument, int64_t minimum, int64_t maximum, int64_t *number,
                    struct error *err);

#endif
