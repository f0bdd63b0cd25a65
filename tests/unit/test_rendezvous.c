/* Workers that apply windows, and queries that read all of them at one tick, in threads. */
#include "tests/unit/unit_test.h"

#include <stdatomic.h>

#include "common/base/clock.h"
#include "common/base/thread.h"
#include "consumer/partition/rendezvous.h"

enum { WORKERS = 3, QUERIES = 2, ANSWERS = 20, HOLD_MS = 2000, PATIENT_S = 60 };

static const bool all_asked[WORKERS] = {true, true, true};

struct cluster {
    struct rendezvous *rendezvous;
    atomic_llong ticks[WORKERS]; /* twice the tick, and one more inside of a window */
    atomic_bool stops;
};

struct worker_of {
    struct cluster *cluster;
    int32_t partition;
};

static int64_t
soon_us(int64_t seconds)
{
    return clock_monotonic_us() + seconds * US_PER_S;
}

static bool
may_wait(void *context)
{
    const struct cluster *cluster = context;
    return !atomic_load(&cluster->stops);
}

/* Applies windows in two batches each, at a speed of its own; a window takes longer now and then.
 */
static void *
run_worker(void *context)
{
    const struct worker_of *worker = context;
    struct cluster *cluster = worker->cluster;
    int32_t partition = worker->partition;
    uint32_t round = 0;
    while (!atomic_load(&cluster->stops)) {
        long long ticks = atomic_fetch_add(&cluster->ticks[partition], 1) + 1;
        const struct rendezvous_place place = {1, ticks / 2, ticks % 2 == 0};
        rendezvous_visit(cluster->rendezvous, partition, &place, may_wait, cluster);
        if (++round % (uint32_t)(partition + 2) == 0)
            clock_sleep_ms(1);
    }
    rendezvous_leave(cluster->rendezvous, partition);
    return NULL;
}

/* Every query that ends with all workers held has seen one tick, which did not change. */
static void *
run_queries(void *context)
{
    struct cluster *cluster = context;
    for (int answers = 0; answers < ANSWERS;) {
        struct rendezvous_hold hold;
        struct error err = {0};
        bool is_equal = true;
        int rc = rendezvous_begin(cluster->rendezvous, all_asked, soon_us(PATIENT_S), &hold, &err);
        assert_int_equal(rc, 0);
        long long first = atomic_load(&cluster->ticks[0]);
        for (int turn = 0; turn < 3; turn++) {
            for (int32_t i = 0; i < WORKERS; i++)
                is_equal = is_equal && atomic_load(&cluster->ticks[i]) == first;
            if (turn == 1 && answers % 4 == 0)
                clock_sleep_ms(1);
        }
        if (!rendezvous_end(cluster->rendezvous, &hold))
            continue;
        assert_true(is_equal);
        assert_int_equal(first % 2, 0);
        answers++;
    }
    return NULL;
}

static void
test_queries_read_one_tick_of_all_partitions(void **state)
{
    (void)state;
    struct cluster cluster = {.rendezvous = rendezvous_create(WORKERS, HOLD_MS)};
    struct worker_of workers[WORKERS];
    pthread_t threads[WORKERS + QUERIES];
    struct error err = {0};
    for (int32_t i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker_of){&cluster, i};
        assert_int_equal(thread_start(&threads[i], "worker", run_worker, &workers[i], &err), 0);
    }
    for (int i = WORKERS; i < WORKERS + QUERIES; i++)
        assert_int_equal(thread_start(&threads[i], "query", run_queries, &cluster, &err), 0);
    for (int i = WORKERS; i < WORKERS + QUERIES; i++)
        thread_join(threads[i]);
    assert_false(rendezvous_is_wanted(cluster.rendezvous));
    atomic_store(&cluster.stops, true);
    for (int32_t i = 0; i < WORKERS; i++)
        thread_join(threads[i]);
    rendezvous_destroy(cluster.rendezvous);
}

/* A worker that stays where it is. */
struct stayer {
    struct cluster *cluster;
    struct rendezvous_place place;
    atomic_int visits;
};

