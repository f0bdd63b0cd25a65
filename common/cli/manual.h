/* Manual page and shell completion of a program, from the table that parses its command line. */
#ifndef COMMON_CLI_MANUAL_H
#define COMMON_CLI_MANUAL_H

#include <stdio.h>

#include "common/cli/command_table.h"

/* A page for man(1) of section 1, in roff with the macros of man(7). */
void manual_print_page(const struct cli_program *program, FILE *out);

/* A script for bash-completion: commands, their second words, options, and files after --config. */
void manual_print_bash(const struct cli_program *program, FILE *out);

#endif
