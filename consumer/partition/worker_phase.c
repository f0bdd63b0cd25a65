#include "consumer/partition/worker_phase.h"

#include <stddef.h>

#include "common/base/check.h"

#define TO(phase) (1U << WORKER_##phase)

/* By the phase that a transition leaves: those that it may enter. */
static const unsigned worker_transitions[WORKER_PHASES] = {
    [WORKER_RECOVERING] = TO(RESUMING) | TO(STOPPING),
    [WORKER_RESUMING] = TO(RUNNING) | TO(REBUILDING) | TO(STOPPING),
    [WORKER_RUNNING] = TO(REBUILDING) | TO(LOST) | TO(STOPPING),
    [WORKER_REBUILDING] = TO(RUNNING) | TO(LOST) | TO(STOPPING),
    [WORKER_LOST] = TO(STOPPING),
    [WORKER_STOPPING] = TO(STOPPED),
};

const char *
worker_phase_name(enum worker_phase phase)
{
    static const char *const names[WORKER_PHASES] = {
        [WORKER_RECOVERING] = "recovering",
        [WORKER_RESUMING] = "resuming",
        [WORKER_RUNNING] = "running",
        [WORKER_REBUILDING] = "rebuilding",
        [WORKER_LOST] = "lost",
        [WORKER_STOPPING] = "stopping",
        [WORKER_STOPPED] = "stopped",
    };
    CHECK(phase < WORKER_PHASES && names[phase] != NULL);
    return names[phase];
}

bool
worker_phase_leads_to(enum worker_phase from, enum worker_phase to)
{
    CHECK(from < WORKER_PHASES && to < WORKER_PHASES);
    return (worker_transitions[from] & 1U << to) != 0;
}

void
worker_phase_move(enum worker_phase *phase, enum worker_phase to)
{
    CHECK(worker_phase_leads_to(*phase, to));
    *phase = to;
}
