#include "producer/drain/loads.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "producer/drain/checks.h"
#include "producer/load/loader.h"

enum { POLL_US = JOBS_POLL_MS * US_PER_MS };

struct loads {
    struct session *session;
    struct loader *loader;
    struct checks *checks;
    bool is_prepared;     /* the loader is to read in the transaction of the next window */
    struct buffer tables; /* of the loader's step and of what is checked */
    const struct csv_request *csv;
    bool is_checked;      /* nothing was sent before `csv` */
    int64_t polled_us;    /* monotonic; 0: a poll is due */
    int64_t begun_us;     /* monotonic: when the step that is to be sent was begun */
    bool covered_changed; /* and no mark has said so yet */
    int heartbeat_rc;     /* of the reading: why it was ended, and */
    struct error heartbeat_err;
};

static int
loads_heartbeat(void *context)
{
    struct loads *loads = context;
    loads->heartbeat_rc = session_turn(loads->session, 0, &loads->heartbeat_err);
    return loads->heartbeat_rc;
}

struct loads *
loads_create(struct session *session, const struct csv_request *csv)
{
    struct loads *loads = memory_zalloc(sizeof *loads);
    int64_t bytes_max = publisher_control_bytes_max(session->message_bytes_max);
    CHECK(session->owner.generation >= 1);
    const struct loader_options options = {
        .config = session->config,
        .owner = &session->owner,
        .event_bytes_max = bytes_max < UINT32_MAX ? (uint32_t)bytes_max : UINT32_MAX,
        .csv = csv,
        .heartbeat = loads_heartbeat,
        .context = loads,
    };
    loads->session = session;
    loads->csv = csv;
    loads->loader = loader_create(&options);
    loads->checks = checks_create(session);
    return loads;
}

void
loads_destroy(struct loads *loads)
{
    if (loads == NULL)
        return;
    loader_destroy(loads->loader);
    checks_destroy(loads->checks);
    buffer_free(&loads->tables);
    free(loads);
}

static void
loads_publish(struct loads *loads)
{
    struct status_load *shown = &loads->session->progress->load;
    struct loader_view load = loader_view(loads->loader);
    struct verifier_view check = checks_view(loads->checks);
    bool loads_now = load.job != 0;
    shown->job = loads_now ? load.job : check.job;
    shown->ratio = loads_now ? load.ratio : check.ratio;
    shown->job_rows = loads_now ? load.counts.rows : check.rows;
    snprintf(shown->stage, sizeof shown->stage, "%s", loads_now ? load.stage : check.stage);
    snprintf(shown->error, sizeof shown->error, "%s", loads_now ? load.error : check.error);
    status_publish_load(loads->session->status, shown);
}

static int
loads_poll(struct loads *loads, struct error *err)
{
    struct session *session = loads->session;
    int64_t now_us = clock_monotonic_us();
    CHECK(now_us >= loads->polled_us);
    if (loads->polled_us != 0 && now_us - loads->polled_us < POLL_US)
        return 0;
    loads->polled_us = now_us;
    status_begin_server_call(session->status);
    int rc = loader_poll(loads->loader, session->pg, err);
    status_end_server_call(session->status);
    loads_publish(loads);
    return rc;
}

bool
loads_hold_rows(const struct loads *loads)
{
    return loads->csv != NULL;
}

/* Under the lock on the producer's name, before the first step. */
static int
loads_check_delivered(struct loads *loads, struct error *err)
{
    struct session *session = loads->session;
    bool delivered = false;
    if (loads->csv == NULL || loads->is_checked)
        return 0;
    int rc = cursor_find_delivered(session->pg, session->config, &delivered, err);
    if (rc == 0 && delivered)
        rc = error_set(err, ERR_FATAL, CURSOR_DELIVERED_MESSAGE, session->config->producer.name);
    loads->is_checked = rc == 0;
    return rc;
}

/* After a reading: what the heartbeat returned is the session's end. */
static int
loads_settle(struct loads *loads, int rc, struct error *err)
{
    const struct covered_fields *covered = loader_covered(loads->loader);
    CHECK(rc == loads->heartbeat_rc);
    if (rc < 0)
        *err = loads->heartbeat_err;
    if (rc == 0 && covered != NULL && session_set_covered(loads->session, covered))
        loads->covered_changed = true;
    return rc;
}

static int
loads_prepare_loader(struct loads *loads, const char **tables, struct error *err)
{
    struct session *session = loads->session;
    *tables = NULL;
    int rc = loads_check_delivered(loads, err);
    if (rc == 0)
        rc = loads_poll(loads, err);
    if (rc != 0 || !loader_is_due(loads->loader))
        return rc;
    loads->begun_us = clock_monotonic_us();
    loads->heartbeat_rc = 0;
    status_begin_server_call(session->status);
    rc = loader_prepare(loads->loader, session->reading, tables, err);
    status_end_server_call(session->status);
    return loads_settle(loads, rc, err);
}

int
loads_prepare(struct loads *loads, const char **tables, struct error *err)
{
    const char *loaded;
    const char *checked = NULL;
    *tables = NULL;
    CHECK(!loads_have_step(loads));
    buffer_clear(&loads->tables);
    int rc = loads_prepare_loader(loads, &loaded, err);
    loads->is_prepared = rc == 0 && loaded != NULL;
    if (rc == 0 && !loads_hold_rows(loads))
        rc = checks_prepare(loads->checks, &checked, err);
    if (rc != 0 || (loaded == NULL && checked == NULL))
        return rc;
    buffer_append_format(&loads->tables, "%s%s%s", loaded != NULL ? loaded : "",
                         loaded != NULL && checked != NULL ? ", " : "",
                         checked != NULL ? checked : "");
    *tables = buffer_string(&loads->tables);
    return 0;
}

