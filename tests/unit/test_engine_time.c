/* Entities that are hidden until a time (visible_from): F33, F35. In JSON, ' stands for ". */
#include "tests/unit/unit_test.h"

#include "tests/unit/engine_fixture.h"

/* Entity 1 is visible from 100 on, 4 from 200 on, 7 always. */
static void
fill_schedule(struct world *world)
{
    engine_advance(world->engine, 50);
    world_apply(world, 0, "[{'op':'alive'},{'op':'set','field':'publishedAt','value':100}]");
    world_apply(world, 1, "[{'op':'set','field':'publishedAt','value':200},{'op':'alive'}]");
    world_apply(world, 2, "[{'op':'alive'},{'op':'set','field':'existedAt','value':10}]");
}

static void
assert_next_activation(struct world *world, int64_t wanted_s)
{
    int64_t at_s;
    assert_true(engine_next_activation(world->engine, &at_s));
    assert_int_equal(at_s, wanted_s);
}

static void
test_F33_a_slot_is_hidden_until_its_time(void **state)
{
    struct world *world = *state;
    int64_t at_s;
    fill_schedule(world);
    assert_query(world, "{}", "7/1");
    assert_next_activation(world, 100);
    engine_advance(world->engine, 99);
    assert_query(world, "{}", "7/1");
    engine_advance(world->engine, 100);
    engine_advance(world->engine, 100);
    assert_query(world, "{}", "7,1/2");
    assert_next_activation(world, 200);
    engine_advance(world->engine, 200);
    world_apply(world, 1, "[{'op':'set','field':'publishedAt','value':200}]");
    assert_query(world, "{}", "7,4,1/3");
    assert_false(engine_next_activation(world->engine, &at_s));
}

static void
test_F33_hidden_slots_take_ops_and_fan_outs(void **state)
{
    struct world *world = *state;
    fill_schedule(world);
    world_apply(world, 0, "[{'op':'set','field':'postId','value':9}]");
    world_apply(world, 0,
                "[{'op':'queryOpSet','query':'postId eq 9',"
                "'ops':[{'op':'set','field':'nsfwLevel','value':4}]}]");
    engine_advance(world->engine, 100);
    assert_query(world, "{'filters':[{'Eq':['nsfwLevel',4]}]}", "1/1");
}

static void
test_F33_a_deleted_hidden_slot_never_appears(void **state)
{
    struct world *world = *state;
    fill_schedule(world);
    world_apply(world, 0, "[{'op':'delete'}]");
    assert_next_activation(world, 200);
    engine_advance(world->engine, 150);
    assert_query(world, "{}", "7/1");
    world_apply(world, 0, "[{'op':'alive'}]");
    assert_query(world, "{}", "7,1/2");
}

static void
test_F33_a_schedule_moves_both_ways(void **state)
{
    struct world *world = *state;
    fill_schedule(world);
    engine_advance(world->engine, 150);
    world_apply(world, 0, "[{'op':'set','field':'publishedAt','value':300}]");
    world_apply(world, 1, "[{'op':'set','field':'publishedAt','value':120}]");
    assert_query(world, "{}", "7,4/2");
    assert_next_activation(world, 300);
    world_apply(world, 0,
                "[{'op':'set','field':'publishedAt','value':400},"
                "{'op':'set','field':'publishedAt','value':null}]");
    assert_query(world, "{}", "7,4,1/3");
}

static void
test_F33_a_clock_that_is_set_back_hides_nothing_for_ever(void **state)
{
    struct world *world = *state;
    fill_schedule(world);
    engine_advance(world->engine, 150);
    engine_advance(world->engine, 80);
    assert_query(world, "{}", "7/1");
    world_apply(world, 3, "[{'op':'alive'},{'op':'set','field':'publishedAt','value':120}]");
    assert_next_activation(world, 100);
    engine_advance(world->engine, 130);
    assert_query(world, "{}", "10,7,1/3");
}

/* Restarts before the time, across it, and after it: the entity becomes visible once. */
static void
test_F33_an_activation_happens_once_across_restarts(void **state)
{
    struct world *world = *state;
    int64_t at_s;
    fill_schedule(world);
    world_restart(world, 99);
    assert_query(world, "{}", "7/1");
    assert_next_activation(world, 100);
    engine_advance(world->engine, 100);
    assert_query(world, "{}", "7,1/2");
    world_restart(world, 100);
    assert_query(world, "{}", "7,1/2");
    assert_next_activation(world, 200);
    world_restart(world, 250);
    assert_query(world, "{}", "7,4,1/3");
    assert_false(engine_next_activation(world->engine, &at_s));
    engine_advance(world->engine, 251);
    assert_query(world, "{}", "7,4,1/3");
    world_restart(world, 150);
    assert_query(world, "{}", "7,1/2");
    assert_next_activation(world, 200);
}