static void *
run_stayer(void *context)
{
    struct stayer *stayer = context;
    while (!atomic_load(&stayer->cluster->stops)) {
        rendezvous_visit(stayer->cluster->rendezvous, 0, &stayer->place, may_wait, stayer->cluster);
        if (rendezvous_is_wanted(stayer->cluster->rendezvous))
            atomic_fetch_add(&stayer->visits, 1);
        clock_sleep_ms(1);
    }
    rendezvous_leave(stayer->cluster->rendezvous, 0);
    return NULL;
}

static void
test_L10_a_worker_is_held_up_to_the_limit(void **state)
{
    (void)state;
    struct cluster cluster = {.rendezvous = rendezvous_create(1, 20)};
    struct stayer stayer = {&cluster, {1, 5, true}, 0};
    struct rendezvous_hold hold;
    struct error err = {0};
    pthread_t thread;
    assert_int_equal(thread_start(&thread, "worker", run_stayer, &stayer, &err), 0);
    int rc = rendezvous_begin(cluster.rendezvous, all_asked, soon_us(PATIENT_S), &hold, &err);
    assert_int_equal(rc, 0);
    while (atomic_load(&stayer.visits) == 0) /* until the worker has continued */
        clock_sleep_ms(1);
    assert_false(rendezvous_end(cluster.rendezvous, &hold));
    atomic_store(&cluster.stops, true);
    thread_join(thread);
    rendezvous_destroy(cluster.rendezvous);
}

static void
test_a_query_does_not_wait_for_ever(void **state)
{
    (void)state;
    struct cluster cluster = {.rendezvous = rendezvous_create(2, 20)};
    struct stayer stayer = {&cluster, {1, 5, false}, 0}; /* inside of a window */
    static const bool both_asked[2] = {true, true}, first_asked[2] = {true, false};
    struct rendezvous_hold hold;
    struct error err = {0};
    pthread_t thread;
    assert_int_equal(rendezvous_begin(cluster.rendezvous, both_asked, 0, &hold, &err), ERR_RETRY);
    assert_string_equal(err.message, "partition 0 is not read");
    assert_int_equal(thread_start(&thread, "worker", run_stayer, &stayer, &err), 0);
    do {
        int64_t until_us = clock_monotonic_us() + 20 * US_PER_MS;
        int rc = rendezvous_begin(cluster.rendezvous, first_asked, until_us, &hold, &err);
        assert_int_equal(rc, ERR_RETRY);
    } while (atomic_load(&stayer.visits) < 2);
    assert_string_equal(err.message, "partition 0 was at tick 5, and the furthest one at 5");
    assert_false(rendezvous_is_wanted(cluster.rendezvous));
    atomic_store(&cluster.stops, true);
    thread_join(thread);
    rendezvous_destroy(cluster.rendezvous);
}

static void *
run_announcer(void *context)
{
    struct cluster *cluster = context;
    clock_sleep_ms(1);
    atomic_store(&cluster->ticks[0], 1);
    rendezvous_announce(cluster->rendezvous);
    return NULL;
}

/* A change between two looks at the proofs is not missed. */
static void
test_a_change_wakes_who_watches(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        struct cluster cluster = {.rendezvous = rendezvous_create(1, 20)};
        struct error err = {0};
        pthread_t thread;
        rendezvous_watch_begin(cluster.rendezvous);
        assert_int_equal(thread_start(&thread, "worker", run_announcer, &cluster, &err), 0);
        for (;;) {
            uint64_t changes = rendezvous_changes(cluster.rendezvous);
            if (atomic_load(&cluster.ticks[0]) == 1)
                break;
            int64_t begin_us = clock_monotonic_us();
            rendezvous_await_change(cluster.rendezvous, changes, soon_us(PATIENT_S));
            assert_true(clock_monotonic_us() - begin_us < PATIENT_S * (int64_t)US_PER_S);
        }
        rendezvous_watch_end(cluster.rendezvous);
        thread_join(thread);
        rendezvous_destroy(cluster.rendezvous);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queries_read_one_tick_of_all_partitions),
        cmocka_unit_test(test_L10_a_worker_is_held_up_to_the_limit),
        cmocka_unit_test(test_a_query_does_not_wait_for_ever),
        cmocka_unit_test(test_a_change_wakes_who_watches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
