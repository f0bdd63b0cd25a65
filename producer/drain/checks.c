#include "producer/drain/checks.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/clock.h"

enum { POLL_US = JOBS_POLL_MS * US_PER_MS };

struct checks {
    struct session *session;
    struct verifier *verifier;
    int64_t polled_us; /* monotonic; 0: a poll is due */
    bool is_prepared;  /* the transaction of the next window is to be read in */
    int heartbeat_rc;  /* of the reading: why it was ended, and */
    struct error heartbeat_err;
};

static int
checks_heartbeat(void *context)
{
    struct checks *checks = context;
    checks->heartbeat_rc = session_turn(checks->session, 0, &checks->heartbeat_err);
    return checks->heartbeat_rc;
}

struct checks *
checks_create(struct session *session)
{
    struct checks *checks = memory_zalloc(sizeof *checks);
    int64_t bytes_max = publisher_control_bytes_max(session->message_bytes_max);
    CHECK(session->owner.generation >= 1);
    const struct verifier_options options = {
        .config = session->config,
        .owner = &session->owner,
        .event_bytes_max = bytes_max < UINT32_MAX ? (uint32_t)bytes_max : UINT32_MAX,
        .heartbeat = checks_heartbeat,
        .context = checks,
    };
    checks->session = session;
    checks->verifier = verifier_create(&options);
    return checks;
}

void
checks_destroy(struct checks *checks)
{
    if (checks == NULL)
        return;
    verifier_destroy(checks->verifier);
    free(checks);
}

static int
checks_poll(struct checks *checks, struct error *err)
{
    int64_t now_us = clock_monotonic_us();
    CHECK(now_us >= checks->polled_us);
    if (checks->polled_us != 0 && now_us - checks->polled_us < POLL_US)
        return 0;
    checks->polled_us = now_us;
    return verifier_poll(checks->verifier, checks->session->pg, err);
}

/* After a reading: what the heartbeat returned is the session's end. */
static int
checks_settle(struct checks *checks, int rc, struct error *err)
{
    CHECK(rc == checks->heartbeat_rc);
    if (rc < 0)
        *err = checks->heartbeat_err;
    return rc;
}

int
checks_prepare(struct checks *checks, const char **tables, struct error *err)
{
    struct session *session = checks->session;
    *tables = NULL;
    checks->is_prepared = false;
    CHECK(!checks_have_step(checks));
    status_begin_server_call(session->status);
    int rc = checks_poll(checks, err);
    if (rc == 0 && verifier_is_due(checks->verifier)) {
        checks->heartbeat_rc = 0;
        rc = verifier_prepare(checks->verifier, session->reading, tables, err);
        rc = checks_settle(checks, rc, err);
    }
    status_end_server_call(session->status);
    checks->is_prepared = rc == 0 && *tables != NULL;
    return rc;
}

int
checks_read(struct checks *checks, struct error *err)
{
    struct session *session = checks->session;
    if (!checks->is_prepared)
        return 0;
    checks->is_prepared = false;
    status_begin_server_call(session->status);
    int rc = verifier_read(checks->verifier, session->reading, err);
    status_end_server_call(session->status);
    return checks_settle(checks, rc, err);
}

void
checks_fail(struct checks *checks, const struct error *why)
{
    if (checks->is_prepared)
        verifier_fail(checks->verifier, why);
    checks->is_prepared = false;
}

bool
checks_have_step(const struct checks *checks)
{
    return verifier_step(checks->verifier) != VERIFIER_NOTHING;
}

void
checks_drop(struct checks *checks)
{
    if (verifier_step(checks->verifier) != VERIFIER_END)
        verifier_drop(checks->verifier);
}

static int
checks_add_sums(struct checks *checks, struct error *err)
{
    struct session *session = checks->session;
    struct sum *sums = verifier_sums(checks->verifier);
    int rc = 0;
    for (int32_t p = 0; rc == 0 && p < session->window.partitions; p++) {
        struct event event = {.kind = EVENT_SUM, .sum = &sums[p]};
        rc = session_add_control(session, p, &event, err);
    }
    return rc;
}

static int
checks_add_step(struct checks *checks, struct error *err)
{
    struct session *session = checks->session;
    switch (verifier_step(checks->verifier)) {
    case VERIFIER_SUMS:
        return checks_add_sums(checks, err);
    case VERIFIER_CHUNK:
        return session_add_chunk(session, verifier_chunk(checks->verifier), err);
    case VERIFIER_NOTHING:
    case VERIFIER_END:
        break;
    }
    return 0;
}

/* A step that no event can carry ends its job. */
static int
checks_send_step(struct checks *checks, struct error *err)
{
    struct session *session = checks->session;
    int rc = session_await_acks(session, err);
    if (rc == 0)
        rc = checks_add_step(checks, err);
    bool rejected = rc == ERR_DATA;
    if (rejected)
        verifier_reject(checks->verifier, err);
    if (rc == 0 || rejected)
        rc = session_flush(session, err);
    if (rc == 0)
        rc = session_await_acks(session, err);
    if (rc != 0 || rejected)
        return rc;
    if (verifier_step(checks->verifier) == VERIFIER_END)
        checks->polled_us = 0; /* the next job does not wait */
    status_begin_server_call(session->status);
    rc = verifier_acknowledge(checks->verifier, session->pg, session->window.tick, err);
    status_end_server_call(session->status);
    return rc;
}

int
checks_send(struct checks *checks, struct error *err)
{
    int rc = 0;
    CHECK(checks_have_step(checks));
    while (rc == 0 && checks_have_step(checks))
        rc = checks_send_step(checks, err);
    return rc;
}

struct verifier_view
checks_view(const struct checks *checks)
{
    return verifier_view(checks->verifier);
}
