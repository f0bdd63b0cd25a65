#include "producer/verify/group_comparison.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"

struct group_comparer {
    const struct verify_request *request;
    bool only_wanted;
    struct arena *arena;
    struct buffer differing;      /* of struct group_difference */
    struct buffer unknown;        /* of struct verify_unknown */
    struct buffer not_comparable; /* of struct text */
    uint32_t compared;
};

static const struct verdict_sum *
range_find_sum(const struct verdict_range *range, struct text field, uint32_t hint)
{
    if (hint < range->sum_count && text_equal(range->sums[hint].field, field))
        return &range->sums[hint];
    for (uint32_t i = 0; i < range->sum_count; i++)
        if (text_equal(range->sums[i].field, field))
            return &range->sums[i];
    return NULL;
}

static bool
is_same_place(const struct verdict_range *a, const struct verdict_range *b)
{
    return a->begin == b->begin && a->end == b->end && a->job == b->job && a->tick == b->tick;
}

/* The shard's verdict about the same sum event. */
static const struct verdict_range *
shard_find_place(const struct shard_verdicts *shard, const struct verdict_range *place)
{
    for (uint32_t low = 0, high = shard->range_count; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        const struct verdict_range *range = shard->ranges[middle];
        if (range->begin == place->begin)
            return is_same_place(range, place) ? range : NULL;
        if (range->begin < place->begin)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static void
add_not_comparable(struct group_comparer *comparer, struct text field)
{
    const struct text *known = (const struct text *)comparer->not_comparable.data;
    size_t count = comparer->not_comparable.bytes / sizeof field;
    for (size_t i = 0; i < count; i++)
        if (text_equal(known[i], field))
            return;
    buffer_append(&comparer->not_comparable, &field, sizeof field);
}

static bool
field_is_wanted(const struct group_comparer *comparer, struct text field)
{
    return !comparer->only_wanted || verify_request_find(comparer->request, field) >= 0;
}

static void
compare_sums(struct group_comparer *comparer, const struct shard_verdicts *first,
             const struct shard_verdicts *other, const struct verdict_range *a,
             const struct verdict_range *b)
{
    comparer->compared++;
    for (uint32_t i = 0; i < a->sum_count; i++) {
        const struct verdict_sum *sum = &a->sums[i];
        const struct verdict_sum *match = range_find_sum(b, sum->field, i);
        if (!field_is_wanted(comparer, sum->field))
            continue;
        if (match == NULL) {
            add_not_comparable(comparer, sum->field);
            continue;
        }
        if (text_equal(sum->sum, match->sum))
            continue;
        const struct group_difference difference = {
            .groups = {first->group, other->group},
            .partition = first->partition,
            .range = {a->begin, a->end},
            .field = sum->field,
        };
        buffer_append(&comparer->differing, &difference, sizeof difference);
    }
    for (uint32_t i = 0; i < b->sum_count; i++)
        if (field_is_wanted(comparer, b->sums[i].field) &&
            range_find_sum(a, b->sums[i].field, i) == NULL)
            add_not_comparable(comparer, b->sums[i].field);
}

static void
add_unknown(struct group_comparer *comparer, const struct shard_verdicts *first,
            const struct shard_verdicts *other, const struct verdict_range *place)
{
    char reason[256];
    snprintf(reason, sizeof reason,
             "partition %" PRId32 " was not summed where group %s was, from entity %" PRId64 " on",
             other->partition, first->group, place->begin);
    const struct verify_unknown unknown = {other->group,
                                           arena_strdup(comparer->arena, text_of(reason))};
    buffer_append(&comparer->unknown, &unknown, sizeof unknown);
}

/* Two shards of one partition; the first place that only one of them has is reported. */
static void
compare_shards(struct group_comparer *comparer, const struct shard_verdicts *first,
               const struct shard_verdicts *other)
{
    CHECK(first->partition == other->partition);
    for (uint32_t i = 0; i < first->range_count; i++) {
        const struct verdict_range *match = shard_find_place(other, first->ranges[i]);
        if (match == NULL || first->ranges[i]->sum_count == 0 || match->sum_count == 0) {
            add_unknown(comparer, first, other, first->ranges[i]);
            return;
        }
        compare_sums(comparer, first, other, first->ranges[i], match);
    }
}

void
group_comparison_make(const struct verify_request *request, const struct shard_list *list,
                      bool only_wanted, struct arena *arena, struct group_comparison *out)
{
    struct group_comparer comparer = {
        .request = request, .only_wanted = only_wanted, .arena = arena};
    CHECK(request->group_count > 0);
    for (uint32_t i = 0; i < list->shard_count; i++) {
        const struct shard_verdicts *first = &list->shards[i];
        if (strcmp(first->group, request->groups[0]) != 0)
            break;
        for (uint32_t j = i + 1; j < list->shard_count; j++)
            if (list->shards[j].partition == first->partition)
                compare_shards(&comparer, first, &list->shards[j]);
    }
    *out = (struct group_comparison){
        .compared = comparer.compared,
        .differing_count = (uint32_t)(comparer.differing.bytes / sizeof(struct group_difference)),
        .unknown_count = (uint32_t)(comparer.unknown.bytes / sizeof(struct verify_unknown)),
        .not_comparable_count = (uint32_t)(comparer.not_comparable.bytes / sizeof(struct text)),
    };
    out->differing = buffer_move(&comparer.differing, arena);
    out->unknown = buffer_move(&comparer.unknown, arena);
    out->not_comparable = buffer_move(&comparer.not_comparable, arena);
}
