#include "tests/unit/unit_test.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/json/json_parse.h"
#include "common/json/json_scan.h"
#include "common/json/json_value.h"
#include "common/json/json_write.h"
#include "tests/unit/random_input.h"

enum { DEPTH = 8 };

static struct arena arena;

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

static const struct json_value *
parse(struct text text)
{
    const struct json_value *value;
    struct error err;
    if (json_parse(text, DEPTH, &arena, &value, &err) != 0)
        fail_msg("%.*s: %s", TEXT_ARGS(text), err.message);
    return value;
}

static void
check_refused(struct text text, const char *refusal)
{
    const struct json_value *value;
    struct error err = {0};
    int rc = json_parse(text, DEPTH, &arena, &value, &err);
    if (rc != ERR_DATA || err.code != ERR_DATA || strstr(err.message, refusal) == NULL)
        fail_msg("%.*s: wanted \"%s\", got %d \"%s\"", TEXT_ARGS(text), refusal, rc, err.message);
}

/* `text` parsed and written again; allocated in the arena. */
static const char *
rewritten(struct text text)
{
    struct json_writer writer;
    struct buffer out = {0};
    json_writer_init(&writer, &out);
    json_tree(&writer, parse(text));
    const char *copy = arena_strdup(&arena, (struct text){(char *)out.data, out.bytes});
    buffer_free(&out);
    return copy;
}

static void
test_a_written_value_equals_the_one_read(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"null", NULL},
        {"true", NULL},
        {"false", NULL},
        {" 1 ", "1"},
        {"-0", "0"},
        {"9223372036854775807", NULL},
        {"-9223372036854775808", NULL},
        {"9223372036854775808", NULL},
        {"-9223372036854775809", NULL},
        {"3.0", NULL},
        {"-0.0", NULL},
        {"0.1", NULL},
        {"0.30000000000000004", NULL},
        {"1e2", NULL},
        {"1E-2", NULL},
        {"1e-999", NULL},
        {"[1e999,-1e999]", NULL},
        {"2.9999999999999999999", NULL},
        {"1.7976931348623157e+308", NULL},
        {"\"\"", NULL},
        {"[]", NULL},
        {"{}", NULL},
        {"[[],{},[[]],{\"a\":{}}]", NULL},
        {"\t[ 1 ,\r\n2.5 , \"x\" ]", "[1,2.5,\"x\"]"},
        {"{ \"a\" : [ { \"b\" : null , \"c\" : 1 } , true ] , \"\" : 2 }",
         "{\"a\":[{\"b\":null,\"c\":1},true],\"\":2}"},
        {"\"\\u0041\\/\\\\\\\"\\b\\f\\n\\r\\t\\u0001\\u007f\"",
         "\"A/\\\\\\\"\\b\\f\\n\\r\\t\\u0001\x7f\""},
        {"\"na\xc3\xafve \\u00e9 \\uD83D\\ude42\"", "\"na\xc3\xafve \xc3\xa9 \xf0\x9f\x99\x82\""},
        {"\"\\\\u0000\"", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_string_equal(rewritten(text_of(cases[i][0])),
                            cases[i][1] != NULL ? cases[i][1] : cases[i][0]);
}

static void
test_text_outside_the_grammar_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        " ",
        "nul",
        "tru",
        "NaN",
        "Infinity",
        "-",
        "-x",
        "+1",
        ".5",
        "1.",
        "1.e3",
        "1e",
        "1e+",
        "01",
        "-01",
        "0x10",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[",
        "]",
        "[1}",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "{\"a\":1,}",
        "{1:1}",
        "'a'",
        "\"a",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4",
        "\"\t\"",
        "1 2",
        "[] []",
        "null,",
        "[1]//c",
        "/*c*/1",
        "\v1",
        "1\f",
        "\\",
        "\"\\",
        "\"\x1f\"",
        "truefalse",
        "[1true]",
        "\xef\xbb\xbf"
        "1",
        "\"\\a\"",
        "[\"a\":1]",
        "{\"a\",1}",
        "{\"a\":1 \"b\":2}",
        "{:1}",
        "{\"a\"::1}",
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        check_refused(text_of(cases[i]), "not JSON: byte ");
    check_refused((struct text){NULL, 0}, "no value");
    check_refused(TEXT("1\0"), "NUL");
}

