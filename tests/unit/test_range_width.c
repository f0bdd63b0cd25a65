#include "tests/unit/unit_test.h"

#include "producer/load/range_width.h"

enum { STEPS = 200 };

/* A table with entities at a constant distance, and a database of a constant speed. */
struct table {
    double distance;
    double bytes_per_entity;
    double us_per_entity;
    double us_per_range;
};

static struct range_cost
cost_of(const struct table *table, int64_t width)
{
    double entities = (double)width / table->distance;
    return (struct range_cost){
        .elapsed_us = (int64_t)(table->us_per_range + entities * table->us_per_entity),
        .bytes = (uint64_t)(entities * table->bytes_per_entity),
        .entities = (uint64_t)entities,
    };
}

/* The cost at the width to which the readings settle; no reading on the way costs much more. */
static struct range_cost
settle(const struct table *table)
{
    struct range_cost cost = {0};
    int64_t width = RANGE_WIDTH_FIRST;
    for (int i = 0; i < STEPS; i++) {
        cost = cost_of(table, width);
        assert_true(cost.elapsed_us < 700000);
        width = range_width_next(width, &cost);
        assert_true(width >= 1);
    }
    return cost;
}

static void
test_a_reading_settles_at_its_aim(void **state)
{
    (void)state;
    struct range_cost cost = settle(&(struct table){1, 100, 1, 1000});
    assert_in_range(cost.entities, 15000, 17000); /* the entities are the limit */
    cost = settle(&(struct table){1, 10000, 1, 1000});
    assert_in_range(cost.bytes, 8000000, 8800000);
    cost = settle(&(struct table){1, 100, 100, 1000});
    assert_in_range(cost.elapsed_us, 280000, 320000);
    cost = settle(&(struct table){1e6, 100, 1, 1000});
    assert_in_range(cost.entities, 15000, 17000);
}

/* Nothing but the number of ranges costs anything in a gap. */
static void
test_a_gap_takes_few_readings(void **state)
{
    (void)state;
    int readings = 0;
    const struct range_cost nothing = {.elapsed_us = 500};
    int64_t width = RANGE_WIDTH_FIRST;
    for (int64_t at = 0; at < INT64_C(1) << 40; at += width, readings++)
        width = range_width_next(width, &nothing);
    assert_true(readings < 15);
    for (int i = 0; i < STEPS; i++)
        width = range_width_next(width, &nothing);
    assert_true(width <= INT64_C(1) << 50);
}

static void
test_a_slow_database_gets_more_time_in_each_attempt(void **state)
{
    (void)state;
    const struct range_cost slow = {.elapsed_us = 5000000, .bytes = 1000, .entities = 10};
    uint32_t attempt = 0;
    int64_t width = 1024;
    while (range_width_is_exceeded(&slow, 1000, attempt))
        attempt++;
    assert_in_range(attempt, 2, 5);
    for (int i = 0; i < STEPS; i++)
        width = range_width_next(width, &slow);
    assert_int_equal(width, 1);
}

static void
test_memory_ends_every_attempt(void **state)
{
    (void)state;
    const struct range_cost cost = {.elapsed_us = 1000};
    assert_true(range_width_is_exceeded(&cost, 64 << 20, 100));
    assert_false(range_width_is_exceeded(&cost, 16 << 20, 0));
}

static void
test_a_range_that_was_given_up_shrinks(void **state)
{
    (void)state;
    int attempts = 0;
    assert_int_equal(range_width_cut(INT64_C(1) << 40, 0), INT64_C(1) << 36);
    assert_int_equal(range_width_cut(INT64_C(1) << 40, 4000), 1000);
    assert_int_equal(range_width_cut(100, 90), 6);
    assert_int_equal(range_width_cut(2, 2), 1);
    for (int64_t width = INT64_C(1) << 50; width > 1; width = range_width_cut(width, 0))
        attempts++;
    assert_true(attempts <= 13);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_reading_settles_at_its_aim),
        cmocka_unit_test(test_a_gap_takes_few_readings),
        cmocka_unit_test(test_a_slow_database_gets_more_time_in_each_attempt),
        cmocka_unit_test(test_memory_ends_every_attempt),
        cmocka_unit_test(test_a_range_that_was_given_up_shrinks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
