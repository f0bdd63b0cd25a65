/* The table of a program's commands and options. Its command line is parsed from it; its help, its
 * manual page and its completion are printed from it. Immutable; any thread. */
#ifndef COMMON_CLI_COMMAND_TABLE_H
#define COMMON_CLI_COMMAND_TABLE_H

#include <stdbool.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/config/config.h"

enum { CLI_ARGUMENTS_MAX = 8, CLI_OPTIONS_MAX = 16 };

/* An option as the command line has it. */
struct cli_given {
    const char *name;  /* of the table, "--table" */
    const char *value; /* "" for an option without an argument */
};

/* The input of a command. Strings are those of argv. */
struct cli {
    const char *program;         /* "bitdex-producer" */
    const char *command;         /* the name of the command */
    const struct config *config; /* loaded and valid */
    bool json;                   /* --json: print for a script */
    const char *const *arguments;
    int argument_count;
    struct cli_given given[CLI_OPTIONS_MAX]; /* options of the command; see cli_find_option() */
    int given_count;
};

struct cli_option {
    const char *name;
    const char *argument; /* NULL: none */
    const char *summary;
};

struct cli_command {
    const char *name;      /* one word, or two: "cursor show" */
    const char *arguments; /* for the usage line, e.g. "ID"; NULL: none */
    int arguments_min;
    int arguments_max;
    const struct cli_option *options; /* its own; ends with a NULL name; NULL: none */
    bool has_json;                    /* accepts --json */
    bool has_log;                     /* a daemon: its error is the last line of its log */
    const char *summary;              /* one line */
    const char *help;                 /* further lines; NULL: none */
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

/* The options of every program; ends with a NULL name. */
extern const struct cli_option cli_options[];

#define CLI_EXIT_STATUS "0 done, 1 failed, 2 wrong usage or configuration"

/* The command after `before`, or the first one for NULL: first the program's commands, then the
 * common one, then NULL. */
const struct cli_command *cli_next_command(const struct cli_program *program,
                                           const struct cli_command *before);

/* The option of a list (NULL: an empty one) whose name has these bytes; NULL: not found. */
const struct cli_option *cli_list_find(const struct cli_option *options, struct text name);
/* The option of any command; options of one name take an argument in all commands or in none. */
const struct cli_option *cli_program_option(const struct cli_program *program, struct text name);

/* The value of an option of the command; "" when it has no argument; NULL: it was not given. */
const char *cli_find_option(const struct cli *cli, const char *name);

/* The tables are constants, so an invalid one is a programming error: CHECKs every command. */
void cli_check_program(const struct cli_program *program);

#endif
