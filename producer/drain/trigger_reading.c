#include "producer/drain/trigger_reading.h"

#include <stdio.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "producer/source/source_connection.h"
#include "producer/triggers/exempt.h"
#include "producer/triggers/in_place.h"
#include "producer/triggers/reconcile.h"

/* Shows the fields that are exempt from L11. */
static void
show_exempt(struct session *session, const struct reconcile_plan *plan, struct arena *arena)
{
    struct exempt_fields exempt;
    struct status_exempt shown = {0};
    exempt_fields_find(plan->entries, plan->entry_count, arena, &exempt);
    shown.count = exempt.count;
    for (uint32_t i = 0; i < exempt.count && i < STATUS_EXEMPT_MAX; i++)
        snprintf(shown.names[i], sizeof shown.names[i], "%s", exempt.items[i].name);
    status_publish_exempt(session->status, &shown);
    if (exempt.count > 0)
        log_warn("drain",
                 "%u field(s) are not guaranteed to follow the committed rows, such as %s: %s",
                 exempt.count, exempt.items[0].name, exempt.items[0].reason);
}

static int
read_plan(struct session *session, struct pg *pg, struct arena *arena,
          struct trigger_reading *reading, struct error *err)
{
    struct reconcile_plan plan;
    struct reconcile_changes changes = {0};
    int rc = reconcile_plan(pg, session->config, arena, &plan, err);
    if (rc == 0)
        rc = covered_fields_read_plan(pg, &plan, arena, &reading->covered, err);
    if (rc == 0)
        rc = reconcile_compare(pg, &plan, arena, &changes, err);
    if (rc != 0)
        return rc;
    if (changes.first != NULL)
        snprintf(reading->why, sizeof reading->why, "%s", changes.first->label);
    show_exempt(session, &plan, arena);
    return 0;
}

int
trigger_reading_read(struct session *session, struct arena *arena, struct trigger_reading *reading,
                     struct error *err)
{
    struct pg *pg;
    const struct config *config = session->config;
    *reading = (struct trigger_reading){0};
    if (config->trigger_count == 0)
        return 0;
    int rc =
        source_connect(config->postgres, "bitdex-producer triggers", &session->history, &pg, err);
    if (rc != 0)
        return rc;
    rc = pg_exec(pg, "SET lock_timeout = '1s'", err); /* the stream waits meanwhile */
    if (rc == 0)
        rc = in_place_read_version(pg, &session->trigger_version, err);
    if (rc == 0)
        rc = read_plan(session, pg, arena, reading, err);
    pg_close(pg);
    if (rc == ERR_RETRY)
        buffer_clear(&session->trigger_version); /* nothing is known of it */
    if (rc == 0 || rc == ERR_RETRY)
        return rc;
    log_warn("drain", "which fields the triggers cover is not known: %s", err->message);
    *reading = (struct trigger_reading){.is_unknown = true};
    snprintf(reading->why, sizeof reading->why, "%.*s", TRIGGER_READING_WHY_BYTES - 1,
             err->message);
    return 0;
}
