#include "common/base/shutdown.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

static _Atomic bool stop_flag;

static void
stop_on_signal(int number)
{
    if (atomic_exchange(&stop_flag, true))
        _exit(128 + number);
}

void
shutdown_install(void)
{
    struct sigaction action = {.sa_handler = stop_on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
    sigaction(SIGXFSZ, &action, NULL);
}

bool
shutdown_requested(void)
{
    return atomic_load(&stop_flag);
}

void
shutdown_request(void)
{
    atomic_store(&stop_flag, true);
}
