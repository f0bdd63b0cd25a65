/* Whose an event is that stands between ours on our topic (L3). */
#include "tests/unit/unit_test.h"

#include <string.h>

#include "producer/sink/rival.h"

/* Session 7 of epoch 2. */
static const struct rival_self self = {
    .source = "main",
    .topic_id = "11111111-1111-1111-1111-111111111111",
    .start_name = "00000000000000aa",
    .epoch = 2,
    .generation = 7,
};

static struct event
row_of(int64_t epoch, int64_t generation)
{
    return (struct event){
        .epoch = epoch,
        .generation = generation,
        .tick = 20,
        .source = TEXT("main"),
        .kind = EVENT_ROW,
    };
}

static struct event
mark_of(int64_t epoch, int64_t generation, const char *start_name)
{
    struct event event = row_of(epoch, generation);
    event.kind = EVENT_MARK;
    event.mark.topic_id = text_of(self.topic_id);
    event.mark.start_name = text_of(start_name);
    return event;
}

static enum rival_kind
judge(struct event event)
{
    struct rival rival;
    enum rival_kind kind = rival_judge(&self, &event, &rival);
    assert_int_equal(rival.kind, kind);
    assert_int_equal(rival.tick, event.tick);
    return kind;
}

static void
test_what_was_on_its_way_is_nobodys(void **state)
{
    (void)state;
    struct event posted = row_of(0, 0);
    posted.source = TEXT("http");
    assert_int_equal(judge(posted), RIVAL_NONE);
    assert_int_equal(judge(row_of(2, 7)), RIVAL_NONE);
    assert_int_equal(judge(mark_of(2, 7, "00000000000000aa")), RIVAL_NONE);
    assert_int_equal(judge(mark_of(2, 6, "00000000000000bb")), RIVAL_NONE);
    assert_int_equal(judge(mark_of(1, 9, "00000000000000cc")), RIVAL_NONE);
}

static void
test_F101_another_start_with_our_generation_or_a_later_one_is_a_rival(void **state)
{
    (void)state;
    assert_int_equal(judge(mark_of(2, 7, "00000000000000bb")), RIVAL_START);
    assert_int_equal(judge(mark_of(2, 8, "00000000000000bb")), RIVAL_START);
    assert_int_equal(judge(mark_of(3, 1, "00000000000000bb")), RIVAL_START);
    assert_int_equal(judge(row_of(2, 8)), RIVAL_START);
    struct event event = row_of(2, 6);
    event.source = TEXT("other");
    assert_int_equal(judge(event), RIVAL_SOURCE);
    event = mark_of(2, 6, "00000000000000bb");
    event.mark.topic_id = TEXT("22222222-2222-2222-2222-222222222222");
    assert_int_equal(judge(event), RIVAL_TOPIC_ID);
}

static void
test_F101_a_rival_is_named_with_the_way_out(void **state)
{
    (void)state;
    struct rival rival;
    struct error err = {0};
    const struct event event = mark_of(2, 8, "00000000000000bb");
    rival_judge(&self, &event, &rival);
    for (rival.kind = RIVAL_SOURCE; rival.kind <= RIVAL_SCHEMA; rival.kind++) {
        rival.partition = 3;
        rival.offset = 41;
        assert_int_equal(rival_explain(&rival, "ops", &err), ERR_FATAL);
        assert_non_null(strstr(err.message, "topic ops (partition 3, offset 41)"));
        if (rival.kind != RIVAL_SOURCE)
            assert_non_null(strstr(err.message, "cursor adopt"));
        if (rival.kind == RIVAL_START)
            assert_non_null(strstr(err.message, "start 00000000000000bb"));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_on_its_way_is_nobodys),
        cmocka_unit_test(test_F101_another_start_with_our_generation_or_a_later_one_is_a_rival),
        cmocka_unit_test(test_F101_a_rival_is_named_with_the_way_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
