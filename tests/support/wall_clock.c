/* A library to preload: the wall clock of the process is moved by the nanoseconds that the file
 * $BITDEX_WALL_CLOCK holds as eight bytes, which a test changes at any time. All other clocks stay
 * as they are.
 *
 * A wait until a point of the wall clock is divided into short ones, because the kernel would wait
 * for the real clock.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

enum { NS_PER_S = 1000 * 1000 * 1000, NS_PER_US = 1000, SLICE_NS = 20 * 1000 * 1000 };

/* Below it are points of the monotonic clock, which begins with the machine. */
#define WALL_CLOCK_MIN_NS (INT64_C(1000) * 1000 * 1000 * NS_PER_S)

static const _Atomic int64_t *moved_ns;

__attribute__((constructor)) static void
open_clock(void)
{
    const char *path = getenv("BITDEX_WALL_CLOCK");
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *map = fd >= 0 ? mmap(NULL, sizeof *moved_ns, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (map != MAP_FAILED)
        moved_ns = map;
    if (fd >= 0)
        close(fd);
}

static int64_t
real_ns(clockid_t clock)
{
    struct timespec time;
    syscall(SYS_clock_gettime, clock, &time);
    return (int64_t)time.tv_sec * NS_PER_S + time.tv_nsec;
}

static int64_t
wall_ns(void)
{
    return real_ns(CLOCK_REALTIME) + (moved_ns != NULL ? *moved_ns : 0);
}

static struct timespec
timespec_of(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};
}

int
clock_gettime(clockid_t clock, struct timespec *time)
{
    if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)
        return (int)syscall(SYS_clock_gettime, clock, time);
    *time = timespec_of(wall_ns());
    return 0;
}

int
gettimeofday(struct timeval *restrict time, void *restrict zone)
{
    int64_t ns = wall_ns();
    (void)zone;
    *time = (struct timeval){.tv_sec = ns / NS_PER_S, .tv_usec = ns % NS_PER_S / NS_PER_US};
    return 0;
}

time_t
time(time_t *out)
{
    time_t now = wall_ns() / NS_PER_S;
    if (out != NULL)
        *out = now;
    return now;
}

int
timespec_get(struct timespec *time, int base)
{
    *time = timespec_of(wall_ns());
    return base;
}

/* Waits until `until` of the wall clock with `wait`, which ends at a point of the real one. */
static int
wait_in_slices(int (*wait)(void *, void *, const struct timespec *), void *condition, void *mutex,
               const struct timespec *until, int timed_out)
{
    int64_t until_ns = (int64_t)until->tv_sec * NS_PER_S + until->tv_nsec;
    for (;;) {
        int64_t left_ns = until_ns - wall_ns();
        if (left_ns <= 0)
            return timed_out;
        int64_t slice_ns = left_ns < SLICE_NS ? left_ns : SLICE_NS;
        struct timespec end = timespec_of(real_ns(CLOCK_REALTIME) + slice_ns);
        int rc = wait(condition, mutex, &end);
        if (rc != timed_out)
            return rc;
    }
}

typedef int wait_function(void *, void *, const struct timespec *);

static wait_function *
find(const char *name)
{
    wait_function *function;
    *(void **)&function = dlsym(RTLD_NEXT, name);
    return function;
}

int
cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict mutex,
              const struct timespec *restrict until)
{
    static wait_function *next;
    if (next == NULL)
        next = find("cnd_timedwait");
    return wait_in_slices(next, condition, mutex, until, thrd_timedout);
}

int
pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                       const struct timespec *restrict until)
{
    static wait_function *next;
    if (next == NULL)
        next = find("pthread_cond_timedwait");
    if ((int64_t)until->tv_sec * NS_PER_S < WALL_CLOCK_MIN_NS)
        return next(condition, mutex, until);
    return wait_in_slices(next, condition, mutex, until, ETIMEDOUT);
}
