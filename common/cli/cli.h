/* The command line of both programs: PROGRAM [--config FILE] COMMAND [options] [arguments].
 *
 * One table per program parses, checks and prints its help; the command `config`, which prints the
 * configuration as it is in force, is common to all. --help works for the program and for every
 * command; --config, --json and --help may stand anywhere.
 *
 * Exit codes: 0 done, 1 failed, 2 wrong usage or configuration. Main thread only.
 */
#ifndef COMMON_CLI_CLI_H
#define COMMON_CLI_CLI_H

#include <stdbool.h>

#include "common/base/error.h"
#include "common/config/config.h"

enum { CLI_ARGUMENTS_MAX = 8 };

/* What a command gets. Strings are those of argv. */
struct cli {
    const char *program;         /* "bitdex-producer" */
    const char *command;         /* its name */
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
    bool has_json;       /* understands --json */
    bool has_log;        /* a daemon: what ends it is the last line of its log */
    const char *summary; /* one line */
    const char *help;    /* further lines; NULL: none */
    /* 0, or a negative ERR_* with `err`, which is printed and becomes the exit code: 2 for
     * ERR_USAGE, else 1. */
    int (*run)(const struct cli *cli, struct error *err);
};

struct cli_program {
    const char *name;
    const char *summary;
    enum config_program config_program;
    const struct cli_command *commands; /* ends with a NULL name */
};

/* Returns the exit code. The configuration is --config, else $BITDEX_CONFIG, else bitdex.yaml. */
int cli_main(const struct cli_program *program, int argc, char **argv);

/* Reads an argument. ERR_USAGE: it is not a number from `minimum` to `maximum`. */
int cli_read_number(const char *argument, int64_t minimum, int64_t maximum, int64_t *number,
                    struct error *err);

#endif
