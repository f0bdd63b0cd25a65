#include "tests/unit/unit_test.h"

#include "common/base/clock.h"
#include "common/event/chunk.h"
#include "producer/load/sum_width.h"

enum { P = 4 };

static void
test_ranges_end_at_multiples_of_their_width(void **state)
{
    (void)state;
    assert_int_equal(sum_width_end(0, 1024, P, CHUNK_NO_END), 4096);
    assert_int_equal(sum_width_end(4096, 1024, P, CHUNK_NO_END), 8192);
    assert_int_equal(sum_width_end(5, 1024, P, CHUNK_NO_END), 4096);
    assert_int_equal(sum_width_end(4096, 2048, P, CHUNK_NO_END), 8192);
    assert_int_equal(sum_width_end(0, 1024, P, 100), 100);
    assert_int_equal(sum_width_end(INT64_MAX - 1, 1024, P, CHUNK_NO_END), CHUNK_NO_END);
}

static void
test_a_gap_belongs_to_the_range_before_it(void **state)
{
    (void)state;
    int64_t unit = SUM_WIDTH_UNIT * P;
    assert_int_equal(sum_width_skip(4096, 4096, P, CHUNK_NO_END), 4096);
    assert_int_equal(sum_width_skip(4096, unit - 1, P, CHUNK_NO_END), 4096);
    assert_int_equal(sum_width_skip(4096, 3 * unit + 7, P, CHUNK_NO_END), 3 * unit);
    assert_int_equal(sum_width_skip(4096, 3 * unit, P, 2 * unit), 2 * unit);
    assert_int_equal(sum_width_skip(4096, -1, P, CHUNK_NO_END), CHUNK_NO_END);
}

static void
test_the_width_follows_what_a_range_costs(void **state)
{
    (void)state;
    assert_int_equal(sum_width_next(1024, 100 * US_PER_MS, true), 2048);
    assert_int_equal(sum_width_next(1024, 200 * US_PER_MS, true), 1024);
    assert_int_equal(sum_width_next(1024, 400 * US_PER_MS, true), 512);
    assert_int_equal(sum_width_next(1024, 1 * US_PER_MS, false), 1024);
    assert_int_equal(sum_width_next(SUM_WIDTH_UNIT, 1 * US_PER_MS, true), SUM_WIDTH_UNIT);
    assert_int_equal(sum_width_next(1, 400 * US_PER_MS, true), 1);
}

/* A database that is slow for a while would otherwise never get an answer through. */
static void
test_each_attempt_has_more_time(void **state)
{
    (void)state;
    assert_false(sum_width_is_exceeded(1024, 1400 * US_PER_MS, 0));
    assert_true(sum_width_is_exceeded(1024, 1600 * US_PER_MS, 0));
    assert_false(sum_width_is_exceeded(1024, 1600 * US_PER_MS, 1));
    assert_false(sum_width_is_exceeded(1, INT64_MAX, 0));
    assert_int_equal(sum_width_cut(1024), 128);
    assert_int_equal(sum_width_cut(4), 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges_end_at_multiples_of_their_width),
        cmocka_unit_test(test_a_gap_belongs_to_the_range_before_it),
        cmocka_unit_test(test_the_width_follows_what_a_range_costs),
        cmocka_unit_test(test_each_attempt_has_more_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
