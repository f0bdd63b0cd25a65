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
#include "common/base/version.h"
#include "common/cli/manual.h"
#include "common/config/config_load.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

enum { WORDS_MAX = 2 + CLI_ARGUMENTS_MAX }; /* the name of a command has one word or two */

#define HELP_LINE "  %-36s %s\n"

/* The command line as it was read, before any of it takes effect. */
struct line {
    struct cli cli;
    const char *config_path;
    const char *generate; /* what to print from the tables: "man" or "bash"; NULL: nothing */
    bool help;
    bool version;
    const char *words[WORDS_MAX]; /* the command's name and its arguments */
    int word_count;
};

static void
cli_print_entry(const char *name, const char *argument, const char *summary, FILE *out)
{
    char head[64];
    int bytes = snprintf(head, sizeof head, "%s %s", name, argument != NULL ? argument : "");
    CHECK(bytes > 0);
    CHECK(bytes < (int)sizeof head); /* the tables are constants */
    CHECK(summary != NULL);
    fprintf(out, HELP_LINE, head, summary);
}

static void
cli_print_program(const struct cli_program *program, FILE *out)
{
    fprintf(out, "%s: %s\n\nusage: %s [--config FILE] COMMAND [options]\n\n", program->name,
            program->summary, program->name);
    const struct cli_command *command = NULL;
    while ((command = cli_next_command(program, command)) != NULL)
        cli_print_entry(command->name, command->arguments, command->summary, out);
    fputc('\n', out);
    for (const struct cli_option *option = cli_options; option->name != NULL; option++)
        cli_print_entry(option->name, option->argument, option->summary, out);
    fprintf(out, "\nexit code: " CLI_EXIT_STATUS "\n");
}

static void
cli_print_version(const struct cli_program *program)
{
    const char *commit = version_commit();
    printf("%s %s%s%s%s\n", program->name, version_number(), commit[0] != '\0' ? " (" : "", commit,
           commit[0] != '\0' ? ")" : "");
    printf("built with %s\n", version_libraries());
}

/* Prints what the line asks for beside a command. False: it asks for a command. */
static bool
cli_print_answer(const struct cli_program *program, const struct line *line)
{
    CHECK(line->generate == NULL || line->generate[0] != '\0'); /* checked when it was read */
    if (line->version)
        cli_print_version(program);
    else if (line->generate != NULL && strcmp(line->generate, "man") == 0)
        manual_print_page(program, stdout);
    else if (line->generate != NULL)
        manual_print_bash(program, stdout);
    else if (line->help && line->word_count == 0)
        cli_print_program(program, stdout);
    else
        return false;
    return true;
}

static void
cli_print_command(const struct cli_program *program, const struct cli_command *command)
{
    printf("usage: %s [--config FILE] %s%s%s%s%s\n\n%s\n", program->name, command->name,
           command->options != NULL ? " [options]" : "", command->has_json ? " [--json]" : "",
           command->arguments != NULL ? " " : "",
           command->arguments != NULL ? command->arguments : "", command->summary);
    if (command->help != NULL)
        printf("\n%s\n", command->help);
    if (command->options != NULL)
        printf("\noptions:\n");
    for (const struct cli_option *option = command->options; option != NULL && option->name != NULL;
         option++)
        cli_print_entry(option->name, option->argument, option->summary, stdout);
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
        CHECK(line->cli.command == NULL);
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
    CHECK(line->word_count >= 0);
    CHECK(line->word_count <= WORDS_MAX);
    if (line->word_count == WORDS_MAX)
        return error_set(err, ERR_USAGE, "too many arguments");
    CHECK(word != NULL);
    line->words[line->word_count++] = word;
    return 0;
}

static int
cli_check_generate(const char *what, struct error *err)
{
    if (strcmp(what, "man") == 0 || strcmp(what, "bash") == 0)
        return 0;
    return error_set(err, ERR_USAGE, "--generate needs man or bash");
}

