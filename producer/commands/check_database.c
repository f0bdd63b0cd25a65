#include "producer/commands/check_database.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/pg/pg.h"
#include "producer/load/phase_check.h"
#include "producer/source/cursor.h"
#include "producer/source/guards.h"
#include "producer/source/source_access.h"
#include "producer/source/source_connection.h"
#include "producer/triggers/condition.h"
#include "producer/triggers/conditions.h"

enum { NOTE_BYTES = 1024 };

/* The cursor's guard passes on a new timeline, because only `run` finds out whether the epoch
 * continues. */
static int
note_timeline(struct checklist *list, struct pg *pg, const struct config *config, struct error *err)
{
    char message[NOTE_BYTES];
    struct cursor_history history;
    struct cursor_owner owner;
    bool found;
    int rc = cursor_read_history(pg, &history, err);
    if (rc == 0)
        rc = cursor_find_owner(pg, config, &owner, &found, err);
    if (rc != 0 || !cursor_timeline_is_new(&owner, &history))
        return rc;
    CHECK(found);
    snprintf(message, sizeof message,
             "the database was restored or failed over since producer \"%s\" ran (timeline %s, now"
             " %s): run continues in the same epoch if nothing that was sent is lost, and explains"
             " otherwise",
             owner.name, owner.timeline, history.timeline);
    checklist_add_note(list, "cursor", message);
    return 0;
}

static void
check_timeline(struct checklist *list, struct pg *pg, const struct config *config)
{
    struct error err = {0};
    int rc = note_timeline(list, pg, config, &err);
    if (rc != 0)
        checklist_add(list, "cursor", rc, &err);
}

/* Checks all guards of the source whose own needs are met; `held` is by guard. */
static void
check_guards(struct checklist *list, struct pg *pg, const struct config *config, bool *held)
{
    for (uint32_t i = 0; i < guards_count(); i++) {
        char message[NOTE_BYTES];
        struct error err = {0};
        const char *missing = guards_missing(i, held);
        held[i] = !guards_is_of_source(i);
        if (held[i])
            continue;
        if (missing != NULL) {
            snprintf(message, sizeof message, "not examined, because of: %s", missing);
            checklist_add_note(list, guards_name(i), message);
            continue;
        }
        int rc = guards_check(i, pg, config, &err);
        held[i] = rc == 0;
        if (pg_is_lost(pg)) {
            checklist_add(list, "database connection", rc, &err);
            return;
        }
        checklist_add(list, guards_name(i), rc, &err);
    }
}

static bool
has_guard(const bool *held, const char *name)
{
    for (uint32_t i = 0; i < guards_count(); i++)
        if (strcmp(guards_name(i), name) == 0)
            return held[i];
    CHECK(!"a guard of that name");
    return false;
}

static void
check_conditions(struct checklist *list, struct pg *pg, const struct config *config,
                 bool has_outbox)
{
    struct arena arena = {0};
    struct condition_list conditions = {.arena = &arena};
    struct error err = {0};
    int rc = conditions_read(pg, config, has_outbox, &conditions, &err);
    if (rc != 0)
        checklist_add(list, "source tables", rc, &err);
    checklist_add_conditions(list, &conditions);
    arena_free(&arena);
}

static bool
all_hold(const bool *held)
{
    bool all = true;
    for (uint32_t i = 0; i < guards_count(); i++)
        all = all && held[i];
    return all;
}

static void
check_session(struct checklist *list, struct pg *pg, const struct config *config)
{
    struct error err = {0};
    bool *held = memory_zalloc(guards_count() * sizeof *held);
    int access = source_access_check(pg, config, &err);
    checklist_add(list, "source privileges", access, &err);
    check_guards(list, pg, config, held);
    if (pg_is_lost(pg)) {
        free(held);
        return;
    }
    if (has_guard(held, "cursor"))
        check_timeline(list, pg, config);
    if (has_guard(held, "direct connection")) /* else the session's settings are another client's */
        check_conditions(list, pg, config, has_guard(held, "outbox"));
    if (access == 0 && all_hold(held) && phase_check_is_needed(config)) {
        int rc = phase_check_run(config, pg, &err);
        checklist_add(list, "dump phases", rc, &err);
    }
    free(held);
}

void
check_database(struct checklist *list, const struct config *config)
{
    struct pg *pg;
    struct error err = {0};
    CHECK(config->postgres != NULL);
    int rc = source_connect_unasked(config->postgres, "bitdex-producer check", &pg, &err);
    checklist_add(list, "database connection", rc, &err);
    if (rc != 0)
        return;
    check_session(list, pg, config);
    pg_close(pg);
}
