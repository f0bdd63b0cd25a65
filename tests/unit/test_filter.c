#include "tests/unit/unit_test.h"

#include <stdlib.h>
#include <string.h>

#include "common/json/json_write.h"
#include "common/ops/filter.h"
#include "tests/unit/random_input.h"

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

/* Writes a value so that its kind is visible; a string as JSON, which a query accepts as well. */
static void
show_value(struct buffer *out, const struct value *value)
{
    struct json_writer writer;
    json_writer_init(&writer, out);
    switch (value->kind) {
    case VALUE_INTEGER:
        json_integer(&writer, value->integer);
        break;
    case VALUE_FLOAT:
        json_float(&writer, value->real);
        break;
    case VALUE_BOOLEAN:
        json_boolean(&writer, value->boolean);
        break;
    case VALUE_STRING:
        json_text(&writer, value->string);
        break;
    default:
        fail_msg("value of kind %d", (int)value->kind);
    }
}

static void
show_leaf(struct buffer *out, const struct filter *leaf)
{
    assert_true(leaf->kind == FILTER_EQ || leaf->kind == FILTER_IN);
    buffer_append(out, leaf->field.data, leaf->field.bytes);
    buffer_append_text(out, leaf->kind == FILTER_EQ ? " eq " : " in [");
    if (leaf->kind == FILTER_EQ)
        assert_int_equal(leaf->count, 1);
    for (uint32_t i = 0; i < leaf->count; i++) {
        if (i > 0)
            buffer_append_text(out, ",");
        show_value(out, &leaf->values[i]);
    }
    if (leaf->kind == FILTER_IN)
        buffer_append_text(out, "]");
}

/* The tree as a query in one canonical form; allocated in the arena. */
static struct text
show(const struct filter *filter)
{
    struct buffer out = {0};
    bool is_and = filter->kind == FILTER_AND;
    uint32_t count = is_and ? filter->count : 1;
    if (is_and)
        assert_true(count > 1);
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_append_text(&out, " AND ");
        show_leaf(&out, is_and ? &filter->children[i] : filter);
    }
    struct text copy = arena_text(&arena, (struct text){(char *)out.data, out.bytes});
    buffer_free(&out);
    return copy;
}

static struct text
parsed(struct text query)
{
    const struct filter *filter;
    struct error err;
    if (filter_parse_query(query, &arena, &filter, &err) != 0)
        fail_msg("%.*s: %s", TEXT_ARGS(query), err.message);
    return show(filter);
}

static void
check_parsed(const char *const cases[][2], size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_string_equal(parsed(text_of(cases[i][0])).data,
                            cases[i][1] != NULL ? cases[i][1] : cases[i][0]);
}

static void
test_clauses_and_operators_in_any_case(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"postId eq 5", NULL},
        {"modelVersionIds in [1,2,-3]", NULL},
        {"modelVersionIds in [1, 2, 3]", "modelVersionIds in [1,2,3]"},
        {"a EQ 1 and b In[2 , 3 ]And c eQ x", "a eq 1 AND b in [2,3] AND c eq \"x\""},
        {"  a\teq\n1  \r\nAND  b eq  2 ", "a eq 1 AND b eq 2"},
        {"a in []", NULL},
        {"a in [ ] AND b in [7]", "a in [] AND b in [7]"},
        {"and eq eq AND in in [in]", "and eq \"eq\" AND in in [\"in\"]"},
        {"na\xc3\xafve.x-y eq 1", NULL},
    };
    check_parsed(cases, COUNT_OF(cases));
}

