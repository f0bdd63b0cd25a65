#include "producer/drain/state.h"

#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mutex.h"

enum { BEAT_MAX_US = 30 * 1000 * 1000, MOVED_MAX_US = 10 * 1000 * 1000 };

static const char *const phase_names[] = {
    [STATE_DATABASE] = "waiting for database",
    [STATE_LOCK] = "waiting for lock",
    [STATE_BROKER] = "waiting for broker",
    [STATE_TOPIC] = "checking topic",
    [STATE_DRAINING] = "draining",
    [STATE_STOPPING] = "stopping",
    [STATE_STOPPED] = "stopped",
};

void
state_init(struct state *state)
{
    *state = (struct state){.view.phase = STATE_DATABASE};
    mutex_init(&state->mutex);
    state_beat(state);
}

void
state_free(struct state *state)
{
    mutex_destroy(&state->mutex);
}

void
state_beat(struct state *state)
{
    atomic_store(&state->beat_us, clock_monotonic_us());
}

void
state_server_call(struct state *state, bool begins)
{
    state_beat(state);
    atomic_fetch_add(&state->server_calls, begins ? 1 : -1);
}

void
state_set_phase(struct state *state, enum state_phase phase)
{
    state_beat(state);
    mutex_lock(&state->mutex);
    state->view.phase = phase;
    mutex_unlock(&state->mutex);
}

void
state_publish(struct state *state, const struct state_progress *progress)
{
    mutex_lock(&state->mutex);
    state->view.progress = *progress;
    mutex_unlock(&state->mutex);
}

void
state_set_trouble(struct state *state, const char *trouble)
{
    mutex_lock(&state->mutex);
    bool before = state->view.trouble[0] != '\0';
    snprintf(state->view.trouble, sizeof state->view.trouble, "%s", trouble);
    mutex_unlock(&state->mutex);
    if (!before && *trouble != '\0')
        log_warn("drain", "%s", trouble);
    else if (before && *trouble == '\0')
        log_info("drain", "the trouble is over");
}

void
state_publish_retention(struct state *state, const struct state_retention *retention)
{
    mutex_lock(&state->mutex);
    state->view.retention = *retention;
    mutex_unlock(&state->mutex);
}

void
state_read(struct state *state, struct state_view *view)
{
    mutex_lock(&state->mutex);
    *view = state->view;
    mutex_unlock(&state->mutex);
    view->beat_age_us = clock_monotonic_us() - atomic_load(&state->beat_us);
    view->in_server_call = atomic_load(&state->server_calls) > 0;
}

const char *
state_phase_name(enum state_phase phase)
{
    return phase_names[phase];
}

bool
state_is_healthy(const struct state_view *view)
{
    return view->phase != STATE_STOPPED &&
           (view->in_server_call || view->beat_age_us < BEAT_MAX_US);
}

bool
state_is_ready(const struct state_view *view, char *why, size_t bytes)
{
    int64_t still_us = clock_monotonic_us() - view->progress.moved_us;
    const char *separator = view->trouble[0] != '\0' ? ": " : "";
    if (view->phase != STATE_DRAINING || view->progress.failing)
        snprintf(why, bytes, "%s%s%s", phase_names[view->phase], separator, view->trouble);
    else if (still_us >= MOVED_MAX_US)
        snprintf(why, bytes, "nothing acknowledged for %d s%s%s", (int)(still_us / US_PER_S),
                 separator, view->trouble);
    else
        return true;
    return false;
}

double
state_freshness_seconds(const struct state_view *view)
{
    if (view->progress.delivered_clock_us == 0)
        return -1;
    int64_t age_us = clock_realtime_us() - view->progress.delivered_clock_us;
    return age_us > 0 ? (double)age_us / 1e6 : 0;
}

double
state_backlog_seconds(const struct state_view *view)
{
    double age = state_freshness_seconds(view);
    return view->progress.backlog_rows > 0 && age > 0 ? age : 0;
}
