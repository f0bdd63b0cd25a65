#include "common/base/daemon_signals.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>

#include "common/base/check.h"

static _Atomic bool reload_requested;
static _Atomic bool report_requested;

static void
note_signal(int number)
{
    atomic_store(number == SIGHUP ? &reload_requested : &report_requested, true);
}

void
daemon_signals_install(void)
{
    struct sigaction action = {.sa_handler = note_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    CHECK(sigaction(SIGHUP, &action, NULL) == 0);
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
}

bool
daemon_signals_take_reload(void)
{
    return atomic_exchange(&reload_requested, false);
}

bool
daemon_signals_take_report(void)
{
    return atomic_exchange(&report_requested, false);
}