static void
test_bare_values_are_numbers_booleans_or_strings(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"a eq -9223372036854775808", NULL},
        {"a eq 9223372036854775808", "a eq 9.223372036854776e+18"},
        {"a eq 2.5", NULL},
        {"a eq 3.0", "a eq 3"},
        {"a eq 1e2", "a eq 100"},
        {"a eq -0.0", "a eq 0"},
        {"a eq true", NULL},
        {"a eq false", NULL},
        {"a eq TRUE", "a eq \"TRUE\""},
        {"a eq null", "a eq \"null\""},
        {"a eq 007", "a eq \"007\""},
        {"a eq +5", "a eq \"+5\""},
        {"a eq 1e999", "a eq \"1e999\""},
        {"a eq 5 6", "a eq \"5 6\""},
        {"baseModel eq SD 1.5", "baseModel eq \"SD 1.5\""},
        {"baseModel eq  SD  1.5  AND b eq 1", "baseModel eq \"SD  1.5\" AND b eq 1"},
        {"a in [SD 1.5 , x]", "a in [\"SD 1.5\",\"x\"]"},
        {"a eq O'Neil", "a eq \"O'Neil\""},
        {"a eq b,c] AND d in [x[y]", "a eq \"b,c]\" AND d in [\"x[y\"]"},
        {"a eq {1}", "a eq \"{1}\""},
        {"a eq ANDROID AND b eq sandy", "a eq \"ANDROID\" AND b eq \"sandy\""},
        {"a in [x AND y]", "a in [\"x AND y\"]"},
    };
    check_parsed(cases, COUNT_OF(cases));
}

static void
test_quotes_may_hold_anything(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"a eq \"x AND y eq 1\"", NULL},
        {"a eq 'x AND y eq 1' AND b eq 2", "a eq \"x AND y eq 1\" AND b eq 2"},
        {"a in ['x, y','[z]', \",]\"]", "a in [\"x, y\",\"[z]\",\",]\"]"},
        {"a eq \"5\"", NULL},
        {"a eq 'true'", "a eq \"true\""},
        {"a eq ''", "a eq \"\""},
        {"a eq \"\"", NULL},
        {"a eq ' x '", "a eq \" x \""},
        {"a eq 'O''Neil'", "a eq \"O'Neil\""},
        {"a in ['''', '''''']", "a in [\"'\",\"''\"]"},
        {"a eq 'back\\slash'", "a eq \"back\\\\slash\""},
        {"a eq \"\\\"\\\\\\u0041\\n\"", "a eq \"\\\"\\\\A\\n\""},
        {"a in [\"\\\\\", \"b\"]", "a in [\"\\\\\",\"b\"]"},
        {"a eq 'x'AND b eq \"y\"and c eq 1", "a eq \"x\" AND b eq \"y\" AND c eq 1"},
    };
    check_parsed(cases, COUNT_OF(cases));
}

static void
test_refusals_name_the_byte(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "byte 0: expected a field"},
        {"  ", "byte 2: expected a field"},
        {"a", "byte 1: expected eq or in"},
        {"a = 1", "byte 2: expected eq or in"},
        {"a eq1", "byte 2: expected eq or in"},
        {"a gt 1", "byte 2: expected eq or in"},
        {"a eq", "byte 4: expected a value"},
        {"a eq AND b eq 1", "byte 5: expected a value"},
        {"a eq 1 AND", "byte 10: expected a field"},
        {"a eq 1 AND AND b eq 1", "byte 15: expected eq or in"},
        {"a eq 1 AND b", "byte 12: expected eq or in"},
        {"a eq [1]", "byte 5: expected a value"},
        {"a eq 'x' b", "byte 9: expected AND"},
        {"a eq \"x\" OR b eq 1", "byte 9: expected AND"},
        {"a eq 'x'ANDb eq 1", "byte 8: expected AND"},
        {"a eq 'x''", "byte 5: quote that is not closed"},
        {"a eq \"x\\\"", "byte 5: quote that is not closed"},
        {"a eq \"\\", "byte 5: quote that is not closed"},
        {"a eq \"\\x\"", "byte 5: the value in double quotes is not a JSON string"},
        {"a eq \"\\u0000\"", "byte 5: the value in double quotes is not a JSON string"},
        {"a eq \"\n\"", "byte 5: the value in double quotes is not a JSON string"},
        {"a in 1", "byte 5: expected ["},
        {"a in", "byte 4: expected ["},
        {"a in [", "byte 6: expected a value"},
        {"a in [1", "byte 7: expected , or ]"},
        {"a in [1,]", "byte 8: expected a value"},
        {"a in [,1]", "byte 6: expected a value"},
        {"a in [[1]]", "byte 6: expected a value"},
        {"a in ['x' 'y']", "byte 10: expected , or ]"},
        {"a in [1] 2", "byte 9: expected AND"},
        {"a in [1]]", "byte 8: expected AND"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct filter *filter;
        struct error err = {0};
        int rc = filter_parse_query(text_of(cases[i][0]), &arena, &filter, &err);
        if (rc != ERR_DATA || strncmp(err.message, cases[i][1], strlen(cases[i][1])) != 0)
            fail_msg("%s: wanted \"%s\", got %d \"%s\"", cases[i][0], cases[i][1], rc, err.message);
    }
}

