#include "producer/verify/patrol_list.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"

void
patrol_list_free(struct patrol_list *list)
{
    arena_free(&list->arenas[0]);
    arena_free(&list->arenas[1]);
}

struct arena *
patrol_list_begin(struct patrol_list *list)
{
    struct arena *arena = &list->arenas[++list->round % 2];
    arena_reset(arena);
    return arena;
}

/* Is it a part of what was known before? It may be a range of another width. */
static const struct patrol_range *
find_before(const struct patrol_range *items, uint32_t count, const struct patrol_range *wanted)
{
    for (uint32_t i = 0; i < count; i++)
        if (items[i].partition == wanted->partition && strcmp(items[i].group, wanted->group) == 0 &&
            items[i].range.begin < wanted->range.end && wanted->range.begin < items[i].range.end)
            return &items[i];
    return NULL;
}

static bool
is_answered(const struct member_report *reports, uint32_t count, const char *group,
            int32_t partition)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct verdict_answer *answer = reports[i].answer;
        if (answer == NULL || strcmp(reports[i].group, group) != 0)
            continue;
        for (uint32_t j = 0; j < answer->partition_count; j++)
            if (answer->partitions[j].partition == partition)
                return true;
    }
    return false;
}

/* Appends the ranges of one shard that differ. */
static void
take_shard(const struct patrol_list *before, const char *group,
           const struct verdict_partition *shard, struct arena *arena, struct buffer *items)
{
    const char *owned = arena_strdup(arena, text_of(group));
    for (uint32_t i = 0; i < shard->range_count; i++) {
        const struct verdict_range *verdict = &shard->ranges[i];
        if (verdict->differing.count == 0 ||
            items->bytes / sizeof(struct patrol_range) >= PATROL_LIST_MAX)
            continue;
        struct patrol_range range = {
            .group = owned,
            .partition = shard->partition,
            .range = {verdict->begin, verdict->end},
            .verdict = verdict,
        };
        const struct patrol_range *known = find_before(before->items, before->count, &range);
        bool has_entities = verdict->difference_count > 0;
        range.is_new = known == NULL;
        range.newly_listed = has_entities && (known == NULL || !known->is_listed);
        range.is_listed = range.newly_listed || (known != NULL && known->is_listed);
        buffer_append(items, &range, sizeof range);
    }
}

/* Keeps what is known of shards that nobody answers for. */
static void
keep_unanswered(const struct patrol_list *before, const struct member_report *reports,
                uint32_t count, struct arena *arena, struct buffer *items)
{
    for (uint32_t i = 0; i < before->count; i++) {
        struct patrol_range range = before->items[i];
        if (is_answered(reports, count, range.group, range.partition) ||
            items->bytes / sizeof range >= PATROL_LIST_MAX)
            continue;
        range.group = arena_strdup(arena, text_of(range.group));
        range.verdict = NULL;
        range.is_new = false;
        range.newly_listed = false;
        buffer_append(items, &range, sizeof range);
    }
}

/* Ranges of the round before that nothing overlaps any more. */
static uint32_t
count_gone(const struct patrol_list *before, const struct buffer *items)
{
    const struct patrol_range *now = (const struct patrol_range *)items->data;
    uint32_t count = (uint32_t)(items->bytes / sizeof *now);
    uint32_t gone = 0;
    for (uint32_t i = 0; i < before->count; i++)
        gone += find_before(now, count, &before->items[i]) == NULL;
    return gone;
}

static uint32_t
count_unknown(int32_t partitions, const struct member_report *reports, uint32_t count)
{
    uint32_t unknown = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool is_first = true;
        for (uint32_t j = 0; j < i; j++)
            is_first = is_first && strcmp(reports[j].group, reports[i].group) != 0;
        for (int32_t j = 0; is_first && j < partitions; j++)
            unknown += !is_answered(reports, count, reports[i].group, j);
    }
    return unknown;
}

void
patrol_list_take(struct patrol_list *list, int32_t partitions, const struct member_report *reports,
                 uint32_t count)
{
    struct arena *arena = &list->arenas[list->round % 2];
    struct buffer items = {0};
    CHECK(list->round > 0);
    for (uint32_t i = 0; i < count; i++) {
        const struct verdict_answer *answer = reports[i].answer;
        for (uint32_t j = 0; answer != NULL && j < answer->partition_count; j++)
            take_shard(list, reports[i].group, &answer->partitions[j], arena, &items);
    }
    keep_unanswered(list, reports, count, arena, &items);
    list->gone = count_gone(list, &items);
    list->unknown = count_unknown(partitions, reports, count);
    list->count = (uint32_t)(items.bytes / sizeof *list->items);
    list->items = buffer_move(&items, arena);
}

static int
compare_ranges(const void *a, const void *b)
{
    const struct job_range *left = a;
    const struct job_range *right = b;
    return (left->begin > right->begin) - (left->begin < right->begin);
}

struct job_ranges
patrol_list_new_ranges(struct patrol_list *list, uint32_t limit)
{
    struct arena *arena = &list->arenas[list->round % 2];
    struct job_range *items = arena_alloc(arena, (list->count + 1) * sizeof *items);
    uint32_t found = 0;
    uint32_t count = 0;
    CHECK(limit > 0);
    for (uint32_t i = 0; i < list->count; i++)
        if (list->items[i].is_new)
            items[found++] = list->items[i].range;
    qsort(items, found, sizeof *items, compare_ranges);
    for (uint32_t i = 0; i < found; i++) {
        if (count > 0 && items[i].begin < items[count - 1].end) {
            if (items[i].end > items[count - 1].end)
                items[count - 1].end = items[i].end;
        } else if (count < limit) {
            items[count++] = items[i];
        } else {
            break;
        }
    }
    return (struct job_ranges){items, count};
}
