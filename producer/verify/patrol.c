#include "producer/verify/patrol.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/shutdown.h"
#include "common/base/thread.h"
#include "common/event/chunk.h"
#include "common/json/json_write.h"
#include "common/pg/pg.h"
#include "producer/load/job_queue.h"
#include "producer/source/source_connection.h"
#include "producer/verify/collect.h"
#include "producer/verify/members.h"
#include "producer/verify/patrol_list.h"

enum {
    STEP_MS = 100,
    ROUND_US = 5 * US_PER_S,
    FIND_US = 30 * US_PER_S, /* between two searches for members, unless one does not answer */
    CHECK_RANGES_MAX = 16,   /* of one check */
    LINES_MAX = 10,          /* that are logged of one round */
    SHOWN_DIFFERENCES = 3,
};

struct patrol {
    const struct config *config;
    struct status *status;
    pthread_t thread;
    _Atomic bool stopping;

    /* Of the thread. */
    struct arena members_arena;
    struct kafka_members members;
    int64_t find_us; /* monotonic: when they are to be found again */
    struct patrol_list list;
    struct status_patrol shown;
};

static bool
patrol_ends(struct patrol *patrol)
{
    return atomic_load(&patrol->stopping) || shutdown_requested();
}

static bool
patrol_may_work(struct patrol *patrol)
{
    struct status_view view;
    status_read(patrol->status, &view);
    return view.phase == STATUS_DRAINING;
}

static int
patrol_find_members(struct patrol *patrol, struct error *err)
{
    if (patrol->find_us > clock_monotonic_us())
        return 0;
    arena_reset(&patrol->members_arena);
    patrol->members = (struct kafka_members){0};
    int rc = members_find(patrol->config, 0, &patrol->members_arena, &patrol->members, err);
    if (rc == 0)
        patrol->find_us = clock_monotonic_us() + FIND_US;
    return rc;
}

/* "tags, price" */
static void
append_fields(struct buffer *out, const struct verdict_fields *fields)
{
    for (uint32_t i = 0; i < fields->count; i++)
        buffer_append_format(out, "%s%.*s", i > 0 ? ", " : "",
                             TEXT_ARGS(verdict_field_name(fields->items[i])));
}

static void
log_new_range(const struct patrol_range *range)
{
    struct buffer fields = {0};
    char end[24] = "";
    if (range->range.end != CHUNK_NO_END)
        snprintf(end, sizeof end, "%" PRId64, range->range.end);
    append_fields(&fields, &range->verdict->differing);
    log_warn("patrol",
             "group %s, partition %" PRId32 ": entities %" PRId64 ":%s differ from the tables in"
             " %s; to repair them: bitdex-producer verify --range %" PRId64 ":%s --repair",
             range->group, range->partition, range->range.begin, end, buffer_string(&fields),
             range->range.begin, end);
    buffer_free(&fields);
}

static void
log_entities(const struct patrol_range *range)
{
    struct json_writer json;
    struct buffer line = {0};
    const struct verdict_range *verdict = range->verdict;
    for (uint32_t i = 0; i < verdict->difference_count && i < SHOWN_DIFFERENCES; i++) {
        const struct verdict_difference *difference = &verdict->differences[i];
        buffer_clear(&line);
        json_writer_init(&json, &line);
        json_tree(&json, difference->source);
        buffer_append_text(&line, " in Postgres, ");
        json_writer_init(&json, &line);
        json_tree(&json, difference->index);
        log_warn("patrol", "group %s, entity %" PRId64 ", %.*s: %s in the index", range->group,
                 difference->entity_id, TEXT_ARGS(verdict_field_name(difference->field)),
                 buffer_string(&line));
    }
    buffer_free(&line);
}

/* Logs what is new. Returns the number of new ranges. */
static uint32_t
patrol_log(const struct patrol_list *list)
{
    uint32_t found = 0;
    uint32_t listed = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        const struct patrol_range *range = &list->items[i];
        if (range->is_new && found++ < LINES_MAX)
            log_new_range(range);
        if (range->newly_listed && listed++ < LINES_MAX)
            log_entities(range);
    }
    if (found > LINES_MAX)
        log_warn("patrol", "%" PRIu32 " more ranges differ: bitdex-producer verify --repair",
                 found - LINES_MAX);
    if (list->gone > 0)
        log_info("patrol", "%" PRIu32 " ranges that differed are equal now", list->gone);
    return found;
}

