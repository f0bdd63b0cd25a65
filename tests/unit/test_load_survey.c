/* A load is refused for fields that no trigger in place writes. */
#include "tests/unit/unit_test.h"

#include <string.h>

#include "producer/load/load_survey.h"

static const struct text fields[] = {{"a", 1}, {"b", 1}};

static int
check(bool states_alive, const struct text *names, uint32_t count, struct error *err)
{
    const struct load_plan plan = {
        .fields = fields,
        .field_count = 2,
        .states_alive = states_alive,
    };
    const struct covered_fields covered = {names, count};
    return load_survey_check_covered(&plan, &covered, err);
}

static void
test_every_field_of_the_plan_must_be_covered(void **state)
{
    (void)state;
    struct error err = {0};
    const struct text all[] = {{"c", 1}, {"b", 1}, {"a", 1}, {"", 0}};
    assert_int_equal(check(true, all, 4, &err), 0);
    assert_int_equal(check(false, all, 3, &err), 0);
    assert_int_equal(check(true, all, 3, &err), ERR_FATAL);
    assert_non_null(strstr(err.message, "whether an entity exists"));
    assert_int_equal(check(false, all, 2, &err), ERR_FATAL);
    assert_non_null(strstr(err.message, "field a,"));
    assert_int_equal(check(false, NULL, 0, &err), ERR_FATAL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_field_of_the_plan_must_be_covered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
