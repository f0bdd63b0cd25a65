#include "tests/unit/unit_test.h"

#include <stdlib.h>

#include "common/ops/ops_json.h"
#include "tests/unit/random_input.h"

static struct arena arena;
static const struct ops_invalids nothing_stored = {NULL, 0};

static int
setup(void **state)
{
    (void)state;
    arena_init(&arena);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static const char *
written(const struct ops *ops)
{
    struct buffer out = {0};
    if (ops->count == 0)
        return "[]";
    ops_json_write(ops, &out);
    const char *copy = arena_strdup(&arena, (struct text){(char *)out.data, out.bytes});
    buffer_free(&out);
    return copy;
}

static struct ops_invalids
parse_row(const char *row, const struct ops_invalids *stored, struct ops *ops)
{
    struct error err;
    enum ops_route route;
    struct ops_invalids invalids;
    if (ops_json_parse_row(text_of(row), &ops_limits_default, stored, &arena, ops, &route,
                           &invalids, &err) != 0)
        fail_msg("%s: %s", row, err.message);
    return invalids;
}

static const char *
described(const struct ops_invalids *invalids)
{
    struct buffer out = {0};
    ops_invalids_describe(invalids, &out);
    const char *copy = arena_strdup(&arena, (struct text){(char *)out.data, out.bytes});
    buffer_free(&out);
    return copy;
}

/* A row with one invalid value becomes `wanted`, for `reason`. */
static void
check_row(const char *row, const char *wanted, const char *reason)
{
    struct ops ops;
    struct ops_invalids invalids = parse_row(row, &nothing_stored, &ops);
    assert_string_equal(written(&ops), wanted);
    assert_string_equal(described(&invalids), reason);
}

#define ALIVE "{\"op\":\"alive\"}"
#define OP(op, value) "{\"op\":\"" op "\",\"field\":\"f\",\"value\":" value "}"
#define ITEM(i)                                                                        \
    "item " i " is neither an integer nor a string, or differs in type from the items" \
    " before it"
#define FAN_OUT(ops) "{\"op\":\"queryOpSet\",\"query\":\"a eq 1\",\"ops\":[" ops "]}"

static void
test_F89_an_invalid_value_costs_its_op(void **state)
{
    (void)state;
    static const char *const values[][2] = {
        {"[1,null]", ITEM("1")},
        {"[{\"a\":1}]", ITEM("0")},
        {"[1,\"a\"]", ITEM("1")},
        {"[true,false]", ITEM("0")},
        {"[1.5]", ITEM("0")},
        {"[[[[[[1]]]]]]", ITEM("0")},
        {"1e400", "1e400 is beyond the range of floats"},
        {"{}", "is an object"},
        {"{\"invalid\":\"string with a NUL\"}", "string with a NUL"},
    };
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        static const char *const ops[] = {"set", "add", "remove"};
        for (size_t op = 0; op < COUNT_OF(ops); op++) {
            char *row = memory_format(
                "[" ALIVE ",{\"op\":\"%s\",\"field\":\"f\",\"value\":%s}," OP("set", "7") "]",
                ops[op], values[i][0]);
            char *reason = memory_format("field \"f\" (ops[1].value): %s", values[i][1]);
            check_row(row,
                      op == 0 ? "[" ALIVE "," OP("set", "null") "," OP("set", "7") "]"
                              : "[" ALIVE "," OP("set", "7") "]",
                      reason);
            free(reason);
            free(row);
        }
    }
}

static void
test_F89_long_and_deep_values_cost_their_op(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct buffer row = {0};
        buffer_append_text(&row, "[" ALIVE ",{\"op\":\"set\",\"field\":\"f\",\"value\":");
        buffer_append_text(&row, i == 0 ? "\"" : "");
        for (int n = 0; n < (i == 0 ? 65537 : 10000); n++)
            buffer_append_text(&row, i == 0 ? "x" : "[");
        for (int n = 0; n < (i == 0 ? 0 : 10000); n++)
            buffer_append_text(&row, "]");
        buffer_append_text(&row, i == 0 ? "\"}]" : "}]");
        check_row(buffer_string(&row), "[" ALIVE "," OP("set", "null") "]",
                  i == 0 ? "field \"f\" (ops[1].value): string is longer than 65536 bytes"
                         : "field \"f\" (ops[1].value): " ITEM("0"));
        buffer_free(&row);
    }
}

static void
test_F89_what_only_one_op_lacks_costs_that_op(void **state)
{
    (void)state;
    check_row("[" ALIVE ",{\"op\":\"set\",\"field\":\"f\"}]", "[" ALIVE "," OP("set", "null") "]",
              "field \"f\" (ops[1].value): is missing");
    check_row("[" ALIVE "," OP("remove", "null") "]", "[" ALIVE "]",
              "field \"f\" (ops[1].value): null can only be set");
}

