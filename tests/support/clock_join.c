/* For ThreadSanitizer, which knows pthread_timedjoin_np() only: a thread that is joined by another
 * clock is never joined to it, and what it has written is a race. */
#include <pthread.h>
#include <time.h>

int
pthread_clockjoin_np(pthread_t thread, void **result, clockid_t clock,
                     const struct timespec *deadline)
{
    enum { NS_PER_S = 1000000000 };
    struct timespec now, until;
    clock_gettime(clock, &now);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += deadline->tv_sec - now.tv_sec;
    until.tv_nsec += deadline->tv_nsec - now.tv_nsec;
    until.tv_sec += until.tv_nsec < 0 ? -1 : until.tv_nsec / NS_PER_S;
    until.tv_nsec = (until.tv_nsec + NS_PER_S) % NS_PER_S;
    return pthread_timedjoin_np(thread, result, &until);
}
