/* Which ranges have come to differ since the patrol asked last. */
#include "tests/unit/unit_test.h"

#include "producer/verify/patrol_list.h"

enum { PARTITIONS = 2 };

static const struct text tags[] = {TEXT("tags")};
static struct patrol_list list;
static struct verdict_range ranges[2][4];
static struct verdict_partition partitions[2];
static struct verdict_answer answer;

static int
setup(void **state)
{
    (void)state;
    list = (struct patrol_list){0};
    for (int i = 0; i < 2; i++)
        partitions[i] = (struct verdict_partition){.partition = i, .ranges = ranges[i]};
    answer = (struct verdict_answer){.partitions = partitions, .partition_count = 2};
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    patrol_list_free(&list);
    return 0;
}

/* Partition `at` has one range that differs, or with `end` 0 none. */
static void
set_range(int at, int64_t begin, int64_t end)
{
    ranges[at][0] =
        (struct verdict_range){.begin = begin, .end = end, .job = 1, .differing = {tags, 1}};
    partitions[at].range_count = end > 0;
}

static void
ask(bool answers)
{
    const struct member_report report = {
        .group = "a", .address = "h:1", .answer = answers ? &answer : NULL, .error = "down"};
    patrol_list_begin(&list);
    patrol_list_take(&list, PARTITIONS, &report, 1);
}

static uint32_t
count_new(void)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < list.count; i++)
        count += list.items[i].is_new;
    return count;
}

static void
test_a_range_is_new_once(void **state)
{
    (void)state;
    ask(true);
    assert_int_equal(list.count, 0);
    set_range(0, 0, 100);
    ask(true);
    assert_int_equal(count_new(), 1);
    ask(true);
    assert_int_equal(list.count, 1);
    assert_int_equal(count_new(), 0);
    set_range(0, 50, 200); /* the next round of the patrol has ranges of another width */
    ask(true);
    assert_int_equal(count_new(), 0);
    assert_int_equal(list.gone, 0);
    set_range(0, 200, 300);
    set_range(1, 50, 200); /* of another partition */
    ask(true);
    assert_int_equal(count_new(), 2);
    assert_int_equal(list.gone, 1);
    set_range(0, 0, 0);
    set_range(1, 0, 0);
    ask(true);
    assert_int_equal(list.gone, 2);
    assert_int_equal(list.count, 0);
    assert_int_equal(list.unknown, 0);
}

static void
test_a_member_that_does_not_answer_forgets_nothing(void **state)
{
    (void)state;
    set_range(0, 0, 100);
    ask(true);
    ask(false);
    ask(false);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.gone, 0);
    assert_int_equal(list.unknown, PARTITIONS);
    ask(true);
    assert_int_equal(count_new(), 0);
}

static void
test_the_entities_are_reported_once(void **state)
{
    (void)state;
    static const struct json_value null = {.kind = JSON_NULL};
    const struct verdict_difference difference = {
        .field = TEXT("tags"), .source = &null, .index = &null};
    set_range(0, 0, 100);
    ask(true);
    assert_false(list.items[0].newly_listed);
    ranges[0][0].differences = &difference;
    ranges[0][0].difference_count = 1;
    ask(true);
    assert_true(list.items[0].newly_listed);
    ask(true);
    assert_false(list.items[0].newly_listed);
    set_range(0, 0, 100); /* the next round of sums has no entities */
    ask(true);
    ranges[0][0].differences = &difference;
    ranges[0][0].difference_count = 1;
    ask(true);
    assert_false(list.items[0].newly_listed);
}

static void
test_new_ranges_are_merged_for_a_check(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        ranges[0][i] =
            (struct verdict_range){.begin = 1000 * i, .end = 1000 * i + 10, .differing = {tags, 1}};
    partitions[0].range_count = 4;
    set_range(1, 5, 20);
    ask(true);
    struct job_ranges merged = patrol_list_new_ranges(&list, 3);
    assert_int_equal(merged.count, 3);
    assert_int_equal(merged.items[0].begin, 0);
    assert_int_equal(merged.items[0].end, 20);
    assert_int_equal(merged.items[2].begin, 2000);
    assert_true(job_ranges_are_valid(&merged));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_range_is_new_once),
        TEST(test_a_member_that_does_not_answer_forgets_nothing),
        TEST(test_the_entities_are_reported_once),
        TEST(test_new_ranges_are_merged_for_a_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
