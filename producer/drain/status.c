#include "producer/drain/status.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mutex.h"

enum { HEARTBEAT_MAX_US = 30 * 1000 * 1000, MOVED_MAX_US = 10 * 1000 * 1000 };

static const char *const phase_names[] = {
    [STATUS_DATABASE] = "waiting for database",
    [STATUS_LOCK] = "waiting for lock",
    [STATUS_BROKER] = "waiting for broker",
    [STATUS_TOPIC] = "checking topic",
    [STATUS_DRAINING] = "draining",
    [STATUS_STOPPING] = "stopping",
    [STATUS_STOPPED] = "stopped",
};

void
status_init(struct status *status)
{
    *status = (struct status){.view.phase = STATUS_DATABASE};
    mutex_init(&status->mutex);
    status_heartbeat(status);
}

void
status_free(struct status *status)
{
    CHECK(atomic_load(&status->server_calls) == 0);
    mutex_destroy(&status->mutex);
}

void
status_heartbeat(struct status *status)
{
    atomic_store(&status->heartbeat_us, clock_monotonic_us());
}

void
status_begin_server_call(struct status *status)
{
    status_heartbeat(status);
    CHECK(atomic_fetch_add(&status->server_calls, 1) >= 0);
}

void
status_end_server_call(struct status *status)
{
    status_heartbeat(status);
    CHECK(atomic_fetch_sub(&status->server_calls, 1) > 0);
}

/* L3: a session drains only after it has checked the topic. The end of a run is final. */
static bool
phase_follows(enum status_phase from, enum status_phase to)
{
    switch (to) {
    case STATUS_DATABASE:
        return from < STATUS_STOPPING;
    case STATUS_LOCK:
        return from == STATUS_DATABASE || from == STATUS_LOCK;
    case STATUS_BROKER:
        return from <= STATUS_TOPIC;
    case STATUS_TOPIC:
        return from >= STATUS_BROKER && from <= STATUS_DRAINING;
    case STATUS_DRAINING:
        return from == STATUS_TOPIC;
    case STATUS_STOPPING:
        return from < STATUS_STOPPING;
    case STATUS_STOPPED:
        return from != STATUS_STOPPED;
    }
    CHECK(!"a phase");
    return false;
}

void
status_set_phase(struct status *status, enum status_phase phase)
{
    status_heartbeat(status);
    mutex_lock(&status->mutex);
    CHECK(phase_follows(status->view.phase, phase));
    status->view.phase = phase;
    mutex_unlock(&status->mutex);
}

/* What counts in one run of the process only grows. */
static void
progress_check_growth(const struct status_progress *before, const struct status_progress *now)
{
    CHECK(now->rows >= before->rows);
    CHECK(now->events >= before->events && now->marks >= before->marks);
    CHECK(now->bytes >= before->bytes);
    CHECK(now->dead_letters >= before->dead_letters);
    CHECK(now->sessions >= before->sessions && now->polls >= before->polls);
    CHECK(now->moved_us >= before->moved_us);
    CHECK(now->backlog_rows >= 0);
}

void
status_publish(struct status *status, const struct status_progress *progress)
{
    mutex_lock(&status->mutex);
    progress_check_growth(&status->view.progress, progress);
    status->view.progress = *progress;
    mutex_unlock(&status->mutex);
}

void
status_set_error(struct status *status, const char *error)
{
    mutex_lock(&status->mutex);
    bool before = status->view.error[0] != '\0';
    snprintf(status->view.error, sizeof status->view.error, "%s", error);
    mutex_unlock(&status->mutex);
    if (!before && *error != '\0')
        log_warn("drain", "%s", error);
    else if (before && *error == '\0')
        log_info("drain", "recovered from the error");
}

void
status_publish_retention(struct status *status, const struct status_retention *retention)
{
    mutex_lock(&status->mutex);
    CHECK(retention->removed_rows >= status->view.retention.removed_rows);
    CHECK(retention->held_s >= 0);
    status->view.retention = *retention;
    mutex_unlock(&status->mutex);
}

void
status_publish_letters(struct status *status, int64_t open)
{
    CHECK(open >= 0);
    mutex_lock(&status->mutex);
    int64_t before = status->view.letters.known ? status->view.letters.open : 0;
    status->view.letters = (struct status_letters){.known = true, .open = open};
    mutex_unlock(&status->mutex);
    if (open > before)
        log_warn("dead letters",
                 "%" PRId64 " are open, %" PRId64 " of them new: rows or values that could not be"
                 " sent; bitdex-producer dead-letters list prints them",
                 open, open - before);
}

