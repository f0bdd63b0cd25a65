/* How the settings of the consumer's log depend on each other (F112). */
#include "tests/unit/unit_test.h"

#include "common/config/config_wal.h"

static void
check_wal(int64_t segment, int64_t limit, int64_t checkpoint, int64_t wanted, bool is_tight)
{
    const struct config_consumer consumer = {
        .wal_segment_bytes = segment, .wal_limit_bytes = limit, .checkpoint_bytes = checkpoint};
    int64_t least;
    assert_int_equal(config_wal_checkpoint_bytes(&consumer), wanted);
    assert_int_equal(config_wal_is_tight(&consumer, &least), is_tight);
    assert_int_equal(least, 2 * checkpoint + segment);
}

static void
test_F112_checkpoints_are_taken_before_the_log_is_full(void **state)
{
    (void)state;
    check_wal(100, 2100, 1000, 1000, false);
    check_wal(100, 2098, 1000, 999, true);
    check_wal(100, 100000, 1000, 1000, false);
    check_wal(100, 1000, 1000, 450, true);
    check_wal(800, 1000, 1000, 125, true);
    check_wal(1000, 1000, 1000, 125, true);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_F112_checkpoints_are_taken_before_the_log_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
