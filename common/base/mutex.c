#include "common/base/mutex.h"

#include <errno.h>
#include <time.h>

#include "common/base/check.h"
#include "common/base/clock.h"

void
mutex_init(pthread_mutex_t *mutex)
{
    pthread_mutexattr_t attributes;
    CHECK(pthread_mutexattr_init(&attributes) == 0);
    CHECK(pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK) == 0);
    CHECK(pthread_mutex_init(mutex, &attributes) == 0);
    CHECK(pthread_mutexattr_destroy(&attributes) == 0);
}

void
mutex_destroy(pthread_mutex_t *mutex)
{
    CHECK(pthread_mutex_destroy(mutex) == 0);
}

void
mutex_lock(pthread_mutex_t *mutex)
{
    CHECK(pthread_mutex_lock(mutex) == 0);
}

void
mutex_unlock(pthread_mutex_t *mutex)
{
    CHECK(pthread_mutex_unlock(mutex) == 0);
}

void
condition_init(pthread_cond_t *condition)
{
    CHECK(pthread_cond_init(condition, NULL) == 0);
}

void
condition_destroy(pthread_cond_t *condition)
{
    CHECK(pthread_cond_destroy(condition) == 0);
}

void
condition_signal(pthread_cond_t *condition)
{
    CHECK(pthread_cond_signal(condition) == 0);
}

void
condition_broadcast(pthread_cond_t *condition)
{
    CHECK(pthread_cond_broadcast(condition) == 0);
}

void
condition_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
    CHECK(pthread_cond_wait(condition, mutex) == 0);
}

bool
condition_wait_until(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t deadline_us)
{
    CHECK(deadline_us >= 0);
    const struct timespec deadline = {
        .tv_sec = deadline_us / US_PER_S,
        .tv_nsec = deadline_us % US_PER_S * NS_PER_US,
    };
    int code = pthread_cond_clockwait(condition, mutex, CLOCK_MONOTONIC, &deadline);
    CHECK(code == 0 || code == ETIMEDOUT);
    return code == 0;
}