static int
loads_read_loader(struct loads *loads, struct error *err)
{
    struct session *session = loads->session;
    status_begin_server_call(session->status);
    int rc = loader_read(loads->loader, session->reading, err);
    status_end_server_call(session->status);
    return loads_settle(loads, rc, err);
}

int
loads_read(struct loads *loads, struct error *err)
{
    int rc = loads->is_prepared ? loads_read_loader(loads, err) : 0;
    loads->is_prepared = false;
    if (rc != 0 || !window_reading_is_open(loads->session->reading))
        return rc;
    return checks_read(loads->checks, err);
}

void
loads_fail(struct loads *loads, const struct error *why)
{
    if (loads->is_prepared)
        loader_fail(loads->loader, why);
    loads->is_prepared = false;
    checks_fail(loads->checks, why);
}

static bool
loads_have_load(const struct loads *loads)
{
    return loader_step(loads->loader) != LOADER_NOTHING;
}

bool
loads_have_step(const struct loads *loads)
{
    return loads_have_load(loads) || checks_have_step(loads->checks);
}

/* Passes and marks are the same for every partition. */
static int
loads_add_step(struct loads *loads, struct error *err)
{
    struct loader *loader = loads->loader;
    struct event event = {0};
    switch (loader_step(loader)) {
    case LOADER_CHUNK:
        return session_add_chunk(loads->session, loader_chunk(loader), err);
    case LOADER_PASS:
        event.kind = EVENT_PASS;
        event.pass = &loader_pass(loader)->pass;
        return session_add_control(loads->session, -1, &event, err);
    case LOADER_BEGIN:
    case LOADER_END:
        event.kind = EVENT_JOB;
        event.job = loader_mark(loader);
        return session_add_control(loads->session, -1, &event, err);
    case LOADER_NOTHING:
    case LOADER_SILENT:
        break;
    }
    return 0;
}

static void
loads_count(struct loads *loads)
{
    struct status_load *shown = &loads->session->progress->load;
    struct loader *loader = loads->loader;
    enum loader_step step = loader_step(loader);
    if (step == LOADER_CHUNK) {
        shown->rows += loader_chunk(loader)->rows;
        shown->bytes += loader_chunk(loader)->bytes;
    } else if (step == LOADER_PASS) {
        shown->rows += loader_pass(loader)->rows;
        shown->bytes += loader_pass(loader)->bytes;
    }
    int64_t step_us = clock_monotonic_us() - loads->begun_us;
    metrics_observe_us(&loads->session->status->load_steps, step_us);
}

/* On the cursor's session; `call` may wait for the server. */
static int
loads_acknowledge(struct loads *loads, struct error *err)
{
    struct session *session = loads->session;
    loads_count(loads);
    status_begin_server_call(session->status);
    int rc = loader_acknowledge(loads->loader, session->pg, err);
    status_end_server_call(session->status);
    if (loader_view(loads->loader).job == 0)
        loads->polled_us = 0; /* the next job does not wait */
    return rc;
}

static int
loads_announce(struct loads *loads, struct error *err)
{
    struct session *session = loads->session;
    status_begin_server_call(session->status);
    int rc = loader_announce(loads->loader, session->pg, session->window.tick, err);
    status_end_server_call(session->status);
    return rc;
}

/* A mark that names new fields takes from a running load what it has covered of them: it is sent
 * before the begin mark. */
static int
loads_add_marks(struct loads *loads, struct error *err)
{
    struct session *session = loads->session;
    if (!loads->covered_changed)
        return 0;
    loads->covered_changed = false;
    return session_add_marks(session, MARK_WATERMARK, &session->delivered, err);
}

/* A step that no event can carry ends its job; what was sent of it changes nothing that the rest
 * would not have changed. */
static int
loads_send_step(struct loads *loads, struct error *err)
{
    struct session *session = loads->session;
    int rc = session_await_acks(session, err);
    if (rc == 0)
        rc = loads_announce(loads, err);
    if (rc == 0)
        rc = loads_add_marks(loads, err);
    if (rc == 0)
        rc = loads_add_step(loads, err);
    bool rejected = rc == ERR_DATA;
    if (rejected)
        loader_reject(loads->loader, err);
    if (rc == 0 || rejected)
        rc = session_flush(session, err);
    if (rc == 0)
        rc = session_await_acks(session, err);
    return rc == 0 && !rejected && loads_have_load(loads) ? loads_acknowledge(loads, err) : rc;
}

int
loads_send(struct loads *loads, bool owes, struct error *err)
{
    struct session *session = loads->session;
    int rc = 0;
    CHECK(loads_have_step(loads));
    CHECK(session->window.s2.xmax == session->delivered.snapshot.xmax);
    while (rc == 0 && loads_have_load(loads))
        rc = loads_send_step(loads, err);
    if (rc == 0 && owes)
        checks_drop(loads->checks);
    if (rc == 0 && checks_have_step(loads->checks))
        rc = checks_send(loads->checks, err);
    session->rows_since_mark = true;
    loads_publish(loads);
    return rc;
}
