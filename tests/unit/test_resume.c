/* What a partition does with the group's committed offset, which depends on who has committed it
 * and on the position that the member holds. */
#include "tests/unit/unit_test.h"

#include "consumer/partition/resume.h"

static const char us[] = "9d7c-us";
static const char them[] = "51ab-them";

enum { HELD = 100, NOW_MS = 5000 };

static struct text
metadata_of(const char *id, int64_t replay, char out[static RESUME_METADATA_BYTES])
{
    const struct sequence sequence = {.epoch = 2, .seq = 77};
    resume_describe(&sequence, replay, id, out);
    return text_of(out);
}

static struct resume_decision
decide_committed_by(const char *id, int64_t replay_of_commit, int64_t committed, int64_t held,
                    int64_t replay_held)
{
    char text[RESUME_METADATA_BYTES];
    const struct resume_state state = {
        .next_offset = held, .replay = replay_held, .data_dir_id = us};
    return resume_decide(&state, committed, metadata_of(id, replay_of_commit, text), NOW_MS);
}

static struct resume_decision
decide_reset(int64_t committed, int64_t held, int64_t replay_held)
{
    const struct resume_state state = {
        .next_offset = held, .replay = replay_held, .data_dir_id = us};
    return resume_decide(&state, committed, text_of(""), NOW_MS);
}

static void
test_the_metadata_names_the_member_and_its_state(void **state)
{
    (void)state;
    char text[RESUME_METADATA_BYTES];
    metadata_of(us, 4, text);
    assert_string_equal(text, "bitdex1 9d7c-us 2.77 4");
}

static void
test_F39_a_member_continues_from_its_own_state(void **state)
{
    (void)state;
    static const int64_t committed[] = {0, HELD - 1, HELD, HELD + 50};
    for (size_t i = 0; i < sizeof committed / sizeof committed[0]; i++) {
        struct resume_decision decision = decide_committed_by(them, 0, committed[i], HELD, 0);
        assert_int_equal(decision.verdict, RESUME_CONTINUE);
        assert_int_equal(decision.replay, 0);
        assert_false(decision.was_reset);
        assert_false(decision.lost_tail);
    }
}

static void
test_a_log_that_ends_before_its_own_commit_has_lost_its_tail(void **state)
{
    (void)state;
    assert_true(decide_committed_by(us, 0, HELD + 1, HELD, 0).lost_tail);
    assert_false(decide_committed_by(us, 0, HELD, HELD, 0).lost_tail);
    assert_int_equal(decide_committed_by(us, 0, HELD + 1, HELD, 0).verdict, RESUME_CONTINUE);
}

static void
test_F66_an_offset_that_no_member_committed_is_a_reset(void **state)
{
    (void)state;
    struct resume_decision back = decide_reset(HELD - 1, HELD, 0);
    assert_true(back.was_reset);
    assert_int_equal(back.verdict, RESUME_REBUILD);
    assert_int_equal(back.replay, NOW_MS);
    struct resume_decision ahead = decide_reset(HELD + 1, HELD, 3);
    assert_true(ahead.was_reset);
    assert_int_equal(ahead.verdict, RESUME_SKIP);
    assert_int_equal(ahead.replay, 3);
    struct resume_decision same = decide_reset(HELD, HELD, 3);
    assert_true(same.was_reset);
    assert_int_equal(same.verdict, RESUME_CONTINUE);
    assert_int_equal(same.replay, 3);
}

static void
test_the_number_of_a_replay_grows_whatever_the_clock_says(void **state)
{
    (void)state;
    assert_int_equal(decide_reset(0, HELD, NOW_MS + 10).replay, NOW_MS + 11);
}

static void
test_F81_an_absent_offset_is_not_a_reset(void **state)
{
    (void)state;
    struct resume_decision decision = decide_reset(-1, HELD, 3);
    assert_int_equal(decision.verdict, RESUME_CONTINUE);
    assert_int_equal(decision.replay, 3);
    assert_false(decision.was_reset);
}

static void
test_F81_a_reset_that_another_member_followed_is_followed(void **state)
{
    (void)state;
    struct resume_decision older = decide_committed_by(them, 9, 10, HELD, 8);
    assert_int_equal(older.verdict, RESUME_REBUILD);
    assert_int_equal(older.replay, 9);
    assert_false(older.was_reset);
    struct resume_decision newer = decide_committed_by(them, 7, 10, HELD, 8);
    assert_int_equal(newer.verdict, RESUME_CONTINUE);
    assert_int_equal(newer.replay, 8);
}

static void
test_a_member_without_state_begins_at_the_topics_beginning(void **state)
{
    (void)state;
    struct resume_decision member = decide_committed_by(them, 9, 10, -1, 0);
    assert_int_equal(member.verdict, RESUME_CONTINUE);
    assert_int_equal(member.replay, 9);
    struct resume_decision reset = decide_reset(10, -1, 0);
    assert_int_equal(reset.verdict, RESUME_CONTINUE);
    assert_int_equal(reset.replay, NOW_MS);
    assert_true(reset.was_reset);
}

/* --- while something is rebuilt -------------------------------------------------------------- */

enum { REPLAY = 40 };

static const struct resume_state rebuilding = {
    .next_offset = HELD,
    .replay = 3,
    .is_rebuilding = true,
    .rebuilt_replay = REPLAY,
    .data_dir_id = us,
};

