/* The ranges of `verify --sample`. */
#include "tests/unit/unit_test.h"

#include "producer/verify/sample.h"

enum { WIDTH = 4 * 65536 };

static struct job_ranges
pick(struct arena *arena, int64_t last_id, uint32_t wanted, uint64_t random)
{
    struct job_ranges ranges;
    sample_pick(last_id, 4, wanted, random, arena, &ranges);
    return ranges;
}

/* The number of units, each of which is whole and begins at a multiple of its width. */
static int64_t
count_units(const struct job_ranges *ranges, int64_t last_id)
{
    int64_t count = 0;
    for (uint32_t i = 0; i < ranges->count; i++) {
        assert_int_equal(ranges->items[i].begin % WIDTH, 0);
        assert_int_equal(ranges->items[i].end % WIDTH, 0);
        assert_true(ranges->items[i].begin <= last_id);
        assert_true(i == 0 || ranges->items[i - 1].end < ranges->items[i].begin);
        count += (ranges->items[i].end - ranges->items[i].begin) / WIDTH;
    }
    return count;
}

static void
test_a_sample_has_as_many_units_as_wanted(void **state)
{
    (void)state;
    for (uint64_t random = 1; random < 50; random++) {
        struct arena arena = {0};
        struct job_ranges ranges = pick(&arena, 100 * (int64_t)WIDTH - 1, 10, random);
        assert_int_equal(count_units(&ranges, 100 * (int64_t)WIDTH - 1), 10);
        arena_free(&arena);
    }
}

static void
test_a_small_table_is_one_range(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct job_ranges ranges = pick(&arena, 2 * WIDTH, 10, 1);
    assert_int_equal(ranges.count, 1);
    assert_int_equal(ranges.items[0].begin, 0);
    assert_int_equal(ranges.items[0].end, 3 * WIDTH);
    ranges = pick(&arena, 0, 1, 1);
    assert_int_equal(ranges.items[0].end, WIDTH);
    arena_free(&arena);
}

/* Each of ten units is in about 300 of 1000 samples of three. */
static void
test_every_unit_is_as_likely(void **state)
{
    (void)state;
    int hits[10] = {0};
    for (uint64_t random = 0; random < 1000; random++) {
        struct arena arena = {0};
        struct job_ranges ranges = pick(&arena, 10 * (int64_t)WIDTH - 1, 3, random);
        for (uint32_t i = 0; i < ranges.count; i++)
            for (int64_t id = ranges.items[i].begin; id < ranges.items[i].end; id += WIDTH)
                hits[id / WIDTH]++;
        arena_free(&arena);
    }
    for (int i = 0; i < 10; i++)
        assert_in_range(hits[i], 220, 380);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_sample_has_as_many_units_as_wanted),
        cmocka_unit_test(test_a_small_table_is_one_range),
        cmocka_unit_test(test_every_unit_is_as_likely),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
