#include "producer/commands/verify_repair.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/pg/pg.h"
#include "producer/load/job_queue.h"
#include "producer/source/source_connection.h"

/* More loads than these become one, of everything from the first entity to the last one. */
enum { LOADS_MAX = 64 };

struct repairs {
    struct arena arena;
    struct load_selection *items;
    int64_t *jobs;
    uint32_t count;
};

static int
compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The fields of the ranges from `first` to `end`. Existence is loaded with all fields. */
static void
repair_take_fields(struct repairs *repairs, const struct compared_range *first,
                   const struct compared_range *end, struct load_selection *selection)
{
    uint32_t all = 0;
    uint32_t count = 0;
    for (const struct compared_range *range = first; range < end; range++)
        all += range->field_count;
    const char **fields = arena_alloc(&repairs->arena, (all + 1) * sizeof *fields);
    for (const struct compared_range *range = first; range < end; range++) {
        for (uint32_t i = 0; i < range->field_count; i++) {
            if (range->fields[i].bytes == 0)
                return;
            fields[count++] = arena_strdup(&repairs->arena, range->fields[i]);
        }
    }
    CHECK(count > 0);
    qsort(fields, count, sizeof *fields, compare_names);
    uint32_t kept = 1;
    for (uint32_t i = 1; i < count; i++)
        if (strcmp(fields[i], fields[kept - 1]) != 0)
            fields[kept++] = fields[i];
    selection->fields = fields;
    selection->field_count = kept;
}

/* Ranges that follow one another are one load. */
static void
repairs_plan(struct repairs *repairs, const struct comparison *comparison)
{
    const struct compared_range *ranges = comparison->differing;
    uint32_t count = comparison->differing_count;
    uint32_t runs = 0;
    for (uint32_t i = 0; i < count; i++)
        runs += i == 0 || ranges[i - 1].range.end != ranges[i].range.begin;
    repairs->items = arena_alloc(&repairs->arena, (size_t)runs * sizeof *repairs->items);
    repairs->jobs = arena_alloc(&repairs->arena, (size_t)runs * sizeof *repairs->jobs);
    for (uint32_t i = 0, end; i < count; i = end) {
        for (end = i + 1; end < count; end++)
            if (runs <= LOADS_MAX && ranges[end - 1].range.end != ranges[end].range.begin)
                break;
        struct load_selection *selection = &repairs->items[repairs->count++];
        *selection = (struct load_selection){.begin = ranges[i].range.begin,
                                             .end = ranges[end - 1].range.end};
        selection->has_range = selection->begin > 0 || selection->end != CHUNK_NO_END;
        repair_take_fields(repairs, &ranges[i], &ranges[end], selection);
    }
}

static int
repairs_queue(const struct verify_task *task, struct repairs *repairs, struct error *err)
{
    bool found;
    struct pg *pg;
    int rc =
        source_connect(task->config->postgres, "bitdex-producer verify command", NULL, &pg, err);
    if (rc != 0)
        return rc;
    for (uint32_t i = 0; rc == 0 && i < repairs->count; i++)
        rc = job_queue_load(pg, task->config->producer.name, &repairs->items[i],
                            "requested by verify --repair", &repairs->jobs[i], &found, err);
    pg_close(pg);
    return rc;
}

int
verify_repair(const struct verify_task *task, const struct comparison *comparison,
              struct error *err)
{
    struct repairs repairs = {0};
    struct job_view view;
    CHECK(comparison->differing_count > 0);
    repairs_plan(&repairs, comparison);
    int rc = repairs_queue(task, &repairs, err);
    for (uint32_t i = 0; rc == 0 && i < repairs.count; i++) {
        rc = load_waiter_wait(task->waiter, repairs.jobs[i], &view, err);
        if (rc == 0)
            rc = load_check_done(&view, err);
        if (rc == 0)
            fprintf(stderr, "job %" PRId64 " has loaded %" PRId64 " rows again\n", view.id,
                    view.rows);
    }
    arena_free(&repairs.arena);
    return rc;
}