/* Takes an option of a command, whose value is after "=" or, as `*next`, the next word. */
static int
cli_take_option(const struct cli_program *program, struct line *line, const char *word,
                const char **next, struct error *err)
{
    struct cli *cli = &line->cli;
    struct text name = {word, strcspn(word, "=")};
    const char *value = word[name.bytes] == '=' ? word + name.bytes + 1 : NULL;
    const struct cli_option *option = cli_program_option(program, name);
    if (option == NULL)
        return error_set(err, ERR_USAGE, "unknown option %s", word);
    if (cli_find_option(cli, option->name) != NULL)
        return error_set(err, ERR_USAGE, "%s is given twice", option->name);
    if (option->argument == NULL && value != NULL)
        return error_set(err, ERR_USAGE, "%s takes no value", option->name);
    if (option->argument != NULL && value == NULL) {
        value = *next;
        *next = NULL;
        if (value == NULL)
            return error_set(err, ERR_USAGE, "%s needs %s", option->name, option->argument);
    }
    if (cli->given_count == CLI_OPTIONS_MAX)
        return error_set(err, ERR_USAGE, "too many options");
    cli->given[cli->given_count++] = (struct cli_given){option->name, value != NULL ? value : ""};
    return 0;
}

static int
cli_read_line(const struct cli_program *program, int argc, char **argv, struct line *line,
              struct error *err)
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
        } else if (strcmp(word, "--version") == 0) {
            line->version = true;
        } else if (strcmp(word, "--generate") == 0) {
            line->generate = i + 1 < argc ? argv[++i] : "";
            rc = cli_check_generate(line->generate, err);
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
            const char *next = i + 1 < argc ? argv[i + 1] : NULL;
            const char *left = next;
            rc = cli_take_option(program, line, word, &left, err);
            i += left != next;
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
    CHECK(line->word_count > 0);
    CHECK((command != NULL) == (cli->command != NULL));
    CHECK(cli->argument_count < line->word_count);
    if (command == NULL)
        return error_set(err, ERR_USAGE, "unknown command \"%s%s%s\"", line->words[0],
                         line->word_count > 1 ? " " : "",
                         line->word_count > 1 ? line->words[1] : "");
    if (cli->argument_count < command->arguments_min)
        return error_set(err, ERR_USAGE, "%s needs %s", command->name, command->arguments);
    if (cli->argument_count > command->arguments_max)
        return error_set(err, ERR_USAGE, "%s: one argument too many: %s", command->name,
                         cli->arguments[command->arguments_max]);
    for (int i = 0; i < cli->given_count; i++)
        if (cli_list_find(command->options, text_of(cli->given[i].name)) == NULL)
            return error_set(err, ERR_USAGE, "%s has no %s", command->name, cli->given[i].name);
    if (cli->json && !command->has_json)
        return error_set(err, ERR_USAGE, "%s has no --json", command->name);
    return 0;
}

/* Reports each line of the list; the error only points to them. */
static void
cli_report_problems(const struct cli_program *program, const struct cli_command *command,
                    const char *path, struct buffer *list, struct error *err)
{
    CHECK(err->code == ERR_USAGE);
    const char *line = buffer_string(list);
    while (*line != '\0') {
        int bytes = (int)strcspn(line, "\n");
        if (command->has_log)
            log_error("config", "%.*s", bytes, line);
        else
            fprintf(stderr, "%s: %.*s\n", program->name, bytes, line);
        line += (size_t)bytes + 1;
    }
    error_set(err, ERR_USAGE, "\"%s\" is refused for the reasons above", path);
}

static int
cli_run(const struct cli_program *program, const struct cli_command *command, struct line *line,
        struct error *err)
{
    const char *path = line->config_path;
    CHECK(line->cli.command == command->name);
    CHECK(line->cli.config == NULL);
    if (path == NULL)
        path = getenv("BITDEX_CONFIG");
    if (path == NULL)
        path = "bitdex.yaml";
    struct config *config;
    struct buffer problems = {0};
    int rc = config_load(path, program->config_program, &config, &problems, err);
    if (problems.bytes > 0)
        cli_report_problems(program, command, path, &problems, err);
    buffer_free(&problems);
    if (rc != 0)
        return rc;
    CHECK(config != NULL);
    line->cli.config = config;
    log_set_level(config->log.level);
    rc = command->run(&line->cli, err);
    CHECK(rc <= 0);
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
    int rc = cli_read_line(program, argc, argv, &line, &err);
    if (rc == 0 && cli_print_answer(program, &line))
        return EXIT_DONE;
    if (rc == 0 && line.word_count == 0) {
        cli_print_program(program, stderr);
        return EXIT_USAGE;
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
    CHECK(argument != NULL);
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