static struct resume_decision
decide_while_rebuilding(const char *id, int64_t replay, int64_t committed)
{
    char text[RESUME_METADATA_BYTES];
    struct text metadata = id == NULL ? text_of("") : metadata_of(id, replay, text);
    return resume_decide(&rebuilding, committed, metadata, NOW_MS);
}

/* The offset of the rebuilt replica, wherever that is, does not matter. */
static void
test_F107_a_reset_is_compared_with_the_position_that_serves(void **state)
{
    (void)state;
    struct resume_decision undone = decide_while_rebuilding(NULL, 0, HELD);
    assert_int_equal(undone.verdict, RESUME_CONTINUE);
    assert_true(undone.gives_up);
    assert_int_equal(undone.replay, 3);
    struct resume_decision ahead = decide_while_rebuilding(NULL, 0, HELD + 1);
    assert_int_equal(ahead.verdict, RESUME_SKIP);
    assert_true(ahead.gives_up);
    struct resume_decision again = decide_while_rebuilding(NULL, 0, HELD - 1);
    assert_int_equal(again.verdict, RESUME_REBUILD);
    assert_true(again.gives_up);
    assert_int_equal(again.replay, NOW_MS);
}

static void
test_the_number_of_a_replay_is_above_that_of_one_that_is_given_up(void **state)
{
    (void)state;
    struct resume_state later = rebuilding;
    later.rebuilt_replay = NOW_MS + 10;
    assert_int_equal(resume_decide(&later, 0, text_of(""), NOW_MS).replay, NOW_MS + 11);
}

static void
test_F107_a_rebuild_goes_on_as_long_as_the_group_follows_its_reset(void **state)
{
    (void)state;
    for (int turn = 0; turn < 2; turn++) {
        const char *id = turn == 0 ? us : them;
        struct resume_decision same = decide_while_rebuilding(id, REPLAY, HELD);
        assert_int_equal(same.verdict, RESUME_CONTINUE);
        assert_false(same.gives_up);
        struct resume_decision undone = decide_while_rebuilding(id, 3, HELD);
        assert_int_equal(undone.verdict, RESUME_CONTINUE);
        assert_true(undone.gives_up);
        struct resume_decision later = decide_while_rebuilding(id, REPLAY + 1, HELD);
        assert_int_equal(later.verdict, RESUME_REBUILD);
        assert_true(later.gives_up);
        assert_int_equal(later.replay, REPLAY + 1);
        struct resume_decision other = decide_while_rebuilding(id, REPLAY - 1, HELD);
        assert_int_equal(other.verdict, RESUME_REBUILD);
        assert_int_equal(other.replay, REPLAY - 1);
    }
    assert_false(decide_while_rebuilding(us, REPLAY, -1).gives_up);
}

/* Nothing of it is durable: it may never have been acknowledged. */
static void
test_an_empty_rebuild_begins_again_or_is_given_up(void **state)
{
    (void)state;
    char text[RESUME_METADATA_BYTES];
    struct resume_state empty = rebuilding;
    empty.rebuilt_replay = 0;
    struct resume_decision begun = resume_decide(&empty, HELD, metadata_of(us, 9, text), NOW_MS);
    assert_int_equal(begun.verdict, RESUME_REBUILD);
    assert_int_equal(begun.replay, 9);
    assert_true(begun.gives_up);
    struct resume_decision never = resume_decide(&empty, HELD, metadata_of(us, 3, text), NOW_MS);
    assert_int_equal(never.verdict, RESUME_CONTINUE);
    assert_true(never.gives_up);
    assert_true(resume_decide(&empty, -1, text_of(""), NOW_MS).gives_up);
}

static void
test_text_that_only_resembles_a_members_metadata_is_a_reset(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "bitdex1 a 1.2",    "bitdex1 a 1.2 3 4",
        "bitdex1 a 1.2 -3", "bitdex2 a 1.2 3",
        "bitdex1 a 1 2 3",  " bitdex1 a 1.2 3x",
        "anything",         "bitdex1 a 1.2 9223372036854775807",
    };
    const struct resume_state held = {.next_offset = HELD, .data_dir_id = us};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_true(resume_decide(&held, 10, text_of(texts[i]), NOW_MS).was_reset);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_metadata_names_the_member_and_its_state),
        cmocka_unit_test(test_F39_a_member_continues_from_its_own_state),
        cmocka_unit_test(test_a_log_that_ends_before_its_own_commit_has_lost_its_tail),
        cmocka_unit_test(test_F66_an_offset_that_no_member_committed_is_a_reset),
        cmocka_unit_test(test_the_number_of_a_replay_grows_whatever_the_clock_says),
        cmocka_unit_test(test_F81_an_absent_offset_is_not_a_reset),
        cmocka_unit_test(test_F81_a_reset_that_another_member_followed_is_followed),
        cmocka_unit_test(test_a_member_without_state_begins_at_the_topics_beginning),
        cmocka_unit_test(test_F107_a_reset_is_compared_with_the_position_that_serves),
        cmocka_unit_test(test_the_number_of_a_replay_is_above_that_of_one_that_is_given_up),
        cmocka_unit_test(test_F107_a_rebuild_goes_on_as_long_as_the_group_follows_its_reset),
        cmocka_unit_test(test_an_empty_rebuild_begins_again_or_is_given_up),
        cmocka_unit_test(test_text_that_only_resembles_a_members_metadata_is_a_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