static void
test_F89_a_nested_op_falls_away_alone(void **state)
{
    (void)state;
    check_row("[" FAN_OUT(OP("remove", "{}") "," OP("set", "5")) "]",
              "[" FAN_OUT(OP("set", "5")) "]", "field \"f\" (ops[0].ops[0].value): is an object");
    check_row("[" FAN_OUT(OP("remove", "1") "," OP("set", "{}")) "]",
              "[" FAN_OUT(OP("remove", "1") "," OP("set", "null")) "]",
              "field \"f\" (ops[0].ops[1].value): is an object");
    check_row("[" FAN_OUT(OP("add", "[null]")) "," FAN_OUT("{\"op\":\"delete\"}") "]",
              "[" FAN_OUT("{\"op\":\"delete\"}") "]",
              "field \"f\" (ops[0].ops[0].value): " ITEM("0"));
}

static void
test_F89_a_row_may_lose_all_its_ops(void **state)
{
    (void)state;
    check_row("[" OP("add", "{}") "]", "[]", "field \"f\" (ops[0].value): is an object");
    check_row("[" FAN_OUT(OP("add", "{}")) "]", "[]",
              "field \"f\" (ops[0].ops[0].value): is an object");
}

static void
test_what_is_no_op_costs_the_row(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "[" ALIVE ",7]",
        "[" ALIVE ",{\"op\":\"put\"}]",
        "[" OP("set", "1") "," FAN_OUT(OP("set", "1")) "]",
        "[{\"op\":\"set\",\"field\":\"\",\"value\":1}]",
        "[" FAN_OUT(OP("set", "{}") "," ALIVE) "]",
        "[{\"op\":\"queryOpSet\",\"query\":\"a\",\"ops\":[" OP("set", "{}") "]}]",
        "[{\"op\":\"refresh\",\"entry\":\"e\",\"key\":1.5}]",
        "{}",
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct ops ops;
        enum ops_route route;
        struct ops_invalids invalids;
        assert_int_equal(ops_json_parse_row(text_of(rows[i]), &ops_limits_default, &nothing_stored,
                                            &arena, &ops, &route, &invalids, NULL),
                         ERR_DATA);
    }
}

static void
test_a_row_of_invalid_values_is_rejected_at_a_limit(void **state)
{
    (void)state;
    for (int more = 0; more < 2; more++) {
        struct ops ops;
        enum ops_route route;
        struct error err;
        struct ops_invalids invalids;
        struct buffer row = {0};
        buffer_append_text(&row, "[" ALIVE);
        for (int i = 0; i < OPS_INVALID_MAX + more; i++)
            buffer_append_text(&row, "," OP("add", "{}"));
        buffer_append_text(&row, "]");
        int rc = ops_json_parse_row(text_of(buffer_string(&row)), &ops_limits_default,
                                    &nothing_stored, &arena, &ops, &route, &invalids, &err);
        assert_int_equal(rc, more > 0 ? ERR_DATA : 0);
        if (more > 0)
            assert_string_equal(err.message, "ops[1001].value: more than 1000 values of the row are"
                                             " invalid");
        buffer_free(&row);
    }
}

/* --- what was stored decides --- */

static struct ops_invalids
stored_again(const struct ops_invalids *invalids)
{
    struct ops_invalids again;
    struct buffer json = {0};
    struct error err;
    ops_invalids_write(invalids, &json);
    if (ops_invalids_read(text_of(buffer_string(&json)), &arena, &again, &err) != 0)
        fail_msg("%s: %s", buffer_string(&json), err.message);
    buffer_free(&json);
    return again;
}

static void
test_F79_a_stored_verdict_decides_of_values_that_are_valid_now(void **state)
{
    (void)state;
    const struct ops_invalid items[] = {
        {0, 1, TEXT("f"), TEXT("was longer than 3 bytes")},
        {1, 0, TEXT("f"), TEXT("was odd")},
    };
    const struct ops_invalids verdict = {items, COUNT_OF(items)};
    struct ops_invalids stored = stored_again(&verdict);
    struct ops ops;
    struct ops_invalids invalids = parse_row(
        "[" FAN_OUT(OP("set", "1") "," OP("set", "\"long\"")) "," FAN_OUT(OP("add", "3")) "]",
        &stored, &ops);
    assert_string_equal(written(&ops), "[" FAN_OUT(OP("set", "1") "," OP("set", "null")) "]");
    assert_int_equal(invalids.count, 2);
    assert_string_equal(described(&invalids),
                        "field \"f\" (ops[0].ops[1].value): was longer than 3 bytes;"
                        " field \"f\" (ops[1].ops[0].value): was odd");
}

static void
test_a_stored_verdict_that_is_damaged_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}",
        "[1]",
        "[{\"op\":0,\"nested\":null,\"field\":\"f\"}]",
        "[{\"op\":-1,\"nested\":null,\"field\":\"f\",\"reason\":\"r\"}]",
        "[{\"op\":0,\"nested\":\"1\",\"field\":\"f\",\"reason\":\"r\"}]",
        "[{\"op\":1,\"nested\":null,\"field\":\"f\",\"reason\":\"r\"},"
        "{\"op\":0,\"nested\":null,\"field\":\"f\",\"reason\":\"r\"}]",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct ops_invalids invalids;
        assert_int_equal(ops_invalids_read(text_of(texts[i]), &arena, &invalids, NULL), ERR_DATA);
    }
}

