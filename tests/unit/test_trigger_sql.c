#include "tests/unit/unit_test.h"

#include <string.h>

#include "producer/triggers/concat.h"
#include "producer/triggers/digest.h"
#include "producer/triggers/row_sql.h"
#include "producer/triggers/sql.h"

static void
check_expression(const char *expression, const char *expected)
{
    struct buffer sql = {0};
    sql_append_expression(&sql, expression, "OLD");
    assert_string_equal(buffer_string(&sql), expected);
    buffer_free(&sql);
}

static void
test_F18_a_name_in_braces_becomes_a_column_of_the_row(void **state)
{
    (void)state;
    check_expression("({flags} >> 13) & 1", "(OLD.\"flags\" >> 13) & 1");
    check_expression("{order}{a.b}{Ω x}", "OLD.\"order\"OLD.\"a.b\"OLD.\"Ω x\"");
    check_expression("CAST({x} AS int)", "CAST(OLD.\"x\" AS int)");
    check_expression("no name", "no name");
}

static void
test_f18_quoted_text_and_comments_are_copied_unchanged(void **state)
{
    (void)state;
    static const char *const unchanged[] = {
        "'{a}'",
        "'it''s {a}'",
        "E'\\'{a}'",
        "\"{a}\"",
        "\"x\"\"{a}\"",
        "$${a}$$",
        "$t$ $$ {a} $t$",
        "-- {a}",
        "/* {a} */",
        "/* /* */ {a} */",
        "'{a}",
        "$x$ {a}",
        "'{1,2}'::int[]",
        "{}",
        "{ \"a\": 1 }",
        "{",
        "{a",
        "{a\n}",
        "x -- '\n || '{a}'",
        "E'\\\\' || '{a}'",
    };
    for (size_t i = 0; i < sizeof unchanged / sizeof unchanged[0]; i++)
        check_expression(unchanged[i], unchanged[i]);
    check_expression("'\\' || {a}", "'\\' || OLD.\"a\"");
    check_expression("'x' || {a} || 'y {b}'", "'x' || OLD.\"a\" || 'y {b}'");
    check_expression("me'{a}' {a}", "me'{a}' OLD.\"a\"");
    check_expression("$1 {a} $2", "$1 OLD.\"a\" $2");
    check_expression("a$b{c}$b", "a$bOLD.\"c\"$b");
    check_expression("-- '\n{a}", "-- '\nOLD.\"a\"");
    check_expression("/* /* */ */{a}", "/* /* */ */OLD.\"a\"");
}

static void
test_f18_literals_do_not_depend_on_settings_of_the_session(void **state)
{
    (void)state;
    struct buffer sql = {0};
    sql_append_literal(&sql, "it's");
    sql_append_literal(&sql, "a\\'b");
    assert_string_equal(buffer_string(&sql), "'it''s'E'a\\\\''b'");
    buffer_clear(&sql);
    sql_append_name(&sql, "a.\"b\"");
    assert_string_equal(buffer_string(&sql), "\"a.\"\"b\"\"\"");
    buffer_free(&sql);
}

/* FIPS 180-4, examples. */
static void
test_F19_the_digest_is_sha256(void **state)
{
    (void)state;
    char hex[DIGEST_HEX_BYTES];
    digest_sha256(TEXT("abc"), hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    digest_sha256(TEXT(""), hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/* The words of an expression: "quoted" ones in brackets, called ones with a parenthesis. */
static void
test_words_are_found_outside_literals_comments_and_columns(void **state)
{
    struct buffer found = {0};
    struct sql_word word;
    const char *at = "Select max ( \"T\".a1 ) || 'now()' || $$from x$$ -- table\n"
                     "/* values */ || {select} || e'\\'now' + 12 FROM s.\"a\"\"b\" now()";
    (void)state;
    while (sql_next_word(&at, &word))
        buffer_append_format(&found, word.is_quoted ? "[%.*s]%s " : "%.*s%s ", TEXT_ARGS(word.name),
                             word.is_called ? "(" : "");
    assert_string_equal(buffer_string(&found), "Select max( [T] a1 FROM s [a] [b] now( ");
    buffer_free(&found);
}

/* L12: jsonb refuses an escape of a character that the encoding of the database lacks. */
static void
test_L12_escapes_of_json_are_looked_at_where_the_database_is_not_utf8(void **state)
{
    (void)state;
    struct buffer sql = {0};
    const struct entry_value value = {.form = FORM_JSON, .type_name = "json"};
    row_sql_append_form(&sql, &value, "doc");
    assert_non_null(strstr(buffer_string(&sql),
                           "CASE getdatabaseencoding() WHEN 'UTF8' THEN false WHEN 'LATIN1' THEN"));
    buffer_free(&sql);
}

static void
test_literals_that_follow_each_other_are_one(void **state)
{
    (void)state;
    struct buffer sql = {0};
    struct concat concat = {0};
    concat_finish(&concat, &sql);
    assert_string_equal(buffer_string(&sql), "''");
    buffer_clear(&sql);
    concat_literal(&concat, "it");
    concat_literal(&concat, "'s");
    concat_sql(&concat, "a");
    concat_literal(&concat, "");
    concat_sql(&concat, "b");
    concat_literal(&concat, "\\");
    concat_finish(&concat, &sql);
    assert_string_equal(buffer_string(&sql), "'it''s'\n        || a\n        || b || E'\\\\'");
    buffer_free(&sql);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_are_found_outside_literals_comments_and_columns),
        cmocka_unit_test(test_F18_a_name_in_braces_becomes_a_column_of_the_row),
        cmocka_unit_test(test_f18_quoted_text_and_comments_are_copied_unchanged),
        cmocka_unit_test(test_f18_literals_do_not_depend_on_settings_of_the_session),
        cmocka_unit_test(test_F19_the_digest_is_sha256),
        cmocka_unit_test(test_L12_escapes_of_json_are_looked_at_where_the_database_is_not_utf8),
        cmocka_unit_test(test_literals_that_follow_each_other_are_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
