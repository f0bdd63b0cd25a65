#include "tests/unit/unit_test.h"

#include "producer/source/source_empty.h"

static void
check_expression(const struct config *config, const char *expected)
{
    struct buffer sql = {0};
    source_empty_append(config, &sql);
    assert_string_equal(buffer_string(&sql), expected);
    buffer_free(&sql);
}

static void
test_without_tables_the_source_is_not_known_to_be_empty(void **state)
{
    (void)state;
    const struct config config = {0};
    check_expression(&config, "false");
}

static void
test_tables_must_be_empty_and_have_their_triggers(void **state)
{
    (void)state;
    const struct config_trigger triggers[] = {{.table = "app.Image"}};
    const struct config_dump_phase phases[] = {{.table = "it's", .copy_query = "COPY ..."},
                                               {.table = "app.Image"}};
    const struct config config = {
        .triggers = triggers, .trigger_count = 1, .dump_phases = phases, .dump_phase_count = 2};
    check_expression(&config, "NOT EXISTS (SELECT FROM \"BitdexOps\")"
                              " AND NOT EXISTS (SELECT FROM \"app\".\"Image\")"
                              " AND (SELECT coalesce(bit_or(tgtype) & 28::smallint, 0) FROM "
                              "pg_trigger WHERE NOT tgisinternal AND"
                              " tgenabled IN"
                              " ('O', 'A') AND tgrelid = '\"app\".\"Image\"'::regclass::oid AND"
                              " starts_with(tgname::text, 'bitdex_Image_')) = 28"
                              " AND NOT EXISTS (SELECT FROM \"it's\")");
}

static void
test_what_is_in_csv_files_is_not_known_to_be_empty(void **state)
{
    (void)state;
    const struct config_dump_phase phases[] = {{.table = "Image"}};
    const struct config config = {.dump_phases = phases, .dump_phase_count = 1};
    check_expression(&config, "false");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_tables_the_source_is_not_known_to_be_empty),
        cmocka_unit_test(test_what_is_in_csv_files_is_not_known_to_be_empty),
        cmocka_unit_test(test_tables_must_be_empty_and_have_their_triggers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