static void
test_a_description_names_the_first_values(void **state)
{
    (void)state;
    check_row("[" OP("set", "{}") "," OP("add", "{}") "," OP("add", "{}") "," OP(
                  "add", "{}") "," OP("add", "{}") "]",
              "[" OP("set", "null") "]",
              "field \"f\" (ops[0].value): is an object; field \"f\" (ops[1].value): is an object;"
              " field \"f\" (ops[2].value): is an object; and 2 further values");
}

/* --- random rows --- */

static const char *
random_value(bool *is_valid)
{
    static const char *const valid[] = {"1", "\"x\"", "[1,2]", "true", "2.5", "[]", "3.0"};
    static const char *const invalid[] = {"[1,null]",
                                          "{}",
                                          "1e999",
                                          "[2.5]",
                                          "[\"a\",[]]",
                                          "{\"invalid\":\"infinite\"}",
                                          "0.99999999999999999999"};
    *is_valid = random_below(2) == 0;
    return *is_valid ? valid[random_below(COUNT_OF(valid))]
                     : invalid[random_below(COUNT_OF(invalid))];
}

/* Appends random ops to `row`, and what is left of them to `left`. */
static void
append_ops(struct buffer *row, struct buffer *left, uint32_t count)
{
    static const char *const kinds[] = {"set", "add", "remove"};
    for (uint32_t i = 0; i < count; i++) {
        size_t kind = random_below(COUNT_OF(kinds));
        bool is_valid;
        const char *value = random_value(&is_valid);
        buffer_append_format(row, "%s{\"op\":\"%s\",\"field\":\"f\",\"value\":%s}",
                             i > 0 ? "," : "", kinds[kind], value);
        if (is_valid || kind == 0)
            buffer_append_format(left, "%s{\"op\":\"%s\",\"field\":\"f\",\"value\":%s}",
                                 left->bytes > 0 ? "," : "", kinds[kind],
                                 is_valid ? value : "null");
    }
}

static void
append_fan_outs(struct buffer *row, struct buffer *left, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct buffer nested = {0};
        buffer_append_text(row, i > 0 ? "," : "");
        buffer_append_text(row, "{\"op\":\"queryOpSet\",\"query\":\"a eq 1\",\"ops\":[");
        append_ops(row, &nested, 1 + (uint32_t)random_below(3));
        buffer_append_text(row, "]}");
        if (nested.bytes > 0)
            buffer_append_format(left, "%s" FAN_OUT("%s"), left->bytes > 0 ? "," : "",
                                 buffer_string(&nested));
        buffer_free(&nested);
    }
}

/* A row becomes what the row without its invalid values is; and it becomes the same again by the
 * stored verdict. */
static void
test_F89_random_rows_lose_their_invalid_values_alone(void **state)
{
    (void)state;
    random_seed();
    for (int i = 0; i < 20000; i++) {
        struct buffer row = {0};
        struct buffer left = {0};
        uint32_t count = 1 + (uint32_t)random_below(4);
        buffer_append_text(&row, "[");
        if (random_below(2) == 0)
            append_ops(&row, &left, count);
        else
            append_fan_outs(&row, &left, count);
        buffer_append_text(&row, "]");
        char *rest = memory_format("[%s]", buffer_string(&left));
        struct ops ops, wanted = {0}, again;
        enum ops_route route;
        struct ops_invalids invalids = parse_row(buffer_string(&row), &nothing_stored, &ops);
        if (left.bytes > 0)
            assert_int_equal(
                ops_json_parse(text_of(rest), &ops_limits_default, &arena, &wanted, &route, NULL),
                0);
        assert_string_equal(written(&ops), written(&wanted));
        struct ops_invalids stored = stored_again(&invalids);
        assert_int_equal(parse_row(buffer_string(&row), &stored, &again).count, invalids.count);
        assert_string_equal(written(&again), written(&ops));
        free(rest);
        buffer_free(&row);
        buffer_free(&left);
        arena_reset(&arena);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_F89_an_invalid_value_costs_its_op),
        cmocka_unit_test(test_F89_long_and_deep_values_cost_their_op),
        cmocka_unit_test(test_F89_what_only_one_op_lacks_costs_that_op),
        cmocka_unit_test(test_F89_a_nested_op_falls_away_alone),
        cmocka_unit_test(test_F89_a_row_may_lose_all_its_ops),
        cmocka_unit_test(test_what_is_no_op_costs_the_row),
        cmocka_unit_test(test_a_row_of_invalid_values_is_rejected_at_a_limit),
        cmocka_unit_test(test_F79_a_stored_verdict_decides_of_values_that_are_valid_now),
        cmocka_unit_test(test_a_stored_verdict_that_is_damaged_is_refused),
        cmocka_unit_test(test_a_description_names_the_first_values),
        cmocka_unit_test(test_F89_random_rows_lose_their_invalid_values_alone),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
