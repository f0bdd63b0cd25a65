#include "producer/verify/shard_verdicts.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/search.h"
#include "common/event/chunk.h"

enum { NAMED_PARTITIONS_MAX = 16 };

struct list_maker {
    const struct verify_request *request;
    const struct member_report *reports;
    uint32_t report_count;
    struct arena *arena;
    struct buffer shards;  /* of struct shard_verdicts */
    struct buffer unknown; /* of struct verify_unknown */
    uint32_t lagging;
};

static int
compare_texts(struct text a, struct text b)
{
    size_t bytes = a.bytes < b.bytes ? a.bytes : b.bytes;
    int order = bytes > 0 ? memcmp(a.data, b.data, bytes) : 0;
    return order != 0 ? order : (a.bytes > b.bytes) - (a.bytes < b.bytes);
}

struct wanted_field {
    const struct verify_request *request;
    struct text field;
};

static bool
field_is_below(const void *context, uint32_t at)
{
    const struct wanted_field *wanted = context;
    return compare_texts(wanted->request->fields[at], wanted->field) < 0;
}

int64_t
verify_request_find(const struct verify_request *request, struct text field)
{
    const struct wanted_field wanted = {request, field};
    uint32_t at = search_first(request->field_count, field_is_below, &wanted);
    bool found = at < request->field_count && text_equal(request->fields[at], field);
    return found ? (int64_t)at : -1;
}

static void __attribute__((format(printf, 3, 4)))
list_add_unknown(struct list_maker *maker, const char *group, const char *format, ...)
{
    char reason[ERROR_MESSAGE_BYTES + 256];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    const struct verify_unknown unknown = {group, arena_strdup(maker->arena, text_of(reason))};
    buffer_append(&maker->unknown, &unknown, sizeof unknown);
}

static uint32_t
count_wanted(const struct verify_request *request, const struct verdict_fields *fields)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < fields->count; i++)
        count += verify_request_find(request, fields->items[i]) >= 0;
    return count;
}

static bool
range_answers(const struct verify_request *request, const struct verdict_range *range)
{
    bool wanted = false;
    for (uint32_t i = 0; i < request->ranges.count; i++)
        wanted = wanted || (range->begin < request->ranges.items[i].end &&
                            request->ranges.items[i].begin < range->end);
    return wanted && range->tick > request->since_tick &&
           count_wanted(request, &range->equal) + count_wanted(request, &range->differing) +
                   count_wanted(request, &range->not_comparable) ==
               request->field_count;
}

static int
compare_ranges(const void *a, const void *b)
{
    const struct verdict_range *left = *(const struct verdict_range *const *)a;
    const struct verdict_range *right = *(const struct verdict_range *const *)b;
    return (left->begin > right->begin) - (left->begin < right->begin);
}

/* Appends the verdicts of the shard that answer the request. */
static const struct shard_verdicts *
list_add_shard(struct list_maker *maker, const struct member_report *report,
               const struct verdict_partition *partition)
{
    const struct verdict_range **ranges =
        arena_alloc(maker->arena, (partition->range_count + 1) * sizeof *ranges);
    struct shard_verdicts shard = {report->group, partition->partition, report->answer, ranges, 0};
    for (uint32_t i = 0; i < partition->range_count; i++)
        if (range_answers(maker->request, &partition->ranges[i]))
            ranges[shard.range_count++] = &partition->ranges[i];
    qsort(ranges, shard.range_count, sizeof(const struct verdict_range *), compare_ranges);
    buffer_append(&maker->shards, &shard, sizeof shard);
    return (const struct shard_verdicts *)(maker->shards.data + maker->shards.bytes) - 1;
}

/* The first entity of the span that no verdict is about; or the end of the span. */
static int64_t
range_first_hole(const struct job_range *wanted, const struct shard_verdicts *shard)
{
    int64_t reached = wanted->begin;
    for (uint32_t i = 0; i < shard->range_count && reached < wanted->end; i++)
        if (shard->ranges[i]->begin <= reached && shard->ranges[i]->end > reached)
            reached = shard->ranges[i]->end;
    return reached < wanted->end ? reached : wanted->end;
}

/* One hole is enough to know that not everything is known. */
static void
list_check_ranges(struct list_maker *maker, const struct member_report *report,
                  const struct shard_verdicts *shard)
{
    const struct verify_request *request = maker->request;
    for (uint32_t i = 0; i < request->ranges.count; i++) {
        int64_t hole = range_first_hole(&request->ranges.items[i], shard);
        if (hole == request->ranges.items[i].end)
            continue;
        list_add_unknown(maker, report->group,
                         "partition %" PRId32 " of %s has no verdict of this request from entity"
                         " %" PRId64 " on",
                         shard->partition, report->address, hole);
        return;
    }
}

