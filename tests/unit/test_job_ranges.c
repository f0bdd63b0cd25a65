#include "tests/unit/unit_test.h"

#include "common/event/chunk.h"
#include "producer/load/job_ranges.h"

static void
test_kinds_have_the_names_of_the_table(void **state)
{
    (void)state;
    for (enum job_kind kind = JOB_LOAD; kind <= JOB_CHECK; kind++) {
        enum job_kind found;
        assert_true(job_kind_find(job_kind_name(kind), &found));
        assert_int_equal(found, kind);
    }
    enum job_kind none;
    assert_false(job_kind_find("loads", &none));
}

static void
test_ranges_ascend_and_hold_something(void **state)
{
    (void)state;
    static const struct {
        struct job_range items[2];
        bool valid;
    } cases[] = {
        {{{0, 5}, {5, 6}}, true},   {{{3, 5}, {9, CHUNK_NO_END}}, true}, {{{0, 5}, {4, 6}}, false},
        {{{-1, 5}, {6, 7}}, false}, {{{0, 5}, {6, 6}}, false},           {{{5, 4}, {6, 7}}, false},
        {{{5, 9}, {0, 4}}, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct job_ranges ranges = {cases[i].items, 2};
        assert_int_equal(job_ranges_are_valid(&ranges), cases[i].valid);
    }
}

static void
test_what_is_left_of_the_ranges_follows_the_place(void **state)
{
    (void)state;
    const struct job_range items[] = {{10, 20}, {30, CHUNK_NO_END}};
    const struct job_ranges ranges = {items, 2};
    static const struct {
        int64_t from, begin, end;
    } cases[] = {
        {0, 10, 20},
        {10, 10, 20},
        {15, 15, 20},
        {20, 30, CHUNK_NO_END},
        {29, 30, CHUNK_NO_END},
        {99, 99, CHUNK_NO_END},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct job_range rest;
        assert_true(job_ranges_next(&ranges, cases[i].from, &rest));
        assert_int_equal(rest.begin, cases[i].begin);
        assert_int_equal(rest.end, cases[i].end);
    }
    struct job_range rest;
    assert_false(job_ranges_next(&ranges, CHUNK_NO_END, &rest));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds_have_the_names_of_the_table),
        cmocka_unit_test(test_ranges_ascend_and_hold_something),
        cmocka_unit_test(test_what_is_left_of_the_ranges_follows_the_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
