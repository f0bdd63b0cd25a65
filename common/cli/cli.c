/* Happy path: read the line, find the command, load the configuration, run the command.
 * An invalid line ends with a message that names --help; nothing has been changed then.
 */
#include "common/cli/cli.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/memory.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

enum { WORDS_MAX = 2 + CLI_ARGUMENTS_MAX }; /* the name of a command has one word or two */

#define HELP_LINE "  %-36s %s\n"

/* The command line as it was read, before any of it takes effect. */
struct line {
    struct cli cli;
    const char *config_path;
    bool help;
    const char *words[WORDS_MAX]; /* the command's name and its arguments */
    int word_count;
};

static int
cli_run_config(const struct cli *cli, struct error *err)
{
    (void)err;
    struct buffer text;
    buffer_init(&text);
    config_print(cli->config, &text);
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

/* The command after `before`: first the program's commands, then the common one, then NULL. */
static const struct cli_command *
cli_next_command(const struct cli_program *program, const struct cli_command *before)
{
    if (before == &common_command)
        return NULL;
    const struct cli_command *next = before == NULL ? program->commands : before + 1;
    return next->name != NULL ? next : &common_command;
}

/* The tables of the commands are constants, so an invalid one is a programming error. */
static void
cli_check_program(const struct cli_program *program)
{
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

static void
cli_print_program(const struct cli_program *program, FILE *out)
{
    fprintf(out, "%s: %s\n\nusage: %s [--config FILE] COMMAND [options]\n\n", program->name,
            program->summary, program->name);
    const struct cli_command *command = NULL;
    while ((command = cli_next_command(program, command)) != NULL) {
        char head[64];
        snprintf(head, sizeof head, "%s %s", command->name,
                 command->arguments != NULL ? command->arguments : "");
        fprintf(out, HELP_LINE, head, command->summary);
    }
    fprintf(out, "\n" HELP_LINE HELP_LINE, "--config FILE",
            "the YAML file; default: $BITDEX_CONFIG, else bitdex.yaml", "--help",
            "this help, or the help of a COMMAND");
    fprintf(out, "\nexit code: 0 done, 1 failed, 2 wrong usage or configuration\n");
}

static void
cli_print_command(const struct cli_program *program, const struct cli_command *command)
{
    printf("usage: %s [--config FILE] %s%s%s%s\n\n%s\n", program->name, command->name,
           command->has_json ? " [--json]" : "", command->arguments != NULL ? " " : "",
           command->arguments != NULL ? command->arguments : "", command->summary);
    if (command->help != NULL)
        printf("\n%s\n", command->help);
}

/* The number of words of the line that are this name, 1 or 2; 0: the line names another command. */
static int
cli_match_name(const char *name, const struct line *line)
{
    CHECK(line->word_count > 0);
    size_t first_bytes = strlen(line->words[0]);
    if (strncmp(name, line->words[0], first_bytes) != 0)
        return 0;
    if (name[first_bytes] == '\0')
        return 1;
    bool both = name[first_bytes] == ' ' && line->word_count > 1 &&
                strcmp(name + first_bytes + 1, line->words[1]) == 0;
    return both ? 2 : 0;
}

/* Sets the arguments of `line` to the words after the name of the command. NULL: there is no such
 * command. */
static const struct cli_command *
cli_find_command(const struct cli_program *program, struct line *line)
{
    const struct cli_command *command = NULL;
    while ((command = cli_next_command(program, command)) != NULL) {
        int taken = cli_match_name(command->name, line);
        if (taken == 0)
            continue;
        line->cli.command = command->name;
        line->cli.arguments = line->words + taken;
        line->cli.argument_count = line->word_count - taken;
        CHECK(line->cli.argument_count >= 0);
        return command;
    }
    return NULL;
}

static int
cli_take_word(struct line *line, const char *word, struct error *err)
{
    if (line->word_count == WORDS_MAX)
        return error_set(err, ERR_USAGE, "too many arguments");
    line->words[line->word_count++] = word;
    return 0;
}

static int
cli_read_line(int argc, char **argv, struct line *line, struct error *err)
{
    bool options = true; /* until "--" */
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        int rc = 0;
        if (!options || word[0] != '-' || word[1] == '\0') {
            rc = cli_take_word(line, word, err);
        } else if (strcmp(word, "--") == 0) {
            options = false;
        } else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            line->help = true;
        } else if (strcmp(word, "--json") == 0) {
            line->cli.json = true;
        } else if (strcmp(word, "--config") == 0 && i + 1 < argc) {
            line->config_path = argv[++i];
        } else if (strncmp(word, "--config=", 9) == 0) {
            line->config_path = word + 9;
        } else if (strcmp(word, "--config") == 0) {
            rc = error_set(err, ERR_USAGE, "--config needs a file");
        } else if (word[1] >= '0' && word[1] <= '9') {
            rc = cli_take_word(line, word, err); /* a negative number is not an option */
        } else {
            rc = error_set(err, ERR_USAGE, "unknown option %s", word);
        }
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int
cli_check_line(const struct cli_command *command, const struct line *line, struct error *err)
{
    const struct cli *cli = &line->cli;
    if (command == NULL)
        return error_set(err, ERR_USAGE, "unknown command \"%s%s%s\"", line->words[0],
                         line->word_count > 1 ? " " : "",
                         line->word_count > 1 ? line->words[1] : "");
    if (cli->argument_count < command->arguments_min)
        return error_set(err, ERR_USAGE, "%s needs %s", command->name, command->arguments);
    if (cli->argument_count > command->arguments_max)
        return error_set(err, ERR_USAGE, "%s: one argument too many: %s", command->name,
                         cli->arguments[command->arguments_max]);
    if (cli->json && !command->has_json)
        return error_set(err, ERR_USAGE, "%s has no --json", command->name);
    return 0;
}

static int
cli_run(const struct cli_program *program, const struct cli_command *command, struct line *line,
        struct error *err)
{
    const char *path = line->config_path;
    if (path == NULL)
        path = getenv("BITDEX_CONFIG");
    if (path == NULL)
        path = "bitdex.yaml";
    struct config *config;
    int rc = config_load(path, program->config_program, &config, err);
    if (rc != 0)
        return rc;
    CHECK(config != NULL);
    line->cli.config = config;
    log_set_level(config->log.level);
    rc = command->run(&line->cli, err);
    if (rc == 0 && (fflush(stdout) != 0 || ferror(stdout)))
        rc = error_set_errno(err, ERR_FATAL, "cannot write to standard output");
    config_destroy(config);
    return rc;
}

int
cli_main(const struct cli_program *program, int argc, char **argv)
{
    cli_check_program(program);
    struct line line = {.cli = {.program = program->name}};
    struct error err = {0};
    const struct cli_command *command = NULL;
    int rc = cli_read_line(argc, argv, &line, &err);
    if (rc == 0 && line.word_count == 0) {
        cli_print_program(program, line.help ? stdout : stderr);
        return line.help ? EXIT_DONE : EXIT_USAGE;
    }
    if (rc == 0)
        command = cli_find_command(program, &line);
    if (rc == 0 && command != NULL && line.help) {
        cli_print_command(program, command);
        return EXIT_DONE;
    }
    if (rc == 0)
        rc = cli_check_line(command, &line, &err);
    if (rc != 0) {
        fprintf(stderr, "%s: %s; see %s --help\n", program->name, err.message, program->name);
        return EXIT_USAGE;
    }
    rc = cli_run(program, command, &line, &err);
    if (rc == 0)
        return EXIT_DONE;
    if (command->has_log)
        log_error("main", "stopped: %s", err.message);
    else
        fprintf(stderr, "%s: %s\n", program->name, err.message);
    return rc == ERR_USAGE ? EXIT_USAGE : EXIT_FAILED;
}

int
cli_read_number(const char *argument, int64_t minimum, int64_t maximum, int64_t *number,
                struct error *err)
{
    CHECK(minimum <= maximum);
    char *end;
    errno = 0;
    long long value = strtoll(argument, &end, 10);
    if (errno != 0 || end == argument || *end != '\0' || value < minimum || value > maximum)
        return error_set(err, ERR_USAGE, "%s is not a number from %" PRId64 " to %" PRId64,
                         argument, minimum, maximum);
    *number = value;
    return 0;
}
