#include "common/base/shutdown.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#include "common/base/check.h"

static _Atomic bool stop_requested;

static void
stop_on_signal(int number)
{
    if (atomic_exchange(&stop_requested, true))
        _exit(128 + number);
}

void
shutdown_install(void)
{
    struct sigaction action = {.sa_handler = stop_on_signal};
    sigemptyset(&action.sa_mask);
    CHECK(sigaction(SIGTERM, &action, NULL) == 0);
    CHECK(sigaction(SIGINT, &action, NULL) == 0);
    action.sa_handler = SIG_DFL; /* whoever started the program may have ignored it */
    CHECK(sigaction(SIGCHLD, &action, NULL) == 0);
    action.sa_handler = SIG_IGN;
    CHECK(sigaction(SIGPIPE, &action, NULL) == 0);
    CHECK(sigaction(SIGXFSZ, &action, NULL) == 0);
}

bool
shutdown_requested(void)
{
    return atomic_load(&stop_requested);
}

void
shutdown_request(void)
{
    atomic_store(&stop_requested, true);
}
