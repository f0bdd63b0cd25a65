#include "producer/drain/wanted_load.h"

#include <inttypes.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "producer/load/job_queue.h"
#include "producer/refresh/owed.h"

enum { POLL_US = US_PER_S, RETRY_S = 60 };

static const char reason[] = "a request names an entry that triggers does not have";

/* The job is ours when nobody has begun it. */
static int
queue_job(struct wanted_load *load, struct session *session, uint32_t rows, struct error *err)
{
    const char *name = session->config->producer.name;
    struct load_selection everything = {0};
    struct job_view view;
    bool found = false;
    int64_t id;
    int rc = job_queue_load(session->pg, name, &everything, reason, &id, &found, err);
    if (rc == 0)
        rc = job_queue_view(session->pg, name, id, &view, &found, err);
    if (rc != 0 || !found || view.state != JOB_STATE_QUEUED)
        return rc;
    log_info("refresh", "%" PRIu32 " requests wait for job %" PRId64 ": %s", rows, id, reason);
    load->job = id;
    load->rows = rows;
    return 0;
}

/* A load that has failed, or that somebody has ended, answers nothing. */
static int
view_job(struct wanted_load *load, struct session *session, struct error *err)
{
    struct job_view view;
    bool found;
    int rc =
        job_queue_view(session->pg, session->config->producer.name, load->job, &view, &found, err);
    if (rc != 0 || (found && view.state != JOB_STATE_ENDED))
        return rc;
    load->is_done = found && strcmp(view.state_name, "done") == 0;
    if (load->is_done)
        return 0;
    log_warn("refresh",
             "job %" PRId64 " has not loaded what %" PRIu32 " requests wait for; the"
             " next load is queued in %d s",
             load->job, load->rows, RETRY_S);
    load->job = 0;
    load->polled_us += (int64_t)RETRY_S * US_PER_S;
    return 0;
}

int
wanted_load_poll(struct wanted_load *load, struct session *session, struct error *err)
{
    int64_t now_us = clock_monotonic_us();
    struct owed_item item;
    if (now_us - load->polled_us < POLL_US || load->is_done)
        return 0;
    if (!owed_find_unknown(session->owed, &item))
        return 0;
    CHECK(item.row_count > 0 && load->rows <= item.row_count);
    load->polled_us = now_us;
    status_begin_server_call(session->status);
    int rc = load->job == 0 ? queue_job(load, session, item.row_count, err)
                            : view_job(load, session, err);
    status_end_server_call(session->status);
    return rc;
}