static void
test_values_that_cannot_be_represented_are_refused(void **state)
{
    (void)state;
    check_refused(TEXT("\"a\\u0000\""), "byte 2: string with a NUL");
    check_refused(TEXT("{\"\\u0000\":1}"), "string with a NUL");
    check_refused(TEXT("\"\\ud800\""), "byte 1: half a surrogate pair");
    check_refused(TEXT("\"\\ud800x\""), "half a surrogate pair");
    check_refused(TEXT("\"\\udc00\\ud800\""), "half a surrogate pair");
    check_refused(TEXT("\"\\ud800\\ud800\""), "half a surrogate pair");
    check_refused(TEXT("\"\\udc00\\udc00\""), "half a surrogate pair");
    check_refused(TEXT("\"\\ud800\\u0041\""), "half a surrogate pair");
    check_refused(TEXT("\"\xed\xa0\x80\""), "not UTF-8");
    check_refused(TEXT("\"\xc0\xaf\""), "not UTF-8");
    check_refused(TEXT("\"\xf5\x80\x80\x80\""), "not UTF-8");
    check_refused(TEXT("\"\xe2\x82\""), "not UTF-8");
    check_refused(TEXT("{\"a\":1,\"b\":2,\"a\":3}"), "repeated key");
    check_refused(TEXT("{\"a\":1,\"\\u0061\":2}"), "repeated key");
}

/* An object with `count` keys. The last one repeats key number `repeats` if that is less than
 * `count`. */
static struct text
many_keys(struct buffer *out, int count, int repeats)
{
    buffer_clear(out);
    for (int i = 0; i < count; i++)
        buffer_append_format(out, "%s\"k%d\":1", i == 0 ? "{" : ",",
                             i == count - 1 && repeats < count ? repeats : i);
    buffer_append_text(out, "}");
    return (struct text){(char *)out->data, out->bytes};
}

static void
test_repeated_keys_are_found_in_large_objects(void **state)
{
    (void)state;
    struct buffer out = {0};
    assert_int_equal(parse(many_keys(&out, 9, 9))->object.count, 9);
    assert_int_equal(parse(many_keys(&out, 50000, 50000))->object.count, 50000);
    check_refused(many_keys(&out, 8, 0), "repeated key");
    check_refused(many_keys(&out, 9, 7), "repeated key");
    check_refused(many_keys(&out, 50000, 25000), "repeated key");
    buffer_free(&out);
}

static struct text
nested(struct buffer *out, const char *begin, const char *end, int depth)
{
    buffer_clear(out);
    for (int i = 0; i < depth; i++)
        buffer_append_text(out, begin);
    buffer_append_text(out, "1");
    for (int i = 0; i < depth; i++)
        buffer_append_text(out, end);
    return (struct text){(char *)out->data, out->bytes};
}

static void
test_depth_is_bounded(void **state)
{
    (void)state;
    struct buffer out = {0};
    parse(nested(&out, "[", "]", DEPTH));
    parse(nested(&out, "{\"a\":", "}", DEPTH));
    check_refused(nested(&out, "[", "]", DEPTH + 1), "byte 9: nests too deep");
    check_refused(nested(&out, "{\"a\":", "}", DEPTH + 1), "nests too deep");
    check_refused(nested(&out, "[", "]", 50000), "nests too deep");
    check_refused(nested(&out, "[", "", 50000), "nests too deep");
    parse(TEXT("[[],[],[],[],[],[],[],[],[],[]]")); /* siblings do not add depth */
    buffer_free(&out);
}

static void
test_members_are_found_by_name(void **state)
{
    (void)state;
    const struct json_value *object = parse(TEXT("{\"a\":1,\"ab\":[2],\"\":null}"));
    assert_int_equal(json_member(object, "a")->integer, 1);
    assert_int_equal(json_member(object, "ab")->kind, JSON_ARRAY);
    assert_int_equal(json_member(object, "")->kind, JSON_NULL);
    assert_null(json_member(object, "b"));
    assert_null(json_member(json_member(object, "a"), "a"));
    assert_string_equal(json_kind_name(object->kind), "object");
}

static void
test_strings_are_terminated_and_belong_to_the_arena(void **state)
{
    (void)state;
    char text[] = "{\"key\":\"value\"}";
    const struct json_value *object = parse(text_of(text));
    memset(text, 'x', sizeof text - 1);
    assert_string_equal(object->object.members[0].key.data, "key");
    assert_string_equal(object->object.members[0].value.string.data, "value");
}

