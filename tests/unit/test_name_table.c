#include "tests/unit/unit_test.h"

#include <stdio.h>

#include "common/base/name_table.h"

enum { NAMES = 1000, NAME_BYTES = 24 };

/* Names of all lengths up to NAME_BYTES - 1, some of which differ in the middle only. */
static void
make_name(uint32_t number, char name[NAME_BYTES])
{
    int length = (int)(number % 5) * 4 + 3;
    snprintf(name, NAME_BYTES, "%0*u", length, 0U);
    char digits[4];
    snprintf(digits, sizeof digits, "%03u", number);
    memcpy(name + (length - 3) / 2, digits, 3);
}

static void
test_each_name_has_its_number(void **state)
{
    (void)state;
    static char names[NAMES][NAME_BYTES];
    struct name_table table;
    uint32_t number;
    name_table_init(&table, NAMES);
    for (uint32_t i = 0; i < NAMES; i++) {
        make_name(i, names[i]);
        assert_false(name_table_find(&table, text_of(names[i]), &number));
        name_table_add(&table, text_of(names[i]), i);
    }
    for (uint32_t i = 0; i < NAMES; i++) {
        assert_true(name_table_find(&table, text_of(names[i]), &number));
        assert_int_equal(number, i);
        struct text shorter = text_of(names[i]);
        shorter.bytes--;
        assert_false(name_table_find(&table, shorter, &number));
    }
    name_table_free(&table);
}

static void
test_no_name_is_empty(void **state)
{
    (void)state;
    struct name_table table;
    uint32_t number;
    name_table_init(&table, 1);
    assert_false(name_table_find(&table, (struct text){NULL, 0}, &number));
    name_table_add(&table, TEXT("a"), 7);
    assert_false(name_table_find(&table, TEXT(""), &number));
    assert_false(name_table_find(&table, (struct text){NULL, 0}, &number));
    assert_true(name_table_find(&table, TEXT("a"), &number));
    assert_int_equal(number, 7);
    name_table_free(&table);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_name_has_its_number),
        cmocka_unit_test(test_no_name_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
