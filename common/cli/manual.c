/* Text from the tables goes through print_roff(): in roff a backslash begins an escape, a "-" is a
 * hyphen, and a line that begins with a dot or an apostrophe is a request. */
#include "common/cli/manual.h"

#include <string.h>

#include "common/base/check.h"
#include "common/base/version.h"

static void
print_roff(const char *text, FILE *out)
{
    CHECK(text != NULL);
    bool begins = true;
    for (const char *at = text; *at != '\0'; at++) {
        if (begins && (*at == '.' || *at == '\''))
            fputs("\\&", out);
        if (*at == '\\')
            fputs("\\e", out);
        else if (*at == '-')
            fputs("\\-", out);
        else
            fputc(*at, out);
        begins = *at == '\n';
    }
}

static void
print_heading(const char *request, const char *text, FILE *out)
{
    fprintf(out, "%s ", request);
    print_roff(text, out);
    fputc('\n', out);
}

/* ".TP", the bold term with its arguments, and what it means. */
static void
print_entry(const char *term, const char *arguments, const char *meaning, FILE *out)
{
    CHECK(term[0] != '\0');
    CHECK(arguments == NULL || arguments[0] != '\0');
    fputs(".TP\n\\fB", out);
    print_roff(term, out);
    fputs("\\fR", out);
    if (arguments != NULL) {
        fputs(" \\fI", out);
        print_roff(arguments, out);
        fputs("\\fR", out);
    }
    fputc('\n', out);
    print_roff(meaning, out);
    fputc('\n', out);
}

static void
print_options(const struct cli_option *options, FILE *out)
{
    CHECK(options[0].name != NULL);
    for (const struct cli_option *option = options; option->name != NULL; option++)
        print_entry(option->name, option->argument, option->summary, out);
}

static void
print_commands(const struct cli_program *program, FILE *out)
{
    const struct cli_command *command = NULL;
    while ((command = cli_next_command(program, command)) != NULL) {
        print_entry(command->name, command->arguments, command->summary, out);
        if (command->has_json)
            fputs(".br\nWith \\fB\\-\\-json\\fR it prints JSON.\n", out);
        if (command->help != NULL) {
            fputs(".IP\n", out);
            print_roff(command->help, out);
            fputc('\n', out);
        }
        if (command->options != NULL) {
            fputs(".RS\n", out);
            print_options(command->options, out);
            fputs(".RE\n", out);
        }
    }
}

void
manual_print_page(const struct cli_program *program, FILE *out)
{
    CHECK(program->commands[0].name != NULL);
    fprintf(out, ".TH \"%s\" 1 \"\" \"bitdex-kafka %s\" \"bitdex-kafka\"\n", program->name,
            version_number());
    print_heading(".SH", "NAME", out);
    print_roff(program->name, out);
    fputs(" \\- ", out);
    print_roff(program->summary, out);
    fputc('\n', out);
    print_heading(".SH", "SYNOPSIS", out);
    fprintf(out, ".B %s\n[\\fB\\-\\-config\\fR \\fIFILE\\fR] \\fICOMMAND\\fR [\\fIoptions\\fR]\n",
            program->name);
    print_heading(".SH", "COMMANDS", out);
    print_commands(program, out);
    print_heading(".SH", "OPTIONS", out);
    print_options(cli_options, out);
    print_heading(".SH", "EXIT STATUS", out);
    print_roff(CLI_EXIT_STATUS, out);
    print_heading("\n.SH", "ENVIRONMENT", out);
    print_entry("BITDEX_CONFIG", NULL, "the YAML file when --config is not given", out);
    print_heading(".SH", "FILES", out);
    print_entry("bitdex.yaml", NULL,
                "the default of --config; every setting is described in configuration.md", out);
    print_entry("/usr/share/doc/bitdex-common/docs", NULL,
                "the guides: operations, configuration, triggers, upgrading", out);
}

