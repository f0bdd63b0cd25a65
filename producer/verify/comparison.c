#include "producer/verify/comparison.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"

enum { FIELD_DIFFERS = 1, FIELD_NOT_COMPARABLE = 2 };

/* Every range, each once, with what each field of the request is in it in some shard. */
struct range_table {
    const struct verify_request *request;
    struct job_range *spans; /* ascending */
    uint32_t count;
    uint8_t *marks; /* FIELD_* of each field, span by span */
};

static int
compare_spans(const void *a, const void *b)
{
    const struct job_range *left = a;
    const struct job_range *right = b;
    if (left->begin != right->begin)
        return left->begin > right->begin ? 1 : -1;
    return (left->end > right->end) - (left->end < right->end);
}

static struct job_range
span_of(const struct verdict_range *range)
{
    return (struct job_range){range->begin, range->end};
}

static struct range_table
table_create(const struct verify_request *request, const struct shard_list *list,
             struct arena *arena)
{
    struct range_table table = {.request = request};
    uint32_t all = 0;
    for (uint32_t i = 0; i < list->shard_count; i++)
        all += list->shards[i].range_count;
    table.spans = arena_alloc(arena, (all + 1) * sizeof *table.spans);
    all = 0;
    for (uint32_t i = 0; i < list->shard_count; i++)
        for (uint32_t j = 0; j < list->shards[i].range_count; j++)
            table.spans[all++] = span_of(list->shards[i].ranges[j]);
    qsort(table.spans, all, sizeof *table.spans, compare_spans);
    for (uint32_t i = 0; i < all; i++)
        if (i == 0 || compare_spans(&table.spans[i], &table.spans[table.count - 1]) != 0)
            table.spans[table.count++] = table.spans[i];
    size_t bytes = (size_t)table.count * request->field_count;
    table.marks = arena_alloc(arena, bytes + 1);
    memset(table.marks, 0, bytes);
    return table;
}

/* The fields of the range. */
static uint8_t *
table_find(const struct range_table *table, const struct verdict_range *range)
{
    const struct job_range wanted = span_of(range);
    const struct job_range *found =
        bsearch(&wanted, table->spans, table->count, sizeof wanted, compare_spans);
    CHECK(found != NULL);
    return &table->marks[(size_t)(found - table->spans) * table->request->field_count];
}

static struct text
answer_find_reason(const struct verdict_answer *answer, struct text field)
{
    for (uint32_t i = 0; i < answer->reason_count; i++)
        if (text_equal(answer->reasons[i].field, field))
            return answer->reasons[i].reason;
    return (struct text){"the shard is not complete for it", 32};
}

static void
table_take(const struct range_table *table, const struct shard_verdicts *shard,
           const struct verdict_range *range, struct compared_field *fields)
{
    uint8_t *marks = table_find(table, range);
    for (uint32_t i = 0; i < range->differing.count; i++) {
        int64_t at = verify_request_find(table->request, range->differing.items[i]);
        if (at >= 0)
            marks[at] |= FIELD_DIFFERS;
    }
    for (uint32_t i = 0; i < range->not_comparable.count; i++) {
        int64_t at = verify_request_find(table->request, range->not_comparable.items[i]);
        if (at < 0)
            continue;
        marks[at] |= FIELD_NOT_COMPARABLE;
        if (fields[at].reason.bytes == 0)
            fields[at].reason = answer_find_reason(shard->answer, fields[at].name);
    }
}

static void
table_count(const struct range_table *table, struct compared_field *fields)
{
    uint32_t field_count = table->request->field_count;
    for (uint32_t i = 0; i < table->count; i++) {
        for (uint32_t j = 0; j < field_count; j++) {
            uint8_t mark = table->marks[(size_t)i * field_count + j];
            fields[j].differing += (mark & FIELD_DIFFERS) != 0;
            fields[j].not_comparable += (mark & FIELD_NOT_COMPARABLE) != 0;
        }
    }
}

