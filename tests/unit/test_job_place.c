/* The place of a job moves on with acknowledgements; a saved one is checked against the plan. */
#include "tests/unit/unit_test.h"

#include "common/event/chunk.h"
#include "producer/load/job_place.h"

static const struct job_shape everything = {0, CHUNK_NO_END, true, 2};

static void
test_a_whole_load_passes_every_stage(void **state)
{
    (void)state;
    struct job_place place = job_place_first();
    assert_int_equal(place.stage, JOB_STAGE_BEGIN);
    job_place_pass_begin(&place, &everything);
    assert_int_equal(place.stage, JOB_STAGE_RANGES);
    assert_int_equal(place.next_id, 0);
    job_place_pass_range(&place, &everything, 100);
    assert_int_equal(place.stage, JOB_STAGE_RANGES);
    assert_int_equal(place.next_id, 100);
    job_place_pass_range(&place, &everything, CHUNK_NO_END);
    assert_int_equal(place.stage, JOB_STAGE_PASSES);
    job_place_pass_fan_outs(&place, &everything);
    assert_int_equal(place.stage, JOB_STAGE_PASSES);
    assert_int_equal(place.next_pass, 1);
    job_place_pass_fan_outs(&place, &everything);
    assert_int_equal(place.stage, JOB_STAGE_END);
}

static void
test_stages_without_work_are_skipped(void **state)
{
    (void)state;
    const struct job_shape ranges = {10, 20, true, 0};
    const struct job_shape passes = {0, CHUNK_NO_END, false, 1};
    struct job_place place = job_place_first();
    job_place_pass_begin(&place, &ranges);
    assert_int_equal(place.next_id, 10);
    job_place_pass_range(&place, &ranges, 20);
    assert_int_equal(place.stage, JOB_STAGE_END);

    place = job_place_first();
    job_place_pass_begin(&place, &passes);
    assert_int_equal(place.stage, JOB_STAGE_PASSES);
}

static void
test_a_job_that_fails_only_sends_its_end(void **state)
{
    (void)state;
    struct job_place place = job_place_first();
    job_place_pass_begin(&place, &everything);
    job_place_give_up(&place);
    assert_int_equal(place.stage, JOB_STAGE_END);
}

/* What is saved may be of a plan with other ranges or fewer passes. */
static void
test_a_place_of_another_plan_is_not_valid(void **state)
{
    (void)state;
    const struct job_shape ranges = {10, 20, true, 0};
    assert_true(job_place_is_valid(&(struct job_place){JOB_STAGE_BEGIN, 0, 0}, &ranges));
    assert_true(job_place_is_valid(&(struct job_place){JOB_STAGE_RANGES, 10, 0}, &ranges));
    assert_false(job_place_is_valid(&(struct job_place){JOB_STAGE_RANGES, 9, 0}, &ranges));
    assert_false(job_place_is_valid(&(struct job_place){JOB_STAGE_RANGES, 20, 0}, &ranges));
    assert_false(job_place_is_valid(&(struct job_place){JOB_STAGE_PASSES, 20, 0}, &ranges));
    assert_false(job_place_is_valid(&(struct job_place){JOB_STAGE_PASSES, 0, -1}, &everything));
    assert_false(job_place_is_valid(&(struct job_place){JOB_STAGE_PASSES, 0, 2}, &everything));
}

static void
test_stages_have_names(void **state)
{
    (void)state;
    enum job_stage stage = JOB_STAGE_END;
    assert_true(job_stage_find("begin", &stage));
    assert_int_equal(stage, JOB_STAGE_BEGIN);
    assert_true(job_stage_find(job_stage_name(JOB_STAGE_PASSES), &stage));
    assert_int_equal(stage, JOB_STAGE_PASSES);
    assert_false(job_stage_find("", &stage));
}

static void
test_pauses_keep_the_share_of_time(void **state)
{
    (void)state;
    assert_int_equal(job_pause_us(300000, 0.2), 1200000);
    assert_int_equal(job_pause_us(300000, 0.5), 300000);
    assert_int_equal(job_pause_us(300000, 1), 0);
    assert_int_equal(job_pause_us(0, 0.2), 0);
    assert_true(job_pause_us(INT64_MAX / 4, 0.001) <= 60 * INT64_C(1000000));
}

static void
test_the_ratio_follows_the_greatest_id(void **state)
{
    (void)state;
    struct job_place place = {JOB_STAGE_RANGES, 50, 0};
    assert_float_equal(job_place_ratio(&place, 0, CHUNK_NO_END, 99), 0.5, 1e-9);
    assert_float_equal(job_place_ratio(&place, 40, 60, 1000), 0.5, 1e-9);
    assert_float_equal(job_place_ratio(&place, 0, CHUNK_NO_END, 10), 1, 1e-9);
    assert_float_equal(job_place_ratio(&place, 50, CHUNK_NO_END, 99), 0, 1e-9);
    place.stage = JOB_STAGE_END;
    assert_float_equal(job_place_ratio(&place, 0, CHUNK_NO_END, 99), 1, 1e-9);
    place.stage = JOB_STAGE_BEGIN;
    assert_float_equal(job_place_ratio(&place, 0, CHUNK_NO_END, 99), 0, 1e-9);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_whole_load_passes_every_stage),
        cmocka_unit_test(test_stages_without_work_are_skipped),
        cmocka_unit_test(test_a_job_that_fails_only_sends_its_end),
        cmocka_unit_test(test_a_place_of_another_plan_is_not_valid),
        cmocka_unit_test(test_stages_have_names),
        cmocka_unit_test(test_pauses_keep_the_share_of_time),
        cmocka_unit_test(test_the_ratio_follows_the_greatest_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