/* The first words of the commands, or the second words of those whose first one is `first`. */
static void
print_words(const struct cli_program *program, const char *first, FILE *out)
{
    const struct cli_command *command = NULL;
    CHECK(first == NULL || first[0] != '\0');
    const char *before = "";
    size_t before_bytes = 0;
    while ((command = cli_next_command(program, command)) != NULL) {
        size_t bytes = strcspn(command->name, " ");
        if (first != NULL) {
            if (strncmp(command->name, first, strlen(first)) == 0 && command->name[bytes] == ' ' &&
                bytes == strlen(first))
                fprintf(out, " %s", command->name + bytes + 1);
        } else if (bytes != before_bytes || strncmp(before, command->name, bytes) != 0) {
            fprintf(out, " %.*s", (int)bytes, command->name);
        }
        before = command->name;
        before_bytes = bytes;
    }
}

/* A case of the script for each first word that has second ones. */
static void
print_second_words(const struct cli_program *program, FILE *out)
{
    const struct cli_command *command = NULL;
    char done[32] = "";
    while ((command = cli_next_command(program, command)) != NULL) {
        char first[sizeof done];
        size_t bytes = strcspn(command->name, " ");
        CHECK(bytes > 0);
        CHECK(bytes < sizeof first);
        memcpy(first, command->name, bytes);
        first[bytes] = '\0';
        if (command->name[bytes] != ' ' || strcmp(first, done) == 0)
            continue;
        memcpy(done, first, sizeof done);
        fprintf(out, "        %s) words=\"", first);
        print_words(program, first, out);
        fputs("\" ;;\n", out);
    }
}

/* Continues a pattern of the script with the commands' options that have a value. */
static void
print_valued_options(const struct cli_program *program, FILE *out)
{
    const struct cli_command *command = NULL;
    while ((command = cli_next_command(program, command)) != NULL)
        for (const struct cli_option *option = command->options;
             option != NULL && option->name != NULL; option++)
            if (option->argument != NULL)
                fprintf(out, " | %s", option->name);
}

/* A case of the script for each command of one word that has options: they follow the common
 * ones. */
static void
print_own_options(const struct cli_program *program, FILE *out)
{
    const struct cli_command *command = NULL;
    while ((command = cli_next_command(program, command)) != NULL) {
        if (command->options == NULL || strchr(command->name, ' ') != NULL)
            continue;
        fprintf(out, "    %s) words+=\"", command->name);
        for (const struct cli_option *option = command->options; option->name != NULL; option++)
            fprintf(out, " %s", option->name);
        fputs("\" ;;\n", out);
    }
}

/* The name of the script's function. */
static void
print_function(const struct cli_program *program, FILE *out)
{
    fputc('_', out);
    for (const char *at = program->name; *at != '\0'; at++)
        fputc(*at == '-' ? '_' : *at, out);
}

/* Sets `first` to the first word of the command, and `words` to the options. */
static void
print_script_options(const struct cli_program *program, FILE *out)
{
    fputs("    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}\n"
          "    local words first= i\n"
          "    if [[ $before == --config ]]; then\n"
          "        compopt -o filenames\n"
          "        mapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n"
          "        return\n"
          "    fi\n"
          "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
          "        case ${COMP_WORDS[i]} in\n"
          "        --config",
          out);
    print_valued_options(program, out);
    fputs(") ((i++)) ;;\n"
          "        -*) ;;\n"
          "        *) first=${first:-${COMP_WORDS[i]}} ;;\n"
          "        esac\n"
          "    done\n"
          "    words=\"",
          out);
    for (const struct cli_option *option = cli_options; option->name != NULL; option++)
        fprintf(out, " %s", option->name);
    fputs("\"\n    case $first in\n", out);
    print_own_options(program, out);
    fputs("    esac\n", out);
}

void
manual_print_bash(const struct cli_program *program, FILE *out)
{
    CHECK(program->commands[0].name != NULL);
    fprintf(out, "# bash completion for %s %s\n", program->name, version_number());
    print_function(program, out);
    fputs("()\n{\n", out);
    print_script_options(program, out);
    fputs("    if [[ $current != -* ]]; then\n        case $first in\n        \"\") words=\"", out);
    print_words(program, NULL, out);
    fputs("\" ;;\n", out);
    print_second_words(program, out);
    fputs("        *) words= ;;\n        esac\n    fi\n"
          "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n}\n",
          out);
    fputs("complete -F ", out);
    print_function(program, out);
    fprintf(out, " %s\n", program->name);
}