/* Merges the fields of spans `from` to `to` into one range. */
static void
table_merge(const struct range_table *table, uint32_t from, uint32_t to, struct arena *arena,
            struct compared_range *range)
{
    const struct verify_request *request = table->request;
    struct text *fields = arena_alloc(arena, (request->field_count + 1) * sizeof *fields);
    range->fields = fields;
    range->field_count = 0;
    for (uint32_t j = 0; j < request->field_count; j++) {
        bool differs = false;
        for (uint32_t i = from; i < to; i++)
            differs = differs ||
                      (table->marks[(size_t)i * request->field_count + j] & FIELD_DIFFERS) != 0;
        if (differs)
            fields[range->field_count++] = request->fields[j];
    }
    CHECK(range->field_count > 0);
}

static bool
table_differs(const struct range_table *table, uint32_t at)
{
    for (uint32_t j = 0; j < table->request->field_count; j++)
        if ((table->marks[(size_t)at * table->request->field_count + j] & FIELD_DIFFERS) != 0)
            return true;
    return false;
}

/* Keeps the spans that differ, with their fields. */
static void
table_keep_differing(struct range_table *table)
{
    uint32_t kept = 0;
    uint32_t fields = table->request->field_count;
    for (uint32_t i = 0; i < table->count; i++) {
        if (!table_differs(table, i))
            continue;
        table->spans[kept] = table->spans[i];
        memmove(&table->marks[(size_t)kept * fields], &table->marks[(size_t)i * fields], fields);
        kept++;
    }
    table->count = kept;
}

static void
table_list_differing(struct range_table *table, struct arena *arena, struct comparison *out)
{
    table_keep_differing(table);
    struct compared_range *ranges = arena_alloc(arena, (table->count + 1) * sizeof *ranges);
    uint32_t count = 0;
    for (uint32_t i = 0, end; i < table->count; i = end) {
        struct job_range range = table->spans[i];
        for (end = i + 1; end < table->count && table->spans[end].begin < range.end; end++)
            if (table->spans[end].end > range.end)
                range.end = table->spans[end].end;
        ranges[count].range = range;
        table_merge(table, i, end, arena, &ranges[count++]);
    }
    out->differing = ranges;
    out->differing_count = count;
}

void
comparison_make(const struct verify_request *request, const struct shard_list *list,
                struct arena *arena, struct comparison *comparison)
{
    struct range_table table = table_create(request, list, arena);
    struct compared_field *fields = arena_alloc(arena, (request->field_count + 1) * sizeof *fields);
    for (uint32_t i = 0; i < request->field_count; i++)
        fields[i] = (struct compared_field){.name = request->fields[i]};
    for (uint32_t i = 0; i < list->shard_count; i++)
        for (uint32_t j = 0; j < list->shards[i].range_count; j++)
            table_take(&table, &list->shards[i], list->shards[i].ranges[j], fields);
    table_count(&table, fields);
    *comparison = (struct comparison){
        .range_count = table.count, .fields = fields, .field_count = request->field_count};
    table_list_differing(&table, arena, comparison);
    CHECK(comparison->differing_count <= comparison->range_count);
}

static bool
range_differs(const struct verify_request *request, const struct verdict_range *range)
{
    for (uint32_t i = 0; i < range->differing.count; i++)
        if (verify_request_find(request, range->differing.items[i]) >= 0)
            return true;
    return false;
}

static void
range_take_differences(const struct verify_request *request, const char *group,
                       const struct verdict_range *range, struct buffer *items)
{
    for (uint32_t i = 0; i < range->difference_count; i++) {
        const struct found_difference found = {group, &range->differences[i]};
        if (verify_request_find(request, found.difference->field) >= 0)
            buffer_append(items, &found, sizeof found);
    }
}

void
comparison_find_differences(const struct verify_request *request, const struct shard_list *list,
                            int64_t job, struct arena *arena, struct found_differences *found)
{
    struct buffer items = {0};
    *found = (struct found_differences){0};
    CHECK(job > 0);
    for (uint32_t i = 0; i < list->shard_count; i++) {
        const struct shard_verdicts *shard = &list->shards[i];
        for (uint32_t j = 0; j < shard->range_count; j++) {
            const struct verdict_range *range = shard->ranges[j];
            if (!range_differs(request, range))
                continue;
            if (range->check_job < job) {
                found->unchecked++;
                continue;
            }
            found->total += range->differences_total;
            range_take_differences(request, shard->group, range, &items);
        }
    }
    found->count = (uint32_t)(items.bytes / sizeof(struct found_difference));
    found->items = buffer_move(&items, arena);
}
