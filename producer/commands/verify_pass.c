/* Happy path: read the tick of the producer, queue the job, wait for its end, collect the verdicts
 * that are newer than the tick. An unfinished job with the same selection has perhaps read before
 * this request, so it is waited for and then a job of this request is queued.
 */
#include "producer/commands/verify_pass.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base/check.h"
#include "common/base/shutdown.h"
#include "common/pg/pg.h"
#include "producer/load/job_queue.h"
#include "producer/source/cursor.h"
#include "producer/source/source_connection.h"
#include "producer/verify/collect.h"

/* Queues the job and reads the tick after which it sends. */
static int
pass_queue(const struct verify_task *task, enum job_kind kind,
           const struct load_selection *selection, const struct job_ranges *ranges, int64_t *job,
           bool *found, int64_t *tick, struct error *err)
{
    const char *name = task->config->producer.name;
    static const struct job_ranges everything; /* named by none */
    bool is_whole = ranges->items[0].begin == 0 && ranges->items[0].end == CHUNK_NO_END;
    int64_t epoch;
    struct pg *pg;
    int rc =
        source_connect(task->config->postgres, "bitdex-producer verify command", NULL, &pg, err);
    if (rc != 0)
        return rc;
    rc = cursor_read_tick(pg, name, &epoch, tick, err);
    if (rc == 0)
        rc = job_queue_verify(pg, name, kind, selection, is_whole ? &everything : ranges,
                              "requested by the command verify", job, found, err);
    pg_close(pg);
    return rc;
}

static int
pass_wait(const struct verify_task *task, int64_t job, struct job_view *view, struct error *err)
{
    int rc = load_waiter_wait(task->waiter, job, view, err);
    return rc == 0 ? load_check_done(view, err) : rc;
}

/* Runs a job of this pass. */
static int
pass_run_job(const struct verify_task *task, enum job_kind kind,
             const struct load_selection *selection, const struct job_ranges *ranges, int64_t *tick,
             struct job_view *view, struct error *err)
{
    for (;;) {
        int64_t job = 0;
        bool found = false;
        int rc = pass_queue(task, kind, selection, ranges, &job, &found, tick, err);
        if (rc == 0 && found)
            fprintf(stderr, "job %" PRId64 " with the same selection is waited for first\n", job);
        if (rc == 0)
            rc = pass_wait(task, job, view, err);
        if (rc != 0 || !found)
            return rc;
    }
}

static int
pass_read_epoch(const struct verify_task *task, int64_t *epoch, struct error *err)
{
    int64_t tick;
    struct pg *pg;
    int rc =
        source_connect(task->config->postgres, "bitdex-producer verify command", NULL, &pg, err);
    if (rc != 0)
        return rc;
    rc = cursor_read_tick(pg, task->config->producer.name, epoch, &tick, err);
    pg_close(pg);
    return rc;
}

static int
pass_collect(const struct verify_task *task, const struct verify_request *request, bool with_sums,
             struct arena *arena, struct shard_list *list, struct error *err)
{
    int rc = collect_verdicts(task->config, request, with_sums, task->timeout_s, arena, list, err);
    if (rc == 0 && shutdown_requested())
        rc = error_set(err, ERR_FATAL, "interrupted: the verdicts stay in the consumers");
    return rc;
}

static int
pass_run_sums(const struct verify_task *task, struct verify_pass *pass, struct error *err)
{
    struct job_view view;
    struct verify_request *request = &pass->request;
    int rc = pass_run_job(task, JOB_VERIFY, task->selection, &request->ranges, &request->since_tick,
                          &view, err);
    if (rc != 0)
        return rc;
    pass->job = view.id;
    request->end_tick = view.end_tick;
    rc = pass_read_epoch(task, &request->epoch, err);
    if (rc == 0)
        rc =
            pass_collect(task, request, task->compares_groups, &pass->sums_arena, &pass->list, err);
    if (rc != 0)
        return rc;
    comparison_make(request, &pass->list, &pass->sums_arena, &pass->comparison);
    if (task->compares_groups)
        group_comparison_make(request, &pass->list,
                              task->selection->table != NULL || task->selection->field_count > 0,
                              &pass->sums_arena, &pass->groups);
    return 0;
}

/* Sends the rows of what differs. */
static int
pass_run_check(const struct verify_task *task, struct verify_pass *pass, struct error *err)
{
    struct verify_request request = pass->request;
    struct job_view view;
    struct shard_list list;
    int64_t tick;
    const struct comparison *comparison = &pass->comparison;
    CHECK(comparison->differing_count > 0);
    struct job_range *items =
        arena_alloc(&pass->sums_arena, comparison->differing_count * sizeof *items);
    for (uint32_t i = 0; i < comparison->differing_count; i++)
        items[i] = comparison->differing[i].range;
    request.ranges = (struct job_ranges){items, comparison->differing_count};
    int rc = pass_run_job(task, JOB_CHECK, task->selection, &request.ranges, &tick, &view, err);
    if (rc != 0)
        return rc;
    pass->check_job = view.id;
    request.end_tick = view.end_tick;
    rc = pass_collect(task, &request, false, &pass->check_arena, &list, err);
    if (rc == 0)
        comparison_find_differences(&request, &list, view.id, &pass->check_arena,
                                    &pass->differences);
    return rc;
}

int
verify_pass_run(const struct verify_task *task, const struct job_ranges *ranges,
                struct verify_pass *pass, struct error *err)
{
    *pass = (struct verify_pass){.request = {
                                     .index = task->config->index,
                                     .partitions = task->config->topic.partitions,
                                     .ranges = *ranges,
                                     .fields = task->fields,
                                     .field_count = task->field_count,
                                     .groups = task->groups,
                                     .group_count = task->group_count,
                                 }};
    CHECK(task->group_count > 0 && task->field_count > 0);
    int rc = pass_run_sums(task, pass, err);
    if (rc == 0 && pass->comparison.differing_count > 0)
        rc = pass_run_check(task, pass, err);
    return rc;
}

void
verify_pass_free(struct verify_pass *pass)
{
    arena_free(&pass->sums_arena);
    arena_free(&pass->check_arena);
}

bool
verify_pass_is_equal(const struct verify_pass *pass)
{
    return pass->list.unknown_count == 0 && pass->comparison.differing_count == 0 &&
           pass->groups.unknown_count == 0 && pass->groups.differing_count == 0;
}
