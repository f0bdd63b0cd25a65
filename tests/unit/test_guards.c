/* The table of guards is whole, and docs/operations.md has it as the code does. */
#include "tests/unit/unit_test.h"

#include <string.h>

#include "producer/source/guards.h"
#include "producer/source/guards_table.h"
#include "tests/unit/config_fixture.h"

#define MANUAL SOURCE_DIRECTORY "/docs/operations.md"
#define TABLE_BEGIN "| guard | what must hold"

static void
test_l13_the_manual_has_the_table_of_the_code(void **state)
{
    (void)state;
    struct buffer manual = {0};
    struct buffer table = {0};
    config_read_file(MANUAL, &manual);
    guards_table_print(&table);
    const char *begin = strstr(buffer_string(&manual), TABLE_BEGIN);
    assert_non_null(begin);
    if (strncmp(begin, buffer_string(&table), table.bytes) != 0 || begin[table.bytes] != '\n')
        fail_msg("the table of guards in docs/operations.md is stale: build the target `docs`");
    buffer_free(&manual);
    buffer_free(&table);
}

static void
test_every_guard_says_everything(void **state)
{
    (void)state;
    assert_int_equal(guards_count(), guards_table_count);
    for (uint32_t i = 0; i < guards_table_count; i++) {
        const struct guard *guard = &guards_table[i];
        assert_string_not_equal(guard->holds, "");
        assert_string_not_equal(guard->in_check, "");
        assert_string_not_equal(guard->way_out, "");
        assert_true(guard->times != 0);
        assert_true((guard->refused != NULL) == (guard->message != NULL));
        assert_true(guard->kind == GUARD_OF_SOURCE || guard->refused == NULL);
        for (uint32_t j = 0; j < i; j++)
            assert_string_not_equal(guard->name, guards_table[j].name);
    }
}

/* What is asked again in one query is SQL, and its failure ends a session: nothing of the source
 * voids. */
static void
test_what_is_asked_again_can_be(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < guards_table_count; i++) {
        const struct guard *guard = &guards_table[i];
        if (guard->kind != GUARD_OF_SOURCE)
            continue;
        assert_true(guard->end != GUARD_VOIDS);
        assert_true((guard->times & GUARD_AT_INTERVAL) == 0 || guard->refused != NULL);
    }
}

/* Replaces the table in the manual, for the target `docs`. */
static int
write_manual(const char *path)
{
    struct buffer manual = {0};
    struct buffer out = {0};
    config_read_file(path, &manual);
    const char *text = buffer_string(&manual);
    const char *begin = strstr(text, TABLE_BEGIN);
    assert_non_null(begin);
    const char *end = strstr(begin, "\n\n");
    assert_non_null(end);
    buffer_append(&out, text, (size_t)(begin - text));
    guards_table_print(&out);
    buffer_append_text(&out, end + 1);
    config_write_file(path, out.data, out.bytes);
    buffer_free(&manual);
    buffer_free(&out);
    return 0;
}

/* With --operations FILE it writes the table into the manual instead. */
int
main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--operations") == 0)
        return write_manual(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_l13_the_manual_has_the_table_of_the_code),
        cmocka_unit_test(test_every_guard_says_everything),
        cmocka_unit_test(test_what_is_asked_again_can_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
