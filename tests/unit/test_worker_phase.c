/* The phases of a worker: which transitions there are, and that no other is made. */
#include "consumer/partition/worker_phase.h"
#include "tests/support/aborts.h"
#include "tests/unit/unit_test.h"

/* The transitions that the picture in worker_phase.h shows. */
static const struct {
    enum worker_phase from;
    enum worker_phase to;
} arrows[] = {
    {WORKER_RECOVERING, WORKER_RESUMING}, {WORKER_RECOVERING, WORKER_STOPPING},
    {WORKER_RESUMING, WORKER_RUNNING},    {WORKER_RESUMING, WORKER_REBUILDING},
    {WORKER_RESUMING, WORKER_STOPPING},   {WORKER_RUNNING, WORKER_LOST},
    {WORKER_RUNNING, WORKER_STOPPING},    {WORKER_RUNNING, WORKER_REBUILDING},
    {WORKER_REBUILDING, WORKER_RUNNING},  {WORKER_REBUILDING, WORKER_LOST},
    {WORKER_REBUILDING, WORKER_STOPPING}, {WORKER_LOST, WORKER_STOPPING},
    {WORKER_STOPPING, WORKER_STOPPED},
};

static bool
is_arrow(enum worker_phase from, enum worker_phase to)
{
    for (size_t i = 0; i < sizeof arrows / sizeof arrows[0]; i++)
        if (arrows[i].from == from && arrows[i].to == to)
            return true;
    return false;
}

static void
test_every_drawn_transition_is_made(void **state)
{
    (void)state;
    for (int from = 0; from < WORKER_PHASES; from++)
        for (int to = 0; to < WORKER_PHASES; to++)
            assert_int_equal(worker_phase_leads_to((enum worker_phase)from, (enum worker_phase)to),
                             is_arrow((enum worker_phase)from, (enum worker_phase)to));
}

struct step {
    enum worker_phase from;
    enum worker_phase to;
};

static void
make_step(void *context)
{
    struct step *step = context;
    worker_phase_move(&step->from, step->to);
}

static bool
may_move(enum worker_phase from, enum worker_phase to)
{
    return !aborts(make_step, &(struct step){from, to});
}

static void
test_no_other_transition_is_made(void **state)
{
    (void)state;
    assert_true(may_move(WORKER_RUNNING, WORKER_STOPPING));
    assert_false(may_move(WORKER_RUNNING, WORKER_RESUMING));
    assert_false(may_move(WORKER_LOST, WORKER_RUNNING));
    assert_false(may_move(WORKER_STOPPED, WORKER_RECOVERING));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_drawn_transition_is_made),
        cmocka_unit_test(test_no_other_transition_is_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
