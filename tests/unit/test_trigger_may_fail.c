#include "producer/triggers/sql_may_fail.h"
#include "tests/unit/unit_test.h"

/* L12: what may fail is evaluated by a guard. */
static void
test_L12_what_may_fail(void **state)
{
    static const char *const safe[] = {
        "{flags}",
        "({flags} >> 13) & 1 = 1 AND ({flags} >> 2) & 1 = 0",
        "GREATEST({scannedAt}, {createdAt})",
        "{type}::text",
        "CASE WHEN {power} > 1 THEN {power} END",
        "COALESCE({a}, 'it''s nothing')",
        "{a} IS NOT NULL AND {b} IS DISTINCT FROM 7",
        " {a}\n<> {b} ",
    };
    static const char *const unsafe[] = {
        "({payload}->>'level')::int",
        "{a} / {b}",
        "{a} + 1",
        "{a}::int",
        "{a}::text::int",
        "{a}::text[]",
        "{a}::varchar(3)",
        "{a}::text.own",
        "lower({a})",
        "app.score({a})",
        "{a} ~ {pattern}",
        "{a} LIKE {pattern}",
        "(SELECT 1)",
        "CAST({a} AS int)",
        "{a} || {b}",
        "{a} >>> {b}",
        "E'\\x'",
        "{a} -- comment",
        "\"own\"({a})",
        "$$x$$",
    };
    (void)state;
    for (size_t i = 0; i < sizeof safe / sizeof *safe; i++)
        if (sql_may_fail(safe[i]))
            fail_msg("%s", safe[i]);
    for (size_t i = 0; i < sizeof unsafe / sizeof *unsafe; i++)
        if (!sql_may_fail(unsafe[i]))
            fail_msg("%s", unsafe[i]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_L12_what_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
