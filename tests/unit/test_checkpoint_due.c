/* When a checkpoint is due: by size, and by time when it is worth its writing. */
#include "tests/unit/unit_test.h"

#include "consumer/checkpoint/checkpoint_due.h"

enum { MIB = 1 << 20, SECOND = 1000 * 1000 };

static const struct checkpoint_interval interval = {100 * MIB, 10 * SECOND};

static bool
is_due(int64_t log_bytes, int64_t since_us, int64_t last_bytes)
{
    const struct checkpoint_growth growth = {log_bytes, since_us, last_bytes};
    return checkpoint_is_due(&interval, &growth);
}

static void
test_by_size(void **state)
{
    (void)state;
    assert_false(is_due(100 * MIB - 1, 0, 0));
    assert_true(is_due(100 * MIB, 0, 0));
    assert_true(is_due(100 * MIB, 0, INT64_MAX));
}

static void
test_by_time_after_an_eighth_of_the_last_one(void **state)
{
    (void)state;
    assert_false(is_due(20 * MIB, 10 * SECOND - 1, 160 * MIB));
    assert_true(is_due(20 * MIB, 10 * SECOND, 160 * MIB));
    assert_false(is_due(20 * MIB - 1, 1000 * (int64_t)SECOND, 160 * MIB));
}

static void
test_a_quiet_partition_takes_none(void **state)
{
    (void)state;
    assert_false(is_due(MIB - 1, 1000 * (int64_t)SECOND, 0));
    assert_true(is_due(MIB, 10 * SECOND, 0));
}

static void
test_no_interval_is_by_size_alone(void **state)
{
    (void)state;
    const struct checkpoint_interval by_size = {100 * MIB, 0};
    const struct checkpoint_growth growth = {99 * MIB, INT64_MAX, 0};
    assert_false(checkpoint_is_due(&by_size, &growth));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_size),
        cmocka_unit_test(test_by_time_after_an_eighth_of_the_last_one),
        cmocka_unit_test(test_a_quiet_partition_takes_none),
        cmocka_unit_test(test_no_interval_is_by_size_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
