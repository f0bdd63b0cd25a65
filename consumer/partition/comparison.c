#include "consumer/partition/comparison.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "consumer/engine/engine_compare.h"
#include "consumer/engine/engine_sum.h"
#include "consumer/partition/incomplete.h"

bool
comparison_is_of(const struct event *event)
{
    if (event->kind == EVENT_CHUNK)
        return event->chunk->purpose == CHUNK_CHECK && event->chunk->rejected.bytes == 0;
    return event->kind == EVENT_SUM && !event->sum->has_point;
}

/* Without existence, nothing is known of the entities that count. */
static struct field_set
place_complete(const struct comparison_place *place)
{
    static const struct field_set none;
    const struct field_set complete = incomplete_find_complete(place->sequence, place->fields);
    return field_set_has(&complete, FIELD_ALIVE) ? complete : none;
}

static int64_t
place_clock_us(const struct comparison_place *place)
{
    const struct sequence_watermark *watermark = &place->sequence->watermark;
    return watermark->newest_us > watermark->clock_us ? watermark->newest_us : watermark->clock_us;
}

/* The computed fields all of whose sources are in the set. */
static struct field_set
computed_of(const struct config_fields *fields, const struct field_set *sources)
{
    struct field_set found = {{0}};
    for (uint32_t i = field_set_next(&fields->computed, 0); i < FIELD_NUMBERS;
         i = field_set_next(&fields->computed, i + 1)) {
        const struct field_set wanted = config_fields_sources(fields, i);
        if (field_set_includes(sources, &wanted))
            field_set_add(&found, i);
    }
    return found;
}

/* --- sums ------------------------------------------------------------------------------------ */

static void
verdict_judge(struct verdict *verdict, uint32_t number, bool is_equal)
{
    field_set_add(&verdict->named, number);
    field_set_add(is_equal ? &verdict->equal : &verdict->differing, number);
}

/* A field of the event. `sums`: of the index. */
static void
verdict_take_sum(struct verdict *verdict, const struct comparison_place *place,
                 const struct field_set *complete, const struct sum_field *source)
{
    uint32_t number;
    const struct hash_sum wanted = {(uint64_t)source->count, source->high, source->low};
    if (!config_fields_find(place->fields, source->field, &number) ||
        field_set_has(&place->fields->computed, number))
        return;
    uint32_t at = number == FIELD_ALIVE ? place->fields->count : number;
    field_set_add(&verdict->named, number);
    if (field_set_has(complete, number) && !field_set_has(&verdict->damaged, number))
        verdict_judge(verdict, number, hash_sum_equal(&wanted, &verdict->sums[at]));
}

static void
verdict_take_own(struct verdict *verdict, const struct comparison_place *place)
{
    uint32_t count = place->fields->count;
    struct engine_field_sum *sums = memory_alloc((count + 1) * sizeof *sums);
    engine_sum_range(place->engine, verdict->begin, verdict->end, sums, place->yield);
    for (uint32_t i = 0; i <= count; i++) {
        uint32_t number = i < count ? i : FIELD_ALIVE;
        verdict->sums[i] = sums[i].sum;
        if (!sums[i].is_damaged)
            continue;
        field_set_add(&verdict->damaged, number);
        field_set_add(&verdict->differing, number);
    }
    free(sums);
}

static void
compare_sum(const struct comparison_place *place, const struct verdicts *list,
            const struct event *event, struct comparison *comparison)
{
    const struct sum *sum = event->sum;
    const struct field_set complete = place_complete(place);
    struct verdict *verdict = verdict_create(list, sum->begin, sum->end);
    verdict->job = sum->job;
    verdict->tick = event->tick;
    verdict->clock_us = place_clock_us(place);
    verdict_take_own(verdict, place);
    for (uint32_t i = 0; i < sum->field_count; i++)
        verdict_take_sum(verdict, place, &complete, &sum->fields[i]);
    struct field_set compared = verdict->equal;
    field_set_add_all(&compared, &verdict->differing);
    field_set_keep_all(&compared, &verdict->named);
    const struct field_set computed = computed_of(place->fields, &compared);
    for (uint32_t i = field_set_next(&computed, 0); i < FIELD_NUMBERS;
         i = field_set_next(&computed, i + 1))
        verdict_judge(verdict, i, !field_set_has(&verdict->damaged, i));
    comparison->verdict = verdict;
}

/* --- check chunks ---------------------------------------------------------------------------- */

static void
take_difference(void *context, const struct engine_difference *difference)
{
    struct comparison *comparison = context;
    struct verdict_check *check = &comparison->check;
    CHECK(check->difference_count < VERDICT_DIFFERENCES_MAX);
    comparison->differences[check->difference_count++] = (struct verdict_difference){
        .field = difference->field,
        .entity_id = difference->entity_id,
        .source = memory_strdup(difference->source),
        .index = memory_strdup(difference->index),
    };
}

static struct field_set
chunk_fields(const struct comparison_place *place, const struct chunk *chunk)
{
    struct field_set named = {{0}};
    const struct field_set complete = place_complete(place);
    config_fields_add(place->fields, chunk->fields, chunk->field_count, &named);
    if (chunk->states_alive)
        field_set_add(&named, FIELD_ALIVE);
    field_set_remove_all(&named, &place->fields->computed);
    field_set_keep_all(&named, &complete);
    const struct field_set computed = computed_of(place->fields, &named);
    field_set_add_all(&named, &computed);
    return named;
}

static void
compare_chunk(const struct comparison_place *place, const struct event *event,
              struct comparison *comparison)
{
    const struct chunk *chunk = event->chunk;
    struct engine_comparison result = {
        .fields = chunk_fields(place, chunk),
        .listed_max = VERDICT_DIFFERENCES_MAX,
        .take = take_difference,
        .context = comparison,
    };
    comparison->verdict = NULL;
    comparison->check = (struct verdict_check){
        .job = chunk->job,
        .begin = chunk->begin,
        .end = chunk->end,
        .tick = event->tick,
        .clock_us = place_clock_us(place),
        .named = result.fields,
        .differences = comparison->differences,
    };
    engine_compare_chunk(place->engine, chunk, &result, place->yield);
    comparison->check.differing = result.differing;
    comparison->check.damaged = result.damaged;
    comparison->check.total = result.total;
    CHECK(comparison->check.difference_count == result.listed);
}

void
comparison_make(const struct comparison_place *place, const struct verdicts *list,
                const struct event *event, struct comparison *comparison)
{
    CHECK(comparison_is_of(event));
    if (event->kind == EVENT_SUM)
        compare_sum(place, list, event, comparison);
    else
        compare_chunk(place, event, comparison);
}

void
comparison_store(struct comparison *comparison, struct verdicts *list)
{
    struct verdict_check *check = &comparison->check;
    if (comparison->verdict != NULL) {
        verdicts_put(list, comparison->verdict);
        comparison->verdict = NULL;
        return;
    }
    verdicts_add_check(list, check);
    for (uint32_t i = 0; i < check->difference_count; i++) {
        free(comparison->differences[i].source);
        free(comparison->differences[i].index);
    }
    check->difference_count = 0;
}
