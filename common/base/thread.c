#include "common/base/thread.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "common/base/check.h"

int
thread_start(pthread_t *thread, const char *name, void *run(void *), void *context,
             struct error *err)
{
    CHECK(run != NULL);
    CHECK(name[0] != '\0' && strlen(name) < THREAD_NAME_BYTES);
    int code = pthread_create(thread, NULL, run, context);
    if (code != 0) {
        errno = code;
        return error_set_errno(
            err, ERR_FATAL,
            "could not start thread \"%s\" (raise the limits on processes and on "
            "memory: ulimit -u, ulimit -v, pids.max)",
            name);
    }
    pthread_setname_np(*thread, name); /* fails when the thread has ended already */
    return 0;
}

void
thread_join(pthread_t thread)
{
    CHECK(!pthread_equal(thread, pthread_self()));
    CHECK(pthread_join(thread, NULL) == 0);
}

bool
thread_join_within(pthread_t thread, int timeout_s)
{
    struct timespec deadline;
    CHECK(timeout_s >= 0);
    CHECK(!pthread_equal(thread, pthread_self()));
    CHECK(clock_gettime(CLOCK_MONOTONIC, &deadline) == 0);
    deadline.tv_sec += timeout_s;
    int code = pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &deadline);
    CHECK(code == 0 || code == ETIMEDOUT);
    return code == 0;
}