static void
test_a_filter_does_not_refer_to_the_querys_text(void **state)
{
    (void)state;
    char query[] = "field eq x AND list in ['y', \"z\", w]";
    const struct filter *filter;
    assert_int_equal(filter_parse_query(text_of(query), &arena, &filter, NULL), 0);
    memset(query, '?', sizeof query - 1);
    assert_string_equal(show(filter).data, "field eq \"x\" AND list in [\"y\",\"z\",\"w\"]");
}

/* They do not grow with its square. */
static void
test_time_and_memory_grow_linearly_with_the_query(void **state)
{
    (void)state;
    static const struct {
        const char *begin;
        const char *piece;
        const char *end;
    } cases[] = {
        {"a eq x", " ", "y"},      {"a eq x", " y", ""},          {"a in [", "'',", "1]"},
        {"a in [", "1,", "1]"},    {"a eq 1", " AND a eq 1", ""}, {"a eq '", "''", "'"},
        {"a eq \"", "\\\\", "\""}, {"a in [", "\"\",", "1]"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct filter *filter;
        struct buffer query = {0};
        buffer_append_text(&query, cases[i].begin);
        while (query.bytes < 256 * 1024)
            buffer_append_text(&query, cases[i].piece);
        buffer_append_text(&query, cases[i].end);
        arena_reset(&arena);
        struct text text = {(char *)query.data, query.bytes};
        assert_int_equal(filter_parse_query(text, &arena, &filter, NULL), 0);
        assert_in_range(arena.used_bytes, 1, 64 * query.bytes);
        buffer_free(&query);
    }
}

/* Any bytes are refused with the place of an error, or give a tree that is equal when it is written
 * as a query and parsed again. */
static bool
is_refused_or_survives(struct text query)
{
    const struct filter *filter;
    struct error err;
    bool accepted = filter_parse_query(query, &arena, &filter, &err) == 0;
    if (accepted) {
        struct text once = show(filter);
        if (!text_equal(parsed(once), once))
            fail_msg("%.*s", TEXT_ARGS(query));
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
        "postId eq 5",
        "a in [1, 'x''y', \"z\\n\"] AND b eq SD 1.5",
        "a eq 'x AND y' and b in []",
    };
    static const char *const pieces[] = {
        " ", "eq",  "in",   " AND ",   "[", "]",        ",",  "'",  "\"",   "\\",
        "1", "1.5", "true", "\\u0041", "x", "\xc3\xa9", "\n", "''", " eq ", " in ",
    };
    random_inputs(goods, COUNT_OF(goods), pieces, COUNT_OF(pieces), is_refused_or_survives);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clauses_and_operators_in_any_case),
        cmocka_unit_test(test_bare_values_are_numbers_booleans_or_strings),
        cmocka_unit_test(test_quotes_may_hold_anything),
        cmocka_unit_test(test_refusals_name_the_byte),
        cmocka_unit_test(test_a_filter_does_not_refer_to_the_querys_text),
        cmocka_unit_test(test_time_and_memory_grow_linearly_with_the_query),
        cmocka_unit_test(test_random_bytes_are_refused_or_survive_a_round_trip),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
