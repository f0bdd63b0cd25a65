/* Threads start, end and meet at mutexes; one that cannot start is an error with a reason. */
#include "tests/unit/unit_test.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/base/thread.h"
#include "tests/support/thread_limit.h"

struct meeting {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool is_open;
    char name[THREAD_NAME_BYTES];
};

static void *
wait_for_opening(void *context)
{
    struct meeting *meeting = context;
    mutex_lock(&meeting->mutex);
    while (!meeting->is_open)
        condition_wait(&meeting->changed, &meeting->mutex);
    pthread_getname_np(pthread_self(), meeting->name, sizeof meeting->name);
    mutex_unlock(&meeting->mutex);
    return NULL;
}

static void
test_a_thread_has_a_name_and_is_joined(void **state)
{
    (void)state;
    struct error err = {0};
    struct meeting meeting = {.is_open = false};
    pthread_t thread;
    mutex_init(&meeting.mutex);
    condition_init(&meeting.changed);
    assert_int_equal(thread_start(&thread, "guest", wait_for_opening, &meeting, &err), 0);
    assert_false(thread_join_within(thread, 0));
    mutex_lock(&meeting.mutex);
    meeting.is_open = true;
    condition_broadcast(&meeting.changed);
    mutex_unlock(&meeting.mutex);
    thread_join(thread);
    assert_string_equal(meeting.name, "guest");
    condition_destroy(&meeting.changed);
    mutex_destroy(&meeting.mutex);
}

static void
test_a_wait_ends_at_its_deadline(void **state)
{
    (void)state;
    struct meeting meeting;
    mutex_init(&meeting.mutex);
    condition_init(&meeting.changed);
    mutex_lock(&meeting.mutex);
    int64_t deadline_us = clock_monotonic_us() + US_PER_MS;
    while (condition_wait_until(&meeting.changed, &meeting.mutex, deadline_us))
        continue; /* a spurious return */
    assert_true(clock_monotonic_us() >= deadline_us);
    mutex_unlock(&meeting.mutex);
    condition_destroy(&meeting.changed);
    mutex_destroy(&meeting.mutex);
}

static void
test_F113_a_limit_on_threads_is_an_error(void **state)
{
    (void)state;
    struct error err = {0};
    struct meeting meeting;
    pthread_t thread;
    thread_limit_set();
    assert_int_equal(thread_start(&thread, "guest", wait_for_opening, &meeting, &err), ERR_FATAL);
    thread_limit_clear();
    assert_non_null(strstr(err.message, "could not start thread \"guest\""));
    assert_non_null(strstr(err.message, "Resource temporarily unavailable"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_thread_has_a_name_and_is_joined),
        cmocka_unit_test(test_a_wait_ends_at_its_deadline),
        cmocka_unit_test(test_F113_a_limit_on_threads_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
