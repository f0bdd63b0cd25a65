#include "consumer/checkpoint/checkpoint_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/check.h"

enum { PIPE_BYTES = 1 << 20, PIPE_READ = 0, PIPE_WRITE = 1 };

static atomic_bool exists;

bool
checkpoint_copy_exists(void)
{
    return atomic_load(&exists);
}

/* --- in the copy ----------------------------------------------------------------------------- */

/* The kernel's choice when memory runs out: without the copy only a checkpoint fails. */
static void
copy_offer_itself(void)
{
    int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (file < 0)
        return;
    ssize_t ignored = write(file, "1000", 4);
    (void)ignored;
    close(file);
}

static _Noreturn void
copy_run(const struct checkpoint_copy *copy, void (*run)(void *context), void *context)
{
    unsigned pipe = (unsigned)copy->pipe, first = STDERR_FILENO + 1;
    if (pipe > first)
        close_range(first, pipe - 1, 0);
    close_range(pipe < first ? first : pipe + 1, UINT_MAX, 0);
    copy_offer_itself();
    run(context);
    _exit(0);
}

void
checkpoint_copy_write(const struct checkpoint_copy *copy, const void *data, size_t bytes)
{
    const char *at = data;
    while (bytes > 0) {
        ssize_t written = write(copy->pipe, at, bytes);
        if (written < 0 && errno != EINTR)
            _exit(1); /* nobody reads */
        if (written <= 0)
            continue;
        at += written;
        bytes -= (size_t)written;
    }
}

/* --- in the process -------------------------------------------------------------------------- */

/* Signals for the process may reach the copy too, and would run the handlers of the process in
 * it. */
static pid_t
copy_fork(void)
{
    sigset_t all, before;
    sigfillset(&all);
    CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    pid_t process = _Fork(); /* no handlers of libraries run */
    if (process != 0)
        CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    return process;
}

static bool
copy_make(struct checkpoint_copy *copy, void (*run)(void *context), void *context)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    fcntl(ends[PIPE_WRITE], F_SETPIPE_SZ, PIPE_BYTES); /* without it, there are more switches */
    copy->pipe = ends[PIPE_WRITE];                     /* the copy's */
    copy->process = copy_fork();
    if (copy->process == 0)
        copy_run(copy, run, context);
    close(ends[PIPE_WRITE]);
    copy->pipe = ends[PIPE_READ];
    if (copy->process < 0)
        close(copy->pipe);
    return copy->process > 0;
}

bool
checkpoint_copy_begin(struct checkpoint_copy *copy, void (*run)(void *context), void *context)
{
    CHECK(run != NULL);
    if (atomic_exchange(&exists, true))
        return false;
    bool made = copy_make(copy, run, context);
    if (!made)
        atomic_store(&exists, false);
    return made;
}

size_t
checkpoint_copy_read(const struct checkpoint_copy *copy, void *data, size_t bytes)
{
    char *at = data;
    size_t taken = 0;
    while (taken < bytes) {
        ssize_t got = read(copy->pipe, at + taken, bytes - taken);
        if (got == 0 || (got < 0 && errno != EINTR))
            break;
        if (got > 0)
            taken += (size_t)got;
    }
    CHECK(taken <= bytes);
    return taken;
}

int
checkpoint_copy_end(struct checkpoint_copy *copy, struct error *err)
{
    int status, rc;
    CHECK(copy->process > 0);
    close(copy->pipe);
    while ((rc = waitpid(copy->process, &status, 0)) < 0 && errno == EINTR)
        continue;
    copy->process = 0;
    atomic_store(&exists, false);
    if (rc < 0) /* SIGCHLD is ignored */
        return error_set(err, ERR_RETRY, "how the process that copies the state ended is unknown");
    if (WIFSIGNALED(status))
        return error_set(err, ERR_RETRY,
                         "the process that copies the state was ended by signal %d (9: perhaps "
                         "for want of memory)",
                         WTERMSIG(status));
    if (WEXITSTATUS(status) != 0)
        return error_set(err, ERR_RETRY, "the process that copies the state has failed");
    return 0;
}