void
status_publish_exempt(struct status *status, const struct status_exempt *exempt)
{
    mutex_lock(&status->mutex);
    status->view.exempt = *exempt;
    mutex_unlock(&status->mutex);
}

void
status_publish_load(struct status *status, const struct status_load *load)
{
    mutex_lock(&status->mutex);
    CHECK(load->rows >= status->view.load.rows && load->bytes >= status->view.load.bytes);
    CHECK(load->ratio <= 1);
    status->view.load = *load;
    mutex_unlock(&status->mutex);
}

void
status_publish_patrol(struct status *status, const struct status_patrol *patrol)
{
    mutex_lock(&status->mutex);
    CHECK(patrol->differing <= patrol->ranges);
    status->view.patrol = *patrol;
    mutex_unlock(&status->mutex);
}

void
status_publish_refresh(struct status *status, const struct status_refresh *refresh)
{
    mutex_lock(&status->mutex);
    CHECK(refresh->requests >= status->view.refresh.requests);
    CHECK(refresh->answers >= status->view.refresh.answers);
    CHECK(refresh->owed >= 0 && (refresh->owed == 0 || refresh->oldest_us > 0));
    status->view.refresh = *refresh;
    mutex_unlock(&status->mutex);
}

void
status_read(struct status *status, struct status_view *view)
{
    mutex_lock(&status->mutex);
    *view = status->view;
    mutex_unlock(&status->mutex);
    view->heartbeat_age_us = clock_monotonic_us() - atomic_load(&status->heartbeat_us);
    view->in_server_call = atomic_load(&status->server_calls) > 0;
}

const char *
status_phase_name(enum status_phase phase)
{
    CHECK((size_t)phase < sizeof phase_names / sizeof phase_names[0]);
    return phase_names[phase];
}

static bool
is_unmoved(const struct status_view *view, int64_t *unmoved_us)
{
    *unmoved_us = clock_monotonic_us() - view->progress.moved_us;
    return *unmoved_us >= MOVED_MAX_US;
}

const char *
status_state_name(const struct status_view *view)
{
    int64_t unmoved_us;
    bool waits = view->phase == STATUS_DRAINING && view->progress.outstanding > 0 &&
                 is_unmoved(view, &unmoved_us);
    return status_phase_name(waits ? STATUS_BROKER : view->phase);
}

bool
status_is_healthy(const struct status_view *view)
{
    return view->phase != STATUS_STOPPED &&
           (view->in_server_call || view->heartbeat_age_us < HEARTBEAT_MAX_US);
}

bool
status_is_standby(const struct status_view *view)
{
    return view->phase == STATUS_LOCK && view->error[0] == '\0';
}

bool
status_is_ready(const struct status_view *view, char *why, size_t bytes)
{
    int64_t unmoved_us;
    const char *separator = view->error[0] != '\0' ? ": " : "";
    CHECK(bytes > 0);
    if (status_is_standby(view))
        return true;
    if (view->phase != STATUS_DRAINING || view->progress.failing)
        snprintf(why, bytes, "%s%s%s", status_phase_name(view->phase), separator, view->error);
    else if (is_unmoved(view, &unmoved_us))
        snprintf(why, bytes, "nothing acknowledged for %d s%s%s", (int)(unmoved_us / US_PER_S),
                 separator, view->error);
    else
        return true;
    return false;
}

double
status_freshness_seconds(const struct status_view *view)
{
    if (view->progress.delivered_us == 0)
        return -1;
    int64_t age_us = clock_monotonic_us() - view->progress.delivered_us;
    return age_us > 0 ? (double)age_us / 1e6 : 0;
}

double
status_owed_seconds(const struct status_view *view)
{
    int64_t age_us = clock_monotonic_us() - view->refresh.oldest_us;
    return view->refresh.oldest_us > 0 && age_us > 0 ? (double)age_us / 1e6 : 0;
}

double
status_backlog_seconds(const struct status_view *view)
{
    double age = status_freshness_seconds(view);
    return view->progress.backlog_rows > 0 && age > 0 ? age : 0;
}
