/* Manual page and completion show every command of a table, and quote what roff would read. */
#include "tests/unit/unit_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cli/manual.h"

static int
run_nothing(const struct cli *cli, struct error *err)
{
    (void)cli;
    (void)err;
    return 0;
}

static const struct cli_option load_options[] = {
    {"--table", "T", "only this table"},
    {"--no-wait", NULL, "print the job"},
    {0},
};

static const struct cli_command commands[] = {
    {.name = "init", .summary = "create tables", .run = run_nothing},
    {.name = "load", .summary = "load rows", .options = load_options, .run = run_nothing},
    {.name = "cursor show", .summary = "print every cursor", .has_json = true, .run = run_nothing},
    {.name = "cursor set",
     .arguments = "POSITION",
     .arguments_min = 1,
     .arguments_max = 1,
     .summary = "continue elsewhere",
     .help = ".first line with a dot\nand a \\ in the second",
     .run = run_nothing},
    {0},
};

static const struct cli_program program = {
    .name = "bitdex-test",
    .summary = "tests the manual",
    .commands = commands,
};

/* The caller frees the text. */
static char *
print_text(void (*print)(const struct cli_program *program, FILE *out))
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    print(&program, out);
    fclose(out);
    return text;
}

static void
test_the_page_has_every_command(void **state)
{
    (void)state;
    char *page = print_text(manual_print_page);
    assert_non_null(strstr(page, ".TH \"bitdex-test\" 1"));
    assert_non_null(strstr(page, "bitdex\\-test \\- tests the manual"));
    assert_non_null(strstr(page, "\\fBinit\\fR\ncreate tables"));
    assert_non_null(strstr(page, "\\fBcursor set\\fR \\fIPOSITION\\fR"));
    assert_non_null(strstr(page, "\\fB\\-\\-table\\fR \\fIT\\fR\nonly this table"));
    assert_non_null(strstr(page, "\\fBconfig\\fR"));
    assert_non_null(strstr(page, "\\fB\\-\\-version\\fR"));
    free(page);
}

static void
test_the_page_quotes_what_roff_would_read(void **state)
{
    (void)state;
    char *page = print_text(manual_print_page);
    assert_non_null(strstr(page, "\n\\&.first line with a dot\nand a \\e in the second"));
    free(page);
}

static void
test_the_completion_offers_each_word_once(void **state)
{
    (void)state;
    char *script = print_text(manual_print_bash);
    assert_non_null(strstr(script, "\"\") words=\" init load cursor config\""));
    assert_non_null(strstr(script, "cursor) words=\" show set\""));
    assert_non_null(strstr(script, "--config | --table) ((i++))"));
    assert_non_null(strstr(script, "load) words+=\" --table --no-wait\""));
    assert_non_null(strstr(script, "complete -F _bitdex_test bitdex-test"));
    free(script);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_page_has_every_command),
        cmocka_unit_test(test_the_page_quotes_what_roff_would_read),
        cmocka_unit_test(test_the_completion_offers_each_word_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
