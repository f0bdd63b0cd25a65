/* Happy path of a change: plan, compare, and make the changes table by table. Each table is one
 * transaction that waits for its locks for a second at most, because writers queue up after a
 * transaction that waits for a lock.
 */
#include "producer/commands/triggers.h"

#include <stdio.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/config/config.h"
#include "common/pg/pg.h"
#include "producer/source/source_connection.h"
#include "producer/triggers/covered.h"
#include "producer/triggers/inherited.h"
#include "producer/triggers/legacy.h"
#include "producer/triggers/object.h"
#include "producer/triggers/reconcile.h"
#include "producer/triggers/refusal.h"

enum { LOCK_ATTEMPTS = 60, LOCK_PAUSE_MS = 1000 };

/* The state of one command. */
struct work {
    struct arena arena;
    struct pg *pg;
    struct reconcile_plan plan;
    struct reconcile_changes changes;
};

static void
work_end(struct work *work)
{
    pg_close(work->pg);
    arena_free(&work->arena);
}

/* Connects and plans. On error the work is ended. */
static int
work_begin(const struct config *config, struct work *work, struct error *err)
{
    *work = (struct work){0};
    arena_init(&work->arena);
    int rc = source_connect(config->postgres, "bitdex-producer triggers", NULL, &work->pg, err);
    if (rc == 0)
        rc = reconcile_plan(work->pg, config, &work->arena, &work->plan, err);
    if (rc != 0)
        work_end(work);
    CHECK(rc != 0 || work->plan.entry_count == config->trigger_count);
    return rc;
}

static int
work_compare(struct work *work, struct error *err)
{
    CHECK(work->plan.outbox_schema != NULL);
    return reconcile_compare(work->pg, &work->plan, &work->arena, &work->changes, err);
}

int
command_triggers_print(const struct cli *cli, struct error *err)
{
    struct work work;
    int rc = work_begin(cli->config, &work, err);
    if (rc != 0)
        return rc;
    const struct trigger_object *object = work.plan.objects.first;
    CHECK((object == NULL) == (work.plan.objects.count == 0));
    printf("BEGIN;\n"); /* SET LOCAL ends with the transaction */
    for (; object != NULL; object = object->next)
        printf("\n-- %s: %s\n%s", object->table, object->why, object->sql);
    printf("\nCOMMIT;\n");
    work_end(&work);
    return 0;
}

/* Returns how many of the changes it has printed: all, or only those that are done. */
static uint32_t
print_changes(const struct work *work, bool only_done)
{
    uint32_t printed = 0;
    for (const struct reconcile_change *change = work->changes.first; change != NULL;
         change = change->next) {
        if (only_done && !change->is_done)
            continue;
        printf("%s\n", change->label);
        printed++;
    }
    CHECK(printed <= work->changes.count);
    return printed;
}

/* Prints what differs and is not for `apply` to change. */
static int
print_legacy(struct work *work, const struct config *config, struct error *err)
{
    const struct legacy_trigger *legacy;
    int rc = legacy_find(work->pg, config, &work->arena, &legacy, err);
    for (; rc == 0 && legacy != NULL; legacy = legacy->next)
        printf("! %s\n", legacy->message);
    return rc;
}

int
command_triggers_diff(const struct cli *cli, struct error *err)
{
    struct work work;
    int rc = work_begin(cli->config, &work, err);
    if (rc != 0)
        return rc;
    rc = work_compare(&work, err);
    if (rc == 0)
        rc = print_legacy(&work, cli->config, err);
    uint32_t differences = print_changes(&work, false);
    CHECK(differences == work.changes.count);
    if (rc == 0 && differences > 0)
        rc = error_set(err, ERR_FATAL,
                       "%u difference%s; bitdex-producer triggers apply makes the database equal to"
                       " the configuration",
                       differences, differences == 1 ? "" : "s");
    work_end(&work);
    return rc;
}

