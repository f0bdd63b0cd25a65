/* The phases of a worker: which transitions there are, and that no other is made. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "consumer/partition/worker_phase.h"
#include "tests/unit/unit_test.h"

/* Of the picture in worker_phase.h. */
static const struct {
    enum worker_phase from;
    enum worker_phase to;
} arrows[] = {
    {WORKER_RECOVERING, WORKER_RESUMING}, {WORKER_RECOVERING, WORKER_STOPPING},
    {WORKER_RESUMING, WORKER_RUNNING},    {WORKER_RESUMING, WORKER_REBUILDING},
    {WORKER_RESUMING, WORKER_STOPPING},   {WORKER_RUNNING, WORKER_LOST},
    {WORKER_RUNNING, WORKER_STOPPING},    {WORKER_REBUILDING, WORKER_RUNNING},
    {WORKER_REBUILDING, WORKER_LOST},     {WORKER_REBUILDING, WORKER_STOPPING},
    {WORKER_LOST, WORKER_STOPPING},       {WORKER_STOPPING, WORKER_STOPPED},
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
test_the_picture_has_all_transitions(void **state)
{
    (void)state;
    for (int from = 0; from < WORKER_PHASES; from++)
        for (int to = 0; to < WORKER_PHASES; to++)
            assert_int_equal(worker_phase_leads_to((enum worker_phase)from, (enum worker_phase)to),
                             is_arrow((enum worker_phase)from, (enum worker_phase)to));
}

/* In a process of its own, without a core file. True: a check has ended it. */
static bool
move_fails(enum worker_phase from, enum worker_phase to)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        close(STDERR_FILENO);
        worker_phase_move(&from, to);
        _exit(from == to ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status))
        assert_int_equal(WEXITSTATUS(status), 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void
test_no_other_transition_is_made(void **state)
{
    (void)state;
    assert_false(move_fails(WORKER_RUNNING, WORKER_STOPPING));
    assert_true(move_fails(WORKER_RUNNING, WORKER_REBUILDING));
    assert_true(move_fails(WORKER_LOST, WORKER_RUNNING));
    assert_true(move_fails(WORKER_STOPPED, WORKER_RECOVERING));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_picture_has_all_transitions),
        cmocka_unit_test(test_no_other_transition_is_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