static void
list_take_partition(struct list_maker *maker, const struct member_report *report,
                    const struct verdict_partition *partition)
{
    const struct verify_request *request = maker->request;
    if (partition->epoch != request->epoch) {
        list_add_unknown(maker, report->group,
                         "partition %" PRId32 " of %s is in epoch %" PRId64
                         ", the producer in epoch %" PRId64,
                         partition->partition, report->address, partition->epoch, request->epoch);
        maker->lagging += partition->epoch < request->epoch;
        return;
    }
    if (partition->tick < request->end_tick) {
        list_add_unknown(maker, report->group,
                         "partition %" PRId32 " of %s lags: it is at tick %" PRId64
                         ", and the last sums were sent in tick %" PRId64,
                         partition->partition, report->address, partition->tick, request->end_tick);
        maker->lagging++;
        return;
    }
    list_check_ranges(maker, report, list_add_shard(maker, report, partition));
}

/* Does the answer come from the member that was asked? */
static bool
list_check_report(struct list_maker *maker, const struct member_report *report)
{
    const struct verdict_answer *answer = report->answer;
    CHECK((answer == NULL) == (report->error != NULL));
    if (answer == NULL)
        list_add_unknown(maker, report->group, "member %s: %s", report->address, report->error);
    else if (!text_is(answer->index, maker->request->index))
        list_add_unknown(maker, report->group, "member %s holds the index \"%.*s\"",
                         report->address, TEXT_ARGS(answer->index));
    else if (!text_is(answer->group, report->group))
        list_add_unknown(maker, report->group,
                         "at %s, the address of its member, a member of group \"%.*s\" answers",
                         report->address, TEXT_ARGS(answer->group));
    else
        return true;
    return false;
}

/* Takes what the members of the group answer for the partition; false: nobody does. */
static bool
list_take_members(struct list_maker *maker, const char *group, int32_t partition)
{
    bool answered = false;
    for (uint32_t i = 0; i < maker->report_count; i++) {
        const struct member_report *report = &maker->reports[i];
        const struct verdict_answer *answer = report->answer;
        if (answer == NULL || strcmp(report->group, group) != 0 || !text_is(answer->group, group) ||
            !text_is(answer->index, maker->request->index))
            continue;
        for (uint32_t j = 0; j < answer->partition_count; j++) {
            if (answer->partitions[j].partition != partition)
                continue;
            answered = true;
            list_take_partition(maker, report, &answer->partitions[j]);
        }
    }
    return answered;
}

static void
list_take_group(struct list_maker *maker, const char *group)
{
    struct buffer names = {0};
    uint32_t missing = 0;
    uint32_t members = 0;
    for (uint32_t i = 0; i < maker->report_count; i++) {
        if (strcmp(maker->reports[i].group, group) != 0)
            continue;
        members++;
        list_check_report(maker, &maker->reports[i]);
    }
    for (int32_t i = 0; i < maker->request->partitions; i++) {
        if (list_take_members(maker, group, i))
            continue;
        if (missing++ < NAMED_PARTITIONS_MAX)
            buffer_append_format(&names, "%s%" PRId32, missing > 1 ? ", " : " ", i);
    }
    if (members == 0)
        list_add_unknown(maker, group, "the group has no members");
    else if (missing > 0)
        list_add_unknown(maker, group, "nobody answers for partition%s%s%s", missing > 1 ? "s" : "",
                         buffer_string(&names), missing > NAMED_PARTITIONS_MAX ? ", ..." : "");
    buffer_free(&names);
}

void
shard_list_make(const struct verify_request *request, const struct member_report *reports,
                uint32_t report_count, struct arena *arena, struct shard_list *list)
{
    struct list_maker maker = {
        .request = request, .reports = reports, .report_count = report_count, .arena = arena};
    CHECK(request->partitions > 0);
    CHECK(request->ranges.count > 0 && job_ranges_are_valid(&request->ranges));
    for (uint32_t i = 1; i < request->field_count; i++)
        CHECK(compare_texts(request->fields[i - 1], request->fields[i]) < 0);
    for (uint32_t i = 0; i < request->group_count; i++)
        list_take_group(&maker, request->groups[i]);
    list->shard_count = (uint32_t)(maker.shards.bytes / sizeof(struct shard_verdicts));
    list->shards = buffer_move(&maker.shards, arena);
    list->unknown_count = (uint32_t)(maker.unknown.bytes / sizeof(struct verify_unknown));
    list->unknown = buffer_move(&maker.unknown, arena);
    list->lagging = maker.lagging;
}