static void
test_the_scan_finds_objects_of_the_outermost_array_only(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool found;
    } cases[] = {
        {"[{\"op\":\"x\"}]", true},
        {"[1,[],{},{\"a\":{\"op\":1},\"op\":\"x\",\"b\":2}]", true},
        {" [ { \"\\u006fp\" : \"\\u0078\" } ] ", true},
        {"[{\"op\":\"y\"},{\"op\":\"x\"}]", true},
        {"[{\"op\":\"y\",\"op\":\"x\"}]", true},         /* json_parse refuses a repeated key, */
        {"[{\"op\":\"x\"},1e999]", true},                /* the range, */
        {"[{\"op\":\"x\"},\"\xff\\ud800\"]", true},      /* the encoding, */
        {"[{\"op\":\"x\"},[[[[[[[[[[]]]]]]]]]]]", true}, /* and the depth */
        {"[]", false},
        {"{\"op\":\"x\"}", false},
        {"[[{\"op\":\"x\"}]]", false},
        {"[{\"a\":{\"op\":\"x\"}}]", false},
        {"[{\"a\":[{\"op\":\"x\"}]}]", false},
        {"{\"a\":[{\"op\":\"x\"}]}", false},
        {"{\"a\":{\"op\":\"x\"}}", false},
        {"[{\"op\":[\"x\"]}]", false},
        {"[{\"op\":{\"a\":\"x\"}}]", false},
        {"[{\"op\":null},\"x\"]", false},
        {"[{\"op\":1,\"a\":\"x\"}]", false},
        {"[{\"x\":\"op\"}]", false},
        {"[{\"op\":\"xx\"}]", false},
        {"[{\"op\":\"x\"}", false},
        {"[{\"op\":\"x\"}]]", false},
        {"[{\"op\":\"x\"}] 1", false},
        {"[{\"op\":\"x\"},nul]", false},
        {"\"op\"", false},
        {"", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (json_array_has_object_with(text_of(cases[i].text), "op", "x", NULL) != cases[i].found)
            fail_msg("%s", cases[i].text);
}

static void
test_the_scan_finds_both_members_in_one_element(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool found;
    } cases[] = {
        {"[{\"op\":\"x\",\"also\":null}]", true},
        {"[{\"also\":{\"op\":1},\"op\":\"x\"}]", true},
        {"[1,{\"op\":\"y\"},{\"op\":\"x\",\"a\":[{}],\"also\":[]},2]", true},
        {"[{\"op\":\"x\",\"op\":\"y\",\"also\":1}]", true},
        {"[{\"op\":\"x\"}]", false},
        {"[{\"op\":\"y\",\"also\":1}]", false},
        {"[{\"op\":\"x\"},{\"also\":1}]", false},
        {"[{\"also\":1},{\"op\":\"x\"}]", false},
        {"[{\"op\":\"x\",\"a\":{\"also\":1}}]", false},
        {"[{\"op\":\"x\"},\"also\"]", false},
        {"[{\"op\":\"x\",\"a\":\"also\"}]", false},
        {"{\"op\":\"x\",\"also\":1}", false},
        {"[[{\"op\":\"x\",\"also\":1}]]", false},
        {"[{\"op\":\"x\",\"also\":1}", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (json_array_has_object_with(text_of(cases[i].text), "op", "x", "also") != cases[i].found)
            fail_msg("%s", cases[i].text);
}

static void
test_the_scan_has_no_limit_of_depth(void **state)
{
    (void)state;
    struct buffer out = {0};
    struct text deep = nested(&out, "[", "]", 100000);
    assert_false(json_array_has_object_with(deep, "op", "x", NULL));
    buffer_clear(&out);
    buffer_append_text(&out, "[{\"op\":\"x\"},");
    for (int i = 0; i < 50000; i++)
        buffer_append_text(&out, "[");
    for (int i = 0; i < 50001; i++)
        buffer_append_text(&out, "]");
    deep = (struct text){(char *)out.data, out.bytes};
    assert_true(json_array_has_object_with(deep, "op", "x", NULL));
    buffer_free(&out);
}

static void
test_the_writer_adds_commas_and_colons(void **state)
{
    (void)state;
    struct json_writer writer;
    struct buffer out = {0};
    json_writer_init(&writer, &out);
    json_object_begin(&writer);
    json_key(&writer, "a");
    json_array_begin(&writer);
    json_integer(&writer, INT64_MIN);
    json_raw(&writer, TEXT("{\"raw\":1}"));
    json_object_begin(&writer);
    json_object_end(&writer);
    json_string(&writer, "s");
    json_array_end(&writer);
    json_key(&writer, "b\"");
    json_boolean(&writer, false);
    json_object_end(&writer);
    assert_string_equal(buffer_string(&out),
                        "{\"a\":[-9223372036854775808,{\"raw\":1},{},\"s\"],\"b\\\"\":false}");
    buffer_free(&out);
}

static void
test_the_writer_replaces_bytes_that_are_not_utf8(void **state)
{
    (void)state;
    struct json_writer writer;
    struct buffer out = {0};
    json_writer_init(&writer, &out);
    json_array_begin(&writer);
    json_text(&writer, TEXT("a\xff"
                            "b\0c\xc3\xa9\xe2\x82"));
    json_text(&writer, (struct text){NULL, 0});
    json_float(&writer, INFINITY);
    json_float(&writer, NAN);
    json_array_end(&writer);
    assert_string_equal(buffer_string(&out), "[\"a\xef\xbf\xbd"
                                             "b\xef\xbf\xbd"
                                             "c\xc3\xa9"
                                             "\xef\xbf\xbd\xef\xbf\xbd\",\"\",null,null]");
    buffer_free(&out);
}

static void
test_floats_survive_a_round_trip(void **state)
{
    (void)state;
    random_seed();
    for (int i = 0; i < 20000; i++) {
        struct json_writer writer;
        struct buffer out = {0};
        double real =
            ldexp((double)random_below(UINT64_C(1) << 53), (int)random_below(2000) - 1050);
        if (!isfinite(real))
            continue;
        json_writer_init(&writer, &out);
        json_float(&writer, real);
        const struct json_value *value = parse((struct text){(char *)out.data, out.bytes});
        assert_int_equal(value->kind, JSON_FLOAT);
        assert_true(value->real == real);
        buffer_free(&out);
        arena_reset(&arena);
    }
}

/* What the scan has to return, computed from a tree. */
static bool
tree_has(const struct json_value *array)
{
    for (uint32_t i = 0; array->kind == JSON_ARRAY && i < array->array.count; i++) {
        const struct json_value *op = json_member(&array->array.items[i], "op");
        if (op != NULL && op->kind == JSON_STRING && text_is(op->string, "x"))
            return true;
    }
    return false;
}

/* Any bytes are refused with the place of an error, or survive a round trip; the scan agrees. */
static bool
is_refused_or_survives(struct text text)
{
    const struct json_value *value;
    struct error err;
    bool found = json_array_has_object_with(text, "op", "x", NULL);
    bool accepted = json_parse(text, DEPTH, &arena, &value, &err) == 0;
    if (accepted) {
        const char *once = rewritten(text);
        assert_string_equal(rewritten(text_of(once)), once);
        assert_int_equal(found, tree_has(value));
    } else {
        assert_true(text_is_ascii(err.message));
    }
    arena_reset(&arena);
    return accepted;
}

static void
test_random_bytes_are_refused_or_survive_a_round_trip(void **state)
{
    (void)state;
    static const char *const goods[] = {
        "[{\"op\":\"x\",\"v\":[1,2.5,\"a\\n\\ud83d\\ude42\"]},null]",
        "{\"a\":{\"b\":[true,false,null,-1e3]},\"c\":\"\xc3\xa9\"}",
        "[[{\"op\":\"x\"}],{\"op\":\"\\u0078\"}]",
    };
    static const char *const pieces[] = {
        "[",  "]",  "{",      "}",       ",",     ":",    "\"",       "\\",   "\\u0000",
        "1",  "-",  "0",      ".5",      "e9",    "true", "null",     " ",    "\\ud800",
        "\n", "\f", "\"op\"", "\"op\":", "\"x\"", "{}",   "\xc3\xa9", "\xed", "\\udc00",
    };
    random_inputs(goods, COUNT_OF(goods), pieces, COUNT_OF(pieces), is_refused_or_survives);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_written_value_equals_the_one_read),
        cmocka_unit_test(test_text_outside_the_grammar_is_refused),
        cmocka_unit_test(test_values_that_cannot_be_represented_are_refused),
        cmocka_unit_test(test_repeated_keys_are_found_in_large_objects),
        cmocka_unit_test(test_depth_is_bounded),
        cmocka_unit_test(test_members_are_found_by_name),
        cmocka_unit_test(test_strings_are_terminated_and_belong_to_the_arena),
        cmocka_unit_test(test_the_scan_finds_objects_of_the_outermost_array_only),
        cmocka_unit_test(test_the_scan_finds_both_members_in_one_element),
        cmocka_unit_test(test_the_scan_has_no_limit_of_depth),
        cmocka_unit_test(test_the_writer_adds_commas_and_colons),
        cmocka_unit_test(test_the_writer_replaces_bytes_that_are_not_utf8),
        cmocka_unit_test(test_floats_survive_a_round_trip),
        cmocka_unit_test(test_random_bytes_are_refused_or_survive_a_round_trip),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
