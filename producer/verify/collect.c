/* Happy path: while shards have not reached the end tick, only the short answer is requested, which
 * lists the ranges that differ; then the whole one.
 *
 * Failure modes: each round finds the members again and begins with nothing, so a member that has
 * moved or was restarted is found under its new address.
 */
#include "producer/verify/collect.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/shutdown.h"

enum { FIRST_PAUSE_MS = 50, PAUSE_MS = 1000 };

/* Keeps the answer or the error in the arena. */
static struct member_report
ask_member(const struct config *config, const struct kafka_member *member, const char *what,
           struct arena *arena)
{
    struct member_report report = {.group = member->group, .address = member->client_id};
    struct verdict_answer *answer = arena_alloc(arena, sizeof *answer);
    struct error err = {0};
    struct buffer body;
    buffer_init(&body);
    int rc = members_ask(config, member->client_id, what, &body, &err);
    if (rc == 0) {
        const struct text json = {(const char *)body.data, body.bytes};
        rc = verdict_answer_parse(json, arena, answer, &err);
    }
    buffer_free(&body);
    if (rc == 0)
        report.answer = answer;
    else
        report.error = arena_strdup(arena, text_of(err.message));
    return report;
}

void
collect_reports(const struct config *config, const struct kafka_members *members, const char *what,
                struct arena *arena, struct member_report *reports)
{
    for (uint32_t i = 0; i < members->count; i++)
        reports[i] = ask_member(config, &members->items[i], what, arena);
}

static bool
group_is_wanted(const struct verify_request *request, const char *group)
{
    for (uint32_t i = 0; i < request->group_count; i++)
        if (text_is(text_of(group), request->groups[i]))
            return true;
    return false;
}

static int
collect_round(const struct config *config, const struct verify_request *request, const char *what,
              struct arena *arena, struct shard_list *list, struct error *err)
{
    struct kafka_members members;
    int rc = members_find(config, 0, arena, &members, err);
    if (rc != 0)
        return rc;
    struct kafka_member *wanted = arena_alloc(arena, (members.count + 1) * sizeof *wanted);
    uint32_t count = 0;
    for (uint32_t i = 0; i < members.count; i++)
        if (group_is_wanted(request, members.items[i].group))
            wanted[count++] = members.items[i];
    struct member_report *reports = arena_alloc(arena, (count + 1) * sizeof *reports);
    members = (struct kafka_members){.items = wanted, .count = count};
    collect_reports(config, &members, what, arena, reports);
    shard_list_make(request, reports, count, arena, list);
    return 0;
}

int
collect_verdicts(const struct config *config, const struct verify_request *request, bool with_sums,
                 int timeout_s, struct arena *arena, struct shard_list *list, struct error *err)
{
    const char *whole = with_sums ? "verify?job=0&sums=1" : "verify?job=0";
    int64_t until_us = clock_monotonic_us() + (int64_t)timeout_s * US_PER_S;
    bool has_all = false; /* the whole answer is due */
    int pause_ms = FIRST_PAUSE_MS;
    CHECK(timeout_s > 0);
    for (;;) {
        bool is_late = clock_monotonic_us() >= until_us || shutdown_requested();
        has_all = has_all || is_late;
        arena_reset(arena);
        int rc = collect_round(config, request, has_all ? whole : "verify", arena, list, err);
        if ((rc != 0 && rc != ERR_RETRY) || is_late)
            return rc;
        if (rc == 0 && has_all && list->unknown_count == 0)
            return 0;
        if (rc == 0 && list->lagging == 0 && !has_all) {
            has_all = true;
            continue;
        }
        clock_sleep_ms(pause_ms);
        pause_ms = pause_ms * 2 < PAUSE_MS ? pause_ms * 2 : PAUSE_MS;
    }
}
