#include "common/cli/command_table.h"

#include <stdio.h>
#include <string.h>

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

const struct cli_option *
cli_list_find(const struct cli_option *options, struct text name)
{
    CHECK(name.bytes > 0);
    for (; options != NULL && options->name != NULL; options++)
        if (text_is(name, options->name))
            return options;
    return NULL;
}

const struct cli_option *
cli_program_option(const struct cli_program *program, struct text name)
{
    const struct cli_command *command = NULL;
    const struct cli_option *option = NULL;
    CHECK(name.bytes > 0);
    while (option == NULL && (command = cli_next_command(program, command)) != NULL)
        option = cli_list_find(command->options, name);
    return option;
}

const char *
cli_find_option(const struct cli *cli, const char *name)
{
    CHECK(cli->given_count >= 0 && cli->given_count <= CLI_OPTIONS_MAX);
    for (int i = 0; i < cli->given_count; i++)
        if (strcmp(cli->given[i].name, name) == 0)
            return cli->given[i].value;
    return NULL;
}

static void
cli_check_options(const struct cli_program *program, const struct cli_command *command)
{
    int count = 0;
    for (const struct cli_option *option = command->options; option != NULL && option->name != NULL;
         option++, count++) {
        struct text name = text_of(option->name);
        CHECK(strncmp(option->name, "--", 2) == 0 && option->summary != NULL);
        CHECK(cli_list_find(cli_options, name) == NULL);
        const struct cli_option *first = cli_program_option(program, name);
        CHECK((first->argument == NULL) == (option->argument == NULL));
    }
    CHECK(count <= CLI_OPTIONS_MAX);
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
        cli_check_options(program, command);
    }
}
