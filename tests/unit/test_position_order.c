/* Law L5: positions move forward and keep their order, or a check ends the process. */
#include "consumer/partition/position_order.h"
#include "tests/support/aborts.h"
#include "tests/unit/unit_test.h"

struct step {
    struct position_order order;
    enum position_kind kind;
    int64_t offset;
};

static void
make_step(void *context)
{
    struct step *step = context;
    position_order_move(&step->order, step->kind, step->offset);
}

static bool
may_move(const struct position_order *order, enum position_kind kind, int64_t offset)
{
    struct step step = {*order, kind, offset};
    return !aborts(make_step, &step);
}

static void
begin(struct position_order *order)
{
    static const int64_t offsets[POSITION_KINDS] = {
        [POSITION_WAL_BEGIN] = 10,         [POSITION_OLDEST_CHECKPOINT] = 20,
        [POSITION_NEWEST_CHECKPOINT] = 30, [POSITION_APPLIED] = 40,
        [POSITION_DURABLE] = 50,           [POSITION_COMMITTED] = 45,
        [POSITION_CURSOR_TABLE] = 35,
    };
    position_order_init(order);
    for (int kind = 0; kind < POSITION_KINDS; kind++)
        position_order_follow(order, (enum position_kind)kind, offsets[kind]);
}

static void
test_L5_each_position_moves_up_to_the_next_one(void **state)
{
    (void)state;
    static const struct {
        enum position_kind kind;
        int64_t limit;
    } limits[] = {
        {POSITION_WAL_BEGIN, 20},         {POSITION_OLDEST_CHECKPOINT, 30},
        {POSITION_NEWEST_CHECKPOINT, 40}, {POSITION_APPLIED, 50},
        {POSITION_COMMITTED, 50},         {POSITION_CURSOR_TABLE, 45},
    };
    struct position_order order;
    begin(&order);
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        assert_true(may_move(&order, limits[i].kind, limits[i].limit));
        assert_false(may_move(&order, limits[i].kind, limits[i].limit + 1));
    }
    assert_true(may_move(&order, POSITION_DURABLE, 1000));
}

static void
test_L5_no_position_moves_back(void **state)
{
    (void)state;
    struct position_order order;
    begin(&order);
    for (int kind = 0; kind < POSITION_KINDS; kind++) {
        int64_t offset = position_order_offset(&order, (enum position_kind)kind);
        assert_true(may_move(&order, (enum position_kind)kind, offset));
        assert_false(may_move(&order, (enum position_kind)kind, offset - 1));
    }
}

/* A feed does not know what is applied, and compares only what it follows. */
static void
test_a_position_that_is_not_followed_is_not_compared(void **state)
{
    (void)state;
    struct position_order order;
    position_order_init(&order);
    position_order_follow(&order, POSITION_COMMITTED, POSITION_NONE);
    assert_false(may_move(&order, POSITION_DURABLE, 1));
    assert_true(may_move(&order, POSITION_COMMITTED, 7));
    position_order_move(&order, POSITION_COMMITTED, 7);
    assert_int_equal(position_order_offset(&order, POSITION_COMMITTED), 7);
    position_order_follow(&order, POSITION_CURSOR_TABLE, POSITION_NONE);
    assert_true(may_move(&order, POSITION_CURSOR_TABLE, 7));
    assert_false(may_move(&order, POSITION_CURSOR_TABLE, 8));
}

/* "Nothing yet" is below every offset: nothing is applied before something is durable. */
static void
test_a_missing_position_is_below_every_offset(void **state)
{
    (void)state;
    struct position_order order;
    position_order_init(&order);
    position_order_follow(&order, POSITION_APPLIED, POSITION_NONE);
    position_order_follow(&order, POSITION_DURABLE, POSITION_NONE);
    assert_false(may_move(&order, POSITION_APPLIED, 0));
    assert_true(may_move(&order, POSITION_DURABLE, 0));
    assert_false(may_move(&order, POSITION_DURABLE, POSITION_NONE));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_L5_each_position_moves_up_to_the_next_one),
        cmocka_unit_test(test_L5_no_position_moves_back),
        cmocka_unit_test(test_a_position_that_is_not_followed_is_not_compared),
        cmocka_unit_test(test_a_missing_position_is_below_every_offset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