/* Asks for the rows of what is new, at most once in a round. */
static int
patrol_queue_check(struct patrol *patrol, struct error *err)
{
    static const struct load_selection everything;
    const struct job_ranges ranges = patrol_list_new_ranges(&patrol->list, CHECK_RANGES_MAX);
    struct pg *pg;
    int64_t job;
    bool found;
    CHECK(ranges.count > 0);
    int rc = source_connect(patrol->config->postgres, "bitdex-producer patrol", NULL, &pg, err);
    if (rc != 0)
        return rc;
    rc = job_queue_verify(pg, patrol->config->producer.name, JOB_CHECK, &everything, &ranges,
                          "found by the patrol", &job, &found, err);
    pg_close(pg);
    return rc;
}

static void
patrol_summarise(struct patrol *patrol, const struct member_report *reports, uint32_t count)
{
    struct status_patrol *shown = &patrol->shown;
    shown->ranges = 0;
    shown->differing = 0;
    shown->oldest_s = -1;
    shown->unknown = patrol->list.unknown;
    for (uint32_t i = 0; i < count; i++) {
        const struct verdict_answer *answer = reports[i].answer;
        if (answer == NULL)
            continue;
        shown->ranges += answer->ranges;
        shown->differing += answer->differing;
        if (answer->oldest_s > shown->oldest_s)
            shown->oldest_s = answer->oldest_s;
    }
}

/* Asks every member once. */
static int
patrol_round(struct patrol *patrol, struct error *err)
{
    int rc = patrol_find_members(patrol, err);
    if (rc != 0)
        return rc;
    uint32_t count = patrol->members.count;
    struct arena *arena = patrol_list_begin(&patrol->list);
    struct member_report *reports = arena_alloc(arena, (count + 1) * sizeof *reports);
    collect_reports(patrol->config, &patrol->members, "verify", arena, reports);
    patrol_list_take(&patrol->list, patrol->config->topic.partitions, reports, count);
    patrol_summarise(patrol, reports, count);
    if (count == 0)
        rc = error_set(err, ERR_RETRY, "no consumer group has members on the topic");
    for (uint32_t i = 0; rc == 0 && i < count; i++)
        if (reports[i].answer == NULL)
            rc = error_set(err, ERR_RETRY, "group %s: %s", reports[i].group, reports[i].error);
    if (rc != 0)
        patrol->find_us = 0;
    struct error check_err = {0};
    if (patrol_log(&patrol->list) > 0 && patrol_queue_check(patrol, &check_err) != 0 && rc == 0) {
        *err = check_err;
        rc = check_err.code;
    }
    return rc;
}

/* `error`: "" without one. */
static void
patrol_show(struct patrol *patrol, const char *error)
{
    struct status_patrol *shown = &patrol->shown;
    bool before = shown->error[0] != '\0';
    snprintf(shown->error, sizeof shown->error, "%.*s", STATUS_ERROR_BYTES - 1, error);
    shown->is_on = true;
    if (!before && *error != '\0')
        log_warn("patrol", "%s", error);
    else if (before && *error == '\0')
        log_info("patrol", "every member answers again");
    status_publish_patrol(patrol->status, shown);
}

static void *
patrol_main(void *context)
{
    struct patrol *patrol = context;
    int64_t due_us = 0;
    while (!patrol_ends(patrol)) {
        if (clock_monotonic_us() >= due_us && patrol_may_work(patrol)) {
            struct error err = {0};
            int rc = patrol_round(patrol, &err);
            patrol_show(patrol, rc == 0 ? "" : err.message);
            due_us = clock_monotonic_us() + ROUND_US;
        }
        clock_sleep_ms(STEP_MS);
    }
    return NULL;
}

static void
patrol_free(struct patrol *patrol)
{
    patrol_list_free(&patrol->list);
    arena_free(&patrol->members_arena);
    free(patrol);
}

int
patrol_start(const struct config *config, struct status *status, struct patrol **out,
             struct error *err)
{
    CHECK(status != NULL);
    *out = NULL;
    if (config->producer.patrol.share <= 0)
        return 0;
    struct patrol *patrol = memory_zalloc(sizeof *patrol);
    patrol->config = config;
    patrol->status = status;
    patrol->shown.oldest_s = -1;
    int rc = thread_start(&patrol->thread, "patrol", patrol_main, patrol, err);
    if (rc != 0) {
        patrol_free(patrol);
        return rc;
    }
    *out = patrol;
    return 0;
}

void
patrol_stop(struct patrol *patrol)
{
    if (patrol == NULL)
        return;
    CHECK(!atomic_exchange(&patrol->stopping, true)); /* stopped once */
    thread_join(patrol->thread);
    patrol_free(patrol);
}
