/* Happy path of a change: plan, compare, and make the changes table by table, each in a transaction
 * that waits only a moment for its locks, so as not to hold up the writers that queue behind it.
 */
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/pg/pg.h"
#include "producer/commands/commands.h"
#include "producer/triggers/reconcile.h"

enum { LOCK_ATTEMPTS = 60, LOCK_PAUSE_MS = 1000 };

/* What a command works on. */
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

/* Plans; ends the work on an error. */
static int
work_begin(const struct config *config, struct work *work, struct error *err)
{
    *work = (struct work){0};
    arena_init(&work->arena);
    int rc = pg_connect(config->postgres, "bitdex-producer triggers", &work->pg, err);
    if (rc == 0)
        rc = reconcile_plan(work->pg, config, &work->arena, &work->plan, err);
    if (rc != 0)
        work_end(work);
    return rc;
}

static int
work_compare(struct work *work, struct error *err)
{
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
    for (; object != NULL; object = object->next)
        printf("%s%s", object->sql, object->next != NULL ? "\n" : "");
    work_end(&work);
    return 0;
}

int
command_triggers_diff(const struct cli *cli, struct error *err)
{
    struct work work;
    int rc = work_begin(cli->config, &work, err);
    if (rc != 0)
        return rc;
    rc = work_compare(&work, err);
    for (const struct reconcile_change *change = work.changes.first; change != NULL;
         change = change->next)
        printf("%s\n", change->label);
    if (rc == 0 && work.changes.count > 0)
        rc = error_set(err, ERR_FATAL,
                       "%u difference%s; make the database follow with:"
                       " bitdex-producer triggers apply",
                       work.changes.count, work.changes.count == 1 ? "" : "s");
    work_end(&work);
    return rc;
}

/* One at a time: two that change the same tables would each make what the other has made. */
static int
work_lock(struct work *work, struct error *err)
{
    struct pg_result *result;
    int rc = pg_query(
        work->pg, "SELECT pg_try_advisory_lock(hashtextextended('bitdex-producer triggers', 0))", 0,
        NULL, &result, err);
    if (rc != 0)
        return rc;
    if (!pg_boolean(result, 0, 0))
        rc = error_set(err, ERR_FATAL, "another triggers apply or drop is running");
    pg_result_clear(result);
    return rc;
}

/* Makes the next table's changes, trying again while others hold its locks. */
static int
apply_table(struct work *work, bool *found, struct error *err)
{
    int rc = ERR_RETRY;
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

static int
work_apply(struct work *work, struct error *err)
{
    bool found = true;
    int rc = work_lock(work, err);
    if (rc == 0)
        rc = work_compare(work, err);
    while (rc == 0 && found)
        rc = apply_table(work, &found, err);
    for (const struct reconcile_change *change = work->changes.first; change != NULL;
         change = change->next)
        if (change->is_done)
            printf("%s\n", change->label);
    if (rc == 0 && work->changes.count == 0)
        printf("nothing to do\n");
    return rc;
}

int
command_triggers_apply(const struct cli *cli, struct error *err)
{
    struct work work;
    setvbuf(stdout, NULL, _IOLBF, 0); /* a lock may take long */
    int rc = work_begin(cli->config, &work, err);
    if (rc != 0)
        return rc;
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
    int rc = pg_connect(cli->config->postgres, "bitdex-producer triggers", &work.pg, err);
    if (rc == 0)
        rc = reconcile_plan_nothing(work.pg, &work.arena, &work.plan, err);
    if (rc == 0)
        rc = work_apply(&work, err);
    work_end(&work);
    return rc;
}