/* The local clock is a second behind the writer's, equal, or a second ahead when the op arrives. */
static void
test_F33_a_second_of_skew_hides_nothing_for_ever(void **state)
{
    struct world *world = *state;
    int64_t at_s;
    for (int64_t skew_s = -1; skew_s <= 1; skew_s++) {
        engine_advance(world->engine, 100 + skew_s);
        world_apply(world, 0, "[{'op':'alive'},{'op':'set','field':'publishedAt','value':100}]");
        world_apply(world, 1, "[{'op':'alive'},{'op':'set','field':'publishedAt','value':101}]");
        assert_query(world, "{}", skew_s < 0 ? "/0" : skew_s == 0 ? "1/1" : "4,1/2");
        engine_advance(world->engine, 100);
        assert_query(world, "{}", "1/1");
        assert_next_activation(world, 101);
        engine_advance(world->engine, 101);
        assert_query(world, "{}", "4,1/2");
        assert_false(engine_next_activation(world->engine, &at_s));
        world_apply(world, 0, "[{'op':'delete'}]");
        world_apply(world, 1, "[{'op':'delete'}]");
    }
}

static void
hold(struct world *world, uint32_t slot, bool is_held)
{
    engine_hold(world->engine, slot, is_held);
    engine_hold(world->engine, slot, is_held);
}

/* Its schedule is being read from the source, and null would show it. */
static void
test_a_held_slot_is_hidden_whatever_happens_to_it(void **state)
{
    struct world *world = *state;
    int64_t at_s;
    fill_schedule(world);
    hold(world, 0, true);
    hold(world, 2, true);
    assert_query(world, "{}", "/0");
    assert_false(engine_is_visible(world->engine, fixture_entity(2)));
    assert_next_activation(world, 200);
    engine_advance(world->engine, 100);
    assert_query(world, "{}", "/0");
    world_apply(world, 0, "[{'op':'set','field':'publishedAt','value':90}]");
    world_apply(world, 2, "[{'op':'set','field':'publishedAt','value':null}]");
    world_apply(world, 0,
                "[{'op':'queryOpSet','query':'existedAt eq 10',"
                "'ops':[{'op':'set','field':'publishedAt','value':20}]}]");
    assert_query(world, "{}", "/0");
    engine_advance(world->engine, 10);
    engine_advance(world->engine, 150);
    assert_query(world, "{}", "/0");
    engine_advance(world->engine, 200);
    assert_query(world, "{}", "4/1");
    assert_false(engine_next_activation(world->engine, &at_s));
    hold(world, 2, false);
    assert_query(world, "{}", "7,4/2");
    hold(world, 1, true);
    hold(world, 0, false);
    assert_query(world, "{}", "7,1/2");
    world_apply(world, 0, "[{'op':'delete'}]");
    hold(world, 0, true);
    hold(world, 0, false);
    assert_query(world, "{}", "7/1");
    hold(world, 1, false);
    assert_query(world, "{}", "7,4/2");
}

static void
test_F33_a_fan_out_moves_a_schedule_both_ways(void **state)
{
    struct world *world = *state;
    fill_schedule(world);
    engine_advance(world->engine, 150);
    world_apply(world, 0,
                "[{'op':'queryOpSet','query':'publishedAt eq 100',"
                "'ops':[{'op':'set','field':'publishedAt','value':300}]},"
                "{'op':'queryOpSet','query':'publishedAt eq 200',"
                "'ops':[{'op':'remove','field':'publishedAt','value':200}]}]");
    assert_query(world, "{}", "7,4/2");
    assert_next_activation(world, 300);
    world_apply(world, 0,
                "[{'op':'queryOpSet','query':'publishedAt eq 300','ops':[{'op':'delete'}]}]");
    engine_advance(world->engine, 300);
    assert_query(world, "{}", "7,4/2");
}

static void
test_F35_a_future_time_does_not_enter_a_computed_sort_before_it_comes(void **state)
{
    struct world *world = *state;
    fill_schedule(world);
    assert_query(world, "{'sort':{'field':'sortAt'}}", "7/1");
    assert_query(world, "{'filters':[{'Gt':['sortAt',50]}],'sort':{'field':'sortAt'}}", "/0");
    engine_advance(world->engine, 1000);
    assert_query(world, "{'sort':{'field':'sortAt'}}", "4,1,7/3");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_F33_a_slot_is_hidden_until_its_time),
        WORLD_TEST(test_F33_hidden_slots_take_ops_and_fan_outs),
        WORLD_TEST(test_F33_a_deleted_hidden_slot_never_appears),
        WORLD_TEST(test_F33_a_schedule_moves_both_ways),
        WORLD_TEST(test_F33_a_clock_that_is_set_back_hides_nothing_for_ever),
        WORLD_TEST(test_F33_an_activation_happens_once_across_restarts),
        WORLD_TEST(test_F33_a_second_of_skew_hides_nothing_for_ever),
        WORLD_TEST(test_F33_a_fan_out_moves_a_schedule_both_ways),
        WORLD_TEST(test_a_held_slot_is_hidden_whatever_happens_to_it),
        WORLD_TEST(test_F35_a_future_time_does_not_enter_a_computed_sort_before_it_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
