/* Which checkpoints are kept: hours of checkpoints at random distances, each thinned as a replica
 * does it. */
#include "tests/unit/unit_test.h"

#include "consumer/checkpoint/checkpoint_thin.h"
#include "tests/unit/random_input.h"

static const int64_t second = 1000000;

struct kept {
    struct checkpoint_point points[CHECKPOINTS_MAX];
    int count;
    struct checkpoint_doomed doomed; /* by the last one that was added */
};

/* An offset is a byte of the log. */
static void
add_to_log(struct kept *kept, int64_t next_offset, int64_t clock_us,
           const struct checkpoint_keep *keep)
{
    assert_true(kept->count < CHECKPOINTS_MAX);
    for (int i = kept->count++; i > 0; i--)
        kept->points[i] = kept->points[i - 1];
    kept->points[0] = (struct checkpoint_point){.next_offset = next_offset, .clock_us = clock_us};
    for (int i = 0; i < kept->count; i++)
        kept->points[i].log_bytes = next_offset - kept->points[i].next_offset;
    kept->doomed.count = 0;
    kept->count = checkpoint_thin(kept->points, kept->count, keep, &kept->doomed);
}

static void
add(struct kept *kept, int64_t next_offset, int64_t clock_us, int64_t keep_us)
{
    const struct checkpoint_keep keep = {.keep_us = keep_us};
    add_to_log(kept, next_offset, clock_us, &keep);
}

static void
test_without_hours_the_newest_two_are_kept(void **state)
{
    (void)state;
    struct kept kept = {.count = 0};
    for (int64_t i = 1; i <= 9; i++)
        add(&kept, i, i * second, 0);
    assert_int_equal(kept.count, CHECKPOINTS_KEPT);
    assert_int_equal(kept.points[0].next_offset, 9);
    assert_int_equal(kept.points[1].next_offset, 8);
    assert_int_equal(kept.doomed.count, 1);
    assert_int_equal(kept.doomed.offsets[0], 7);
}

static void
test_the_one_before_the_hours_is_kept(void **state)
{
    (void)state;
    struct kept kept = {.count = 0};
    for (int64_t i = 1; i <= 9; i++)
        add(&kept, i, i * second, 3 * second);
    assert_int_equal(kept.count, 4);
    assert_int_equal(kept.points[3].next_offset, 6); /* three seconds old: the others are younger */
}

static void
test_an_unknown_clock_and_one_that_went_back_take_the_age_of_the_next(void **state)
{
    (void)state;
    struct kept kept = {.count = 0};
    add(&kept, 1, 10 * second, 60 * second);
    add(&kept, 2, INT64_MAX, 60 * second);
    add(&kept, 3, 90 * second, 60 * second);
    add(&kept, 4, 20 * second, 60 * second);
    add(&kept, 5, 21 * second, 60 * second);
    assert_int_equal(kept.count, 5);
    add(&kept, 6, 82 * second, 60 * second); /* 5 is as old as asked for: it suffices */
    assert_int_equal(kept.count, CHECKPOINTS_KEPT);
}

static void
test_checkpoints_by_size_are_two(void **state)
{
    (void)state;
    const struct checkpoint_keep keep = {.reach_bytes = 1000};
    struct kept kept = {.count = 0};
    for (int64_t i = 1; i <= 9; i++)
        add_to_log(&kept, 1000 * i, i * second, &keep);
    assert_int_equal(kept.count, CHECKPOINTS_KEPT);
}

/* However often they are taken, a replay may begin as far back as with those by size. */
static void
test_random_checkpoints_by_time_leave_the_reach_of_the_log(void **state)
{
    (void)state;
    random_seed();
    while (random_round(5)) {
        const struct checkpoint_keep keep = {.reach_bytes = 1000};
        struct kept kept = {.count = 0};
        int64_t distance = 1 + (int64_t)random_below(1500), log = 0;
        for (int64_t i = 1; i < 1000; i++) {
            log += 1 + (int64_t)random_below((uint64_t)distance);
            int64_t before = kept.count > 0 ? kept.points[0].next_offset : 0;
            add_to_log(&kept, log, i * second, &keep);
            int64_t reach = kept.points[kept.count - 1].log_bytes;
            assert_int_equal(kept.points[0].next_offset, log);
            assert_true(before == 0 || kept.points[1].next_offset == before);
            assert_in_range(kept.count, 1, CHECKPOINTS_KEPT + 2);
            assert_true(reach >= keep.reach_bytes || log - reach <= distance);
            assert_true(reach < 2 * keep.reach_bytes + distance);
        }
    }
}