/* Only one command may change triggers at a time: two would both try to create the same objects. */
static int
work_lock(struct work *work, struct error *err)
{
    struct pg_result *result;
    CHECK(work->pg != NULL);
    int rc = pg_query(
        work->pg,
        "SELECT pg_try_advisory_lock(pg_catalog.hashtextextended('bitdex-producer triggers', 0))",
        0, NULL, &result, err);
    if (rc != 0)
        return rc;
    CHECK(pg_rows(result) == 1);
    if (!pg_boolean(result, 0, 0))
        rc = error_set(err, ERR_FATAL, "another triggers apply or drop is running");
    pg_result_clear(result);
    return rc;
}

/* Makes the changes of the next table; tries again while its locks are not granted. */
static int
apply_table(struct work *work, bool *found, struct error *err)
{
    int rc = ERR_RETRY;
    CHECK(work->changes.count > 0);
    for (int i = 0; rc == ERR_RETRY && i < LOCK_ATTEMPTS; i++) {
        if (i == 1)
            printf("waiting for a lock: %s\n", err->message);
        if (i > 0)
            clock_sleep_ms(LOCK_PAUSE_MS);
        rc = reconcile_apply_next(work->pg, &work->changes, found, err);
        if (pg_is_lost(work->pg))
            break;
    }
    return rc;
}

/* Prints the changes that were made, also after an error. */
static int
work_apply(struct work *work, struct error *err)
{
    bool found = true;
    CHECK(work->changes.count == 0); /* what differs is read under the lock */
    int rc = work_lock(work, err);
    if (rc == 0)
        rc = work_compare(work, err);
    if (rc == 0 && work->changes.count == 0) {
        printf("nothing to do\n");
        return 0;
    }
    while (rc == 0 && found)
        rc = apply_table(work, &found, err);
    uint32_t done = print_changes(work, true);
    CHECK(rc != 0 || done == work->changes.count);
    return rc;
}

/* Entries that are in place continue. All refusals are printed, the last one as the error. */
static int
refuse(const struct refusal *refusal, const struct covered_fields *covered, int rc,
       struct error *err)
{
    for (; refusal != NULL; refusal = refusal->next) {
        if (!refusal_holds(refusal, covered))
            continue;
        if (rc != 0)
            fprintf(stderr, "%s\n", err->message);
        rc = entry_refuse(refusal->entry, refusal->entry->trigger->place, refusal->setting, err,
                          "%s", refusal->reason);
    }
    return rc;
}

static int
work_refuse(struct work *work, const struct config *config, struct error *err)
{
    struct covered_fields covered;
    struct refusal *inherited = NULL;
    const struct reconcile_plan *plan = &work->plan;
    int rc = covered_fields_read(work->pg, config, &work->arena, &covered, err);
    if (rc == 0)
        rc = inherited_find(work->pg, plan->entries, plan->entry_count, &work->arena, &inherited,
                            err);
    if (rc != 0)
        return rc;
    rc = refuse(refusal_find(plan->entries, plan->entry_count, &work->arena), &covered, 0, err);
    return refuse(inherited, &covered, rc, err);
}

int
command_triggers_apply(const struct cli *cli, struct error *err)
{
    struct work work;
    setvbuf(stdout, NULL, _IOLBF, 0); /* a lock may take long to get */
    int rc = work_begin(cli->config, &work, err);
    if (rc != 0)
        return rc;
    rc = work_refuse(&work, cli->config, err);
    if (rc == 0)
        rc = reconcile_check_rights(work.pg, &work.plan, true, err);
    if (rc == 0)
        rc = work_apply(&work, err);
    work_end(&work);
    return rc;
}

int
command_triggers_drop(const struct cli *cli, struct error *err)
{
    struct work work = {0};
    setvbuf(stdout, NULL, _IOLBF, 0);
    arena_init(&work.arena);
    int rc = source_connect(cli->config->postgres, "bitdex-producer triggers", NULL, &work.pg, err);
    if (rc == 0)
        rc = reconcile_plan_nothing(work.pg, &work.arena, &work.plan, err);
    CHECK(work.plan.objects.count == 0);
    if (rc == 0)
        rc = work_apply(&work, err);
    work_end(&work);
    return rc;
}
