#include "producer/triggers/sql_may_fail.h"

#include <string.h>

#include "common/base/memory.h"
#include "producer/triggers/guard.h"
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

static const struct entry_table_column columns[] = {
    {.name = "flags", .is_total = true},
    {.name = "bits"},
    {.name = "a", .is_total = true, .collation = 100},
    {.name = "b", .is_total = true, .collation = 100},
    {.name = "c", .is_total = true, .collation = 950},
};

static bool
is_guarded(const char *expression)
{
    struct arena arena = {0};
    struct config_trigger trigger = {0};
    struct entry_value value = {.expression = expression, .type = "pg_catalog.bool"};
    struct entry entry = {.trigger = &trigger, .values = &value, .value_count = 1};
    entry.table = (struct entry_table){.schema = "public",
                                       .name = "t",
                                       .quoted = "\"public\".\"t\"",
                                       .columns = columns,
                                       .column_count = sizeof columns / sizeof *columns};
    entry.outbox_schema = "public";
    guard_fill(&entry, &arena);
    bool is = value.guard != NULL;
    arena_free(&arena);
    return is;
}

/* L12: bits of different lengths have no AND, and texts of different collations no order. */
static void
test_L12_types_and_collations_may_fail(void **state)
{
    (void)state;
    assert_false(is_guarded("{flags} & 1 = 1 AND {a} IS NULL"));
    assert_false(is_guarded("{a} = {b}"));
    assert_true(is_guarded("{bits} & {bits} = {bits}"));
    assert_true(is_guarded("{a} = {flags}::text OR {b} = {c}"));
}

/* L12: whatever a function raises costs the value. What ends the transaction is not caught. */
static void
test_L12_a_guard_catches_all_but_what_ends_the_transaction(void **state)
{
    (void)state;
    struct buffer body = {0};
    guard_append_body(&body, "f(_row)", "NULL");
    assert_string_equal(buffer_string(&body),
                        "'\nBEGIN\n    RETURN f(_row);\nEXCEPTION WHEN transaction_rollback OR"
                        " insufficient_resources OR operator_intervention\n        OR system_error"
                        " THEN\n    RAISE;\nWHEN OTHERS THEN\n    RETURN NULL;\nEND\n'");
    buffer_free(&body);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_L12_what_may_fail),
        cmocka_unit_test(test_L12_types_and_collations_may_fail),
        cmocka_unit_test(test_L12_a_guard_catches_all_but_what_ends_the_transaction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