/* Both are kept: what the hours need, and what the log's reach needs. */
static void
test_hours_do_not_shorten_the_reach(void **state)
{
    (void)state;
    const struct checkpoint_keep keep = {.keep_us = 3 * second, .reach_bytes = 1000};
    struct kept kept = {.count = 0};
    for (int64_t i = 1; i <= 300; i++)
        add_to_log(&kept, 10 * i, i * second, &keep);
    for (int i = 0; i < 4; i++)
        assert_int_equal(kept.points[i].next_offset, 3000 - 10 * i);
    assert_true(kept.points[kept.count - 1].log_bytes >= 1000);
    assert_in_range(kept.count, 5, 6);
}

static void
test_the_oldest_goes_for_room(void **state)
{
    (void)state;
    struct kept kept = {.count = 0};
    for (int64_t i = 1; i <= 4; i++)
        add(&kept, i, i * second, 60 * second);
    kept.doomed.count = 0;
    assert_int_equal(checkpoint_thin_oldest(kept.points, 4, &kept.doomed), 3);
    assert_int_equal(kept.doomed.offsets[0], 1);
    assert_int_equal(kept.points[2].next_offset, 2);
}

/* The newest checkpoint that is at least so old; -1: none. */
static int
find_before(const struct kept *kept, int64_t age_us)
{
    for (int i = 0; i < kept->count; i++)
        if (kept->points[0].clock_us - kept->points[i].clock_us >= age_us)
            return i;
    return -1;
}

/* A moment in the hours has a checkpoint before it, not further away than twice its age and twice
 * the longest distance of two checkpoints. */
static void
check_moment(const struct kept *kept, int64_t begin_us, int64_t keep_us, int64_t distance_us)
{
    int64_t newest = kept->points[0].clock_us;
    int64_t reach = newest - begin_us < keep_us ? newest - begin_us : keep_us;
    int64_t age = (int64_t)random_below((uint64_t)reach + 1);
    int at = find_before(kept, age);
    assert_true(at >= 0);
    int64_t far = newest - kept->points[at].clock_us - age;
    if (far > 2 * (age + distance_us))
        fail_msg("%d checkpoints: one is %lld s before a moment %lld s ago", kept->count,
                 (long long)(far / second), (long long)(age / second));
}

static void
test_random_checkpoints_are_dense_near_now_and_bounded(void **state)
{
    (void)state;
    random_seed();
    while (random_round(5)) {
        struct kept kept = {.count = 0};
        int64_t keep_us = (1 + (int64_t)random_below(48)) * 3600 * second;
        int64_t distance_us = (10 + (int64_t)random_below(1200)) * second;
        int64_t clock_us = 1000 * second, begin_us = 0;
        for (int64_t offset = 1; offset < 1500; offset++) {
            clock_us += distance_us / 2 + (int64_t)random_below((uint64_t)distance_us / 2);
            begin_us = begin_us == 0 ? clock_us : begin_us;
            add(&kept, offset, clock_us, keep_us);
            assert_in_range(kept.count, 1, CHECKPOINTS_HISTORY);
            assert_int_equal(kept.points[0].next_offset, offset);
            assert_true(offset == 1 || kept.points[1].next_offset == offset - 1);
            for (int i = 0; i < kept.doomed.count; i++)
                assert_true(kept.doomed.offsets[i] < offset - 1);
            check_moment(&kept, begin_us, keep_us, distance_us);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_hours_the_newest_two_are_kept),
        cmocka_unit_test(test_the_one_before_the_hours_is_kept),
        cmocka_unit_test(test_an_unknown_clock_and_one_that_went_back_take_the_age_of_the_next),
        cmocka_unit_test(test_checkpoints_by_size_are_two),
        cmocka_unit_test(test_random_checkpoints_by_time_leave_the_reach_of_the_log),
        cmocka_unit_test(test_hours_do_not_shorten_the_reach),
        cmocka_unit_test(test_the_oldest_goes_for_room),
        cmocka_unit_test(test_random_checkpoints_are_dense_near_now_and_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
