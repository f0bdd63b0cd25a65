/* The command line is read from the table of its commands. A line that does not fit the table ends
 * with exit code 2, before a configuration is read. */
#include "tests/unit/unit_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cli/cli.h"

static struct cli seen; /* by the last command that ran */

static int
run_seen(const struct cli *cli, struct error *err)
{
    (void)err;
    seen = *cli;
    return 0;
}

static const struct cli_option load_options[] = {
    {"--table", "T", "only this table"},
    {"--no-wait", NULL, "print the job"},
    {0},
};

static const struct cli_command commands[] = {
    {.name = "load", .summary = "load rows", .options = load_options, .run = run_seen},
    {.name = "trim", .summary = "remove rows", .run = run_seen},
    {0},
};

static const struct cli_program program = {
    .name = "bitdex-test",
    .summary = "tests the command line",
    .config_program = CONFIG_PRODUCER,
    .commands = commands,
};

enum { WORDS_MAX = 8, WORD_BYTES = 64 };

/* The exit code of a line, which ends with NULL. `seen` is valid until the next one. */
static int
run_line(const char *const *words)
{
    static char copies[WORDS_MAX + 1][WORD_BYTES];
    char *argv[WORDS_MAX + 2] = {copies[0]};
    int argc = 1;
    snprintf(copies[0], WORD_BYTES, "bitdex-test");
    for (; words[argc - 1] != NULL; argc++) {
        assert_true(argc <= WORDS_MAX);
        argv[argc] = copies[argc];
        snprintf(copies[argc], WORD_BYTES, "%s", words[argc - 1]);
    }
    seen = (struct cli){0};
    return cli_main(&program, argc, argv);
}

#define RUN(...) run_line((const char *const[]){__VA_ARGS__, NULL})

static void
write_config(char *path)
{
    static const char yaml[] = "index: i\npostgres: dbname=d\ntopic: {name: t}\n"
                               "kafka: {bootstrap.servers: \"127.0.0.1:9\"}\n";
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, yaml, sizeof yaml - 1), sizeof yaml - 1);
    close(file);
}

static void
test_options_of_a_command_are_given_anywhere(void **state)
{
    char path[] = "/tmp/bitdex_test_cli_XXXXXX";
    (void)state;
    write_config(path);
    assert_int_equal(RUN("--table", "Post", "load", "--config", path), 0);
    assert_string_equal(cli_find_option(&seen, "--table"), "Post");
    assert_null(cli_find_option(&seen, "--no-wait"));
    assert_int_equal(RUN("load", "--config", path, "--no-wait", "--table=x=y"), 0);
    assert_string_equal(cli_find_option(&seen, "--table"), "x=y");
    assert_string_equal(cli_find_option(&seen, "--no-wait"), "");
    assert_int_equal(RUN("trim", "--config", path), 0);
    assert_int_equal(seen.given_count, 0);
    unlink(path);
}

static void
test_options_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    assert_int_equal(RUN("load", "--tables", "Post"), 2);
    assert_int_equal(RUN("load", "--table"), 2);
    assert_int_equal(RUN("load", "--table", "a", "--table", "b"), 2);
    assert_int_equal(RUN("load", "--no-wait=1"), 2);
    assert_int_equal(RUN("trim", "--no-wait"), 2);
    assert_null(seen.command);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_of_a_command_are_given_anywhere),
        cmocka_unit_test(test_options_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
