#include "common/cli/command_table.h"

#include <stdio.h>

#include "common/base/check.h"
#include "common/base/memory.h"
#include "common/config/config_print.h"

const struct cli_option cli_options[] = {
    {"--config", "FILE", "the YAML file; default: $BITDEX_CONFIG, else bitdex.yaml"},
    {"--json", NULL, "print JSON, where the command has it"},
    {"--help", NULL, "this help, or the help of a COMMAND"},
    {"--version", NULL, "print the version, and the libraries that it was built with"},
    {0},
};

static int
cli_run_config(const struct cli *cli, struct error *err)
{
    (void)err;
    struct buffer text;
    buffer_init(&text);
    config_print(cli->config, &text);
    CHECK(text.bytes > 0); /* at least the settings with defaults */
    fwrite(text.data, 1, text.bytes, stdout);
    buffer_free(&text);
    return 0;
}

static const struct cli_command common_command = {
    .name = "config",
    .summary = "print the effective configuration",
    .help = "As YAML, with defaults filled in and secrets left out.",
    .run = cli_run_config,
};

const struct cli_command *
cli_next_command(const struct cli_program *program, const struct cli_command *before)
{
    CHECK(before == NULL || before->name != NULL); /* not the end of the table */
    if (before == &common_command)
        return NULL;
    const struct cli_command *next = before == NULL ? program->commands : before + 1;
    return next->name != NULL ? next : &common_command;
}

void
cli_check_program(const struct cli_program *program)
{
    CHECK(program->name[0] != '\0');
    CHECK(program->summary != NULL);
    CHECK(program->commands != NULL);
    const struct cli_command *command = NULL;
    while ((command = cli_next_command(program, command)) != NULL) {
        CHECK(command->name[0] != '\0' && command->name[0] != '-');
        CHECK(command->summary != NULL);
        CHECK(command->run != NULL);
        CHECK(command->arguments_min >= 0);
        CHECK(command->arguments_min <= command->arguments_max);
        CHECK(command->arguments_max <= CLI_ARGUMENTS_MAX);
        CHECK((command->arguments_max == 0) == (command->arguments == NULL));
    }
}
