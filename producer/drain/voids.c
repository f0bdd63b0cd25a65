#include "producer/drain/voids.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/config/config_entry.h"

static int
save_number(struct session *session, struct error *err)
{
    status_begin_server_call(session->status);
    int rc = cursor_save_voided(session->pg, &session->owner, err);
    status_end_server_call(session->status);
    if (rc == 0)
        publisher_set_voided(session->publisher, session->owner.voided);
    return rc;
}

/* If an earlier event may have missed a partition, this one does not make up for it. */
static int
save_sent(struct session *session, struct error *err)
{
    CHECK(session->owner.voided_sent < session->owner.voided);
    if (session->owner.voided_sent + 1 != session->owner.voided)
        return 0;
    status_begin_server_call(session->status);
    int rc = cursor_save_voided_sent(session->pg, &session->owner, err);
    status_end_server_call(session->status);
    return rc;
}

static void
show(struct session *session, const char *reason)
{
    struct status_progress *shown = &session->progress->shown;
    snprintf(shown->voided_reason, sizeof shown->voided_reason, "%s", reason);
    log_warn("drain", "voided event %" PRId64 ": indexes are incomplete: %s", session->owner.voided,
             reason);
}

int
voids_send(struct session *session, const struct text *fields, uint32_t count, const char *reason,
           struct error *err)
{
    struct voided voided = {
        .all = fields == NULL, .fields = fields, .field_count = count, .reason = text_of(reason)};
    struct event event = {.kind = EVENT_VOIDED, .voided = &voided};
    CHECK(publisher_flushed(session->publisher));
    CHECK((fields != NULL || count == 0) && count <= EVENT_FIELDS_MAX);
    int rc = save_number(session, err);
    voided.number = session->owner.voided;
    if (rc == 0)
        rc = session_add_control(session, -1, &event, err);
    if (rc == 0)
        rc = session_flush(session, err);
    if (rc == 0)
        rc = session_await_acks(session, err);
    if (rc == 0)
        rc = save_sent(session, err);
    if (rc != 0)
        return rc;
    show(session, reason);
    session->rows_since_mark = true;
    return 0;
}

static void
add_name(struct text *fields, uint32_t *count, const char *name)
{
    for (uint32_t i = 0; i < *count; i++)
        if (text_is(fields[i], name))
            return;
    fields[(*count)++] = text_of(name);
}

int
voids_send_entries(struct session *session, const bool *entries, const char *reason,
                   struct error *err)
{
    const struct config *config = session->config;
    struct text fields[EVENT_FIELDS_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < config->trigger_count; i++) {
        const char *field;
        if (!entries[i])
            continue;
        for (uint32_t j = 0; (field = config_entry_field(config, i, j)) != NULL; j++)
            if (count < EVENT_FIELDS_MAX)
                add_name(fields, &count, field);
        if (config->triggers[i].sets_alive && count < EVENT_FIELDS_MAX)
            add_name(fields, &count, "");
    }
    bool is_all = count == EVENT_FIELDS_MAX; /* or more than an event can name */
    return voids_send(session, is_all ? NULL : fields, is_all ? 0 : count, reason, err);
}
