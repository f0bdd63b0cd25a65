#include "common/ops/ops_printed.h"

#include <string.h>

#include "common/ops/ops_json.h"
#include "tests/unit/random_input.h"
#include "tests/unit/unit_test.h"

static struct arena arena;

static struct text
written(const struct ops *ops)
{
    struct buffer out = {0};
    ops_json_write(ops, &out);
    struct text text = arena_text(&arena, (struct text){(char *)out.data, out.bytes});
    buffer_free(&out);
    return text;
}

/* What is read in place is what the parser of JSON reads, of the same route. */
static bool
is_read_alike(struct text json)
{
    struct ops printed;
    struct ops parsed;
    struct error err;
    enum ops_route route;
    bool accepted = ops_printed_parse(json, &ops_limits_default, &arena, &printed);
    if (accepted) {
        assert_int_equal(ops_json_parse(json, &ops_limits_default, &arena, &parsed, &route, &err),
                         0);
        assert_int_equal(route, OPS_ROUTE_ENTITY);
        assert_int_equal(printed.count, parsed.count);
        assert_true(text_equal(written(&printed), written(&parsed)));
    }
    arena_reset(&arena);
    return accepted;
}

static const char *const printed_rows[] = {
    "[{\"op\": \"alive\"}, {\"op\": \"set\", \"field\": \"level\", \"value\": 16}]",
    "[{\"op\": \"add\", \"field\": \"tagIds\", \"value\": -999999999999999999}]",
    "[{\"op\": \"remove\", \"field\": \"a b\", \"value\": \"SD 1.5\"}, "
    "{\"op\": \"set\", \"field\": \"a b\", \"value\": \"\"}]",
    "[{\"op\": \"set\", \"field\": \"poi\", \"value\": true}, "
    "{\"op\": \"set\", \"field\": \"minor\", \"value\": false}, "
    "{\"op\": \"set\", \"field\": \"at\", \"value\": null}, {\"op\": \"delete\"}]",
    "[{\"op\": \"alive\"}, {\"op\": \"alive\"}, {\"op\": \"alive\"}, {\"op\": \"alive\"}, "
    "{\"op\": \"alive\"}, {\"op\": \"alive\"}, {\"op\": \"alive\"}, {\"op\": \"alive\"}, "
    "{\"op\": \"set\", \"field\": \"n\", \"value\": 0}]",
};

static void
test_rows_of_triggers_are_read_in_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(printed_rows); i++)
        assert_true(is_read_alike(text_of(printed_rows[i])));
}

static void
test_everything_else_is_left_to_the_parser(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "[]",
        "[{\"op\":\"alive\"}]",
        "[{\"op\": \"alive\"}] ",
        "[{\"op\": \"alive\"}",
        "[{\"op\": \"alive\"}, ]",
        "[{\"op\": \"add\", \"field\": \"a\", \"value\": null}]",
        "[{\"op\": \"set\", \"field\": \"\", \"value\": 1}]",
        "[{\"op\": \"set\", \"field\": \"a\", \"value\": 01}]",
        "[{\"op\": \"set\", \"field\": \"a\", \"value\": -0}]",
        "[{\"op\": \"set\", \"field\": \"a\", \"value\": 1.5}]",
        "[{\"op\": \"set\", \"field\": \"a\", \"value\": 9223372036854775807}]",
        "[{\"op\": \"set\", \"field\": \"a\", \"value\": \"\\n\"}]",
        "[{\"op\": \"set\", \"field\": \"a\", \"value\": \"\xc3\xa9\"}]",
        "[{\"op\": \"set\", \"field\": \"a\", \"value\": [1]}]",
        "[{\"op\": \"set\", \"field\": \"a\", \"value\": 1, \"value\": 2}]",
        "[{\"op\": \"refresh\"}]",
        "[{\"op\": \"queryOpSet\", \"query\": \"a eq 1\", \"ops\": [{\"op\": \"delete\"}]}]",
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_false(is_read_alike(text_of(rows[i])));
}

/* At a limit the row is read; beyond it the parser says which. */
static void
test_limits_are_those_of_the_parser(void **state)
{
    (void)state;
    struct text row = text_of("[{\"op\": \"set\", \"field\": \"ab\", \"value\": \"xyz\"}]");
    struct ops ops;
    struct ops_limits limits = ops_limits_default;
    limits.name_bytes = 2;
    limits.string_bytes = 3;
    limits.row_bytes = (uint32_t)row.bytes;
    limits.row_items = 1;
    limits.depth = 2;
    assert_true(ops_printed_parse(row, &limits, &arena, &ops));
    uint32_t *const each[] = {&limits.name_bytes, &limits.string_bytes, &limits.row_bytes,
                              &limits.row_items, &limits.depth};
    for (size_t i = 0; i < COUNT_OF(each); i++) {
        (*each[i])--;
        assert_false(ops_printed_parse(row, &limits, &arena, &ops));
        (*each[i])++;
    }
    arena_reset(&arena);
}

static void
test_random_texts_are_read_alike(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "{\"op\": \"alive\"}, ",
        ", ",
        "\"value\": ",
        "\"",
        "\\u0041",
        "-",
        "\"set\"",
        "null",
        "true",
        "0",
        "\xc3\xa9",
        "{\"op\": \"delete\"}",
        "\"field\": ",
        "}",
        "[",
        "]",
        " ",
        "99999999999999999999",
    };
    random_inputs(printed_rows, COUNT_OF(printed_rows), pieces, COUNT_OF(pieces), is_read_alike);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_of_triggers_are_read_in_place),
        cmocka_unit_test(test_everything_else_is_left_to_the_parser),
        cmocka_unit_test(test_limits_are_those_of_the_parser),
        cmocka_unit_test(test_random_texts_are_read_alike),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_free(&arena);
    return failed;
}
