#include "consumer/partition/coverage.h"

#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/event/chunk.h"

static void
coverage_set_reasons(struct coverage *coverage, const struct field_set *fields,
                     enum coverage_reason reason)
{
    CHECK(reason < COVERAGE_REASONS);
    for (uint32_t i = field_set_next(fields, 0); i < FIELD_NUMBERS;
         i = field_set_next(fields, i + 1))
        if (field_set_has(&coverage->written, i))
            coverage->reasons[i] = (uint8_t)reason;
}

/* A field that is not complete keeps the reason that it has. */
static void
coverage_void(struct coverage *coverage, const struct field_set *fields,
              enum coverage_reason reason)
{
    CHECK(reason != COVERAGE_COMPLETE && reason < COVERAGE_REASONS);
    for (uint32_t i = field_set_next(fields, 0); i < FIELD_NUMBERS;
         i = field_set_next(fields, i + 1))
        if (field_set_has(&coverage->written, i) && coverage->reasons[i] == COVERAGE_COMPLETE)
            coverage->reasons[i] = (uint8_t)reason;
}

static void
coverage_end_pass(struct coverage *coverage)
{
    coverage->pass_entry = 0;
    coverage->pass_part = 0;
    coverage->pass_fields = (struct field_set){{0}};
}

/* Nothing that was covered so far counts. */
static void
coverage_end_load(struct coverage *coverage)
{
    coverage->job = 0;
    coverage->job_fields = (struct field_set){{0}};
    coverage->chain = (struct field_set){{0}};
    coverage->covered_to = 0;
    coverage_end_pass(coverage);
}

/* The fields cannot be covered by the running load any more. */
static void
coverage_drop(struct coverage *coverage, const struct field_set *fields)
{
    field_set_remove_all(&coverage->job_fields, fields);
    field_set_remove_all(&coverage->chain, fields);
    field_set_remove_all(&coverage->pass_fields, fields);
}

void
coverage_init(struct coverage *coverage, const struct field_set *written)
{
    CHECK(field_set_has(written, FIELD_ALIVE));
    *coverage = (struct coverage){.written = *written, .voided = -1};
    coverage_set_reasons(coverage, written, COVERAGE_NOTHING_READ);
}

void
coverage_init_alone(struct coverage *coverage, const struct field_set *written)
{
    coverage_init(coverage, written);
    coverage_set_reasons(coverage, written, COVERAGE_COMPLETE);
}

bool
coverage_is_posted(const struct coverage *coverage, uint32_t field)
{
    CHECK(field_set_has(&coverage->written, field));
    return coverage->source_named && !field_set_has(&coverage->source, field);
}

static bool
coverage_has(const struct coverage *coverage, uint32_t field)
{
    if (coverage_is_posted(coverage, field))
        return !coverage->offsets_lost && !field_set_has(&coverage->late, field);
    return coverage->reasons[field] == COVERAGE_COMPLETE;
}

struct field_set
coverage_complete(const struct coverage *coverage)
{
    const struct field_set *written = &coverage->written;
    struct field_set complete = {{0}};
    for (uint32_t i = field_set_next(written, 0); i < FIELD_NUMBERS;
         i = field_set_next(written, i + 1))
        if (coverage_has(coverage, i))
            field_set_add(&complete, i);
    return complete;
}

bool
coverage_is_complete(const struct coverage *coverage)
{
    struct field_set complete = coverage_complete(coverage);
    return field_set_equal(&complete, &coverage->written);
}

void
coverage_open_epoch(struct coverage *coverage, enum coverage_reason reason)
{
    bool is_first = reason != COVERAGE_NEW_EPOCH;
    for (uint32_t i = 0; i < FIELD_NUMBERS; i++)
        if (is_first && coverage->reasons[i] == COVERAGE_NOTHING_READ)
            coverage->reasons[i] = (uint8_t)reason;
    if (!is_first)
        coverage_void(coverage, &coverage->written, reason);
    coverage->voided = -1;
    coverage_end_load(coverage);
}

/* Fields that nothing was read of are not complete either when the epoch begins. */
static void
coverage_lose_messages(struct coverage *coverage, enum coverage_reason reason)
{
    for (uint32_t i = 0; i < FIELD_NUMBERS; i++)
        if (coverage->reasons[i] == COVERAGE_NOTHING_READ)
            coverage->reasons[i] = (uint8_t)reason;
    coverage->offsets_lost = true;
}

void
coverage_lose(struct coverage *coverage, enum coverage_reason reason)
{
    CHECK(reason >= COVERAGE_GAP && coverage_is_from_rule(reason));
    if (reason == COVERAGE_OTHER_TOPIC || reason == COVERAGE_SKIPPED)
        coverage_lose_messages(coverage, reason);
    coverage_void(coverage, &coverage->written, reason);
    coverage_end_load(coverage);
}

void
coverage_skip(struct coverage *coverage, int64_t next_offset)
{
    CHECK(next_offset > coverage->next_offset);
    coverage_lose(coverage, COVERAGE_SKIPPED);
    coverage->next_offset = next_offset;
}

void
coverage_lose_posts(struct coverage *coverage)
{
    coverage->offsets_lost = true;
}

void
coverage_take_offset(struct coverage *coverage, int64_t offset)
{
    CHECK(offset >= 0);
    if (offset != coverage->next_offset && coverage->next_offset >= 0)
        coverage_lose_posts(coverage);
    coverage->next_offset = offset + 1;
}

/* --- what the producer says about its triggers ------------------------------------------------ */

/* Voids all fields when the shard has missed a voided event. */
static void
coverage_take_voided_number(struct coverage *coverage, int64_t number)
{
    CHECK(number >= 0);
    if (coverage->voided >= 0 && number != coverage->voided) {
        coverage_void(coverage, &coverage->written, COVERAGE_VOIDED_MISSED);
        coverage_end_load(coverage);
    }
    coverage->voided = number;
}

void
coverage_take_mark(struct coverage *coverage, const struct coverage_mark *mark)
{
    struct field_set added = mark->fields, not_assumed = coverage->assumed;
    field_set_remove_all(&added, &coverage->source);
    field_set_remove_all(&not_assumed, &mark->fields);
    field_set_remove_all(&coverage->source, &not_assumed);
    coverage->assumed = (struct field_set){{0}};
    field_set_add_all(&coverage->source, &mark->configured);
    struct field_set gone = coverage->source;
    field_set_remove_all(&gone, &mark->fields);
    if (coverage->source_known && !field_set_is_empty(&added)) {
        coverage_void(coverage, &added, COVERAGE_TRIGGERS_ADDED);
        coverage_drop(coverage, &added);
    }
    if (!field_set_is_empty(&gone)) {
        coverage_void(coverage, &gone, COVERAGE_TRIGGERS_GONE);
        coverage_drop(coverage, &gone);
    }
    coverage->source_known = true;
    coverage->source_named = coverage->source_named || mark->names_any;
    field_set_add_all(&coverage->source, &mark->fields);
    field_set_keep_all(&coverage->source, &coverage->written);
    coverage_take_voided_number(coverage, mark->voided);
}

void
coverage_take_voided(struct coverage *coverage, int64_t number, const struct field_set *fields,
                     struct text reason)
{
    if (number <= coverage->voided)
        return; /* sent again: it was taken at its place */
    if (coverage->voided >= 0)
        coverage_take_voided_number(coverage, number - 1);
    coverage->voided = number;
    coverage_void(coverage, fields, COVERAGE_VOIDED);
    coverage_drop(coverage, fields);
    snprintf(coverage->voided_reason, sizeof coverage->voided_reason, "%.*s", TEXT_ARGS(reason));
}

/* --- a load ---------------------------------------------------------------------------------- */

void
coverage_begin_job(struct coverage *coverage, int64_t job, const struct field_set *fields)
{
    if (job != coverage->job)
        coverage_end_load(coverage);
    if (job <= 0)
        return;
    coverage->job = job;
    field_set_add_all(&coverage->job_fields, fields); /* sent again: fields may have been dropped */
    field_set_keep_all(&coverage->job_fields, &coverage->written);
}

void
coverage_end_job(struct coverage *coverage, int64_t job)
{
    if (job == coverage->job)
        coverage_end_load(coverage);
}

/* The load could not send what the fields have in some entities. */
static void
coverage_reject(struct coverage *coverage, const struct field_set *fields)
{
    for (uint32_t i = 0; i < FIELD_NUMBERS; i++)
        if (field_set_has(fields, i) && field_set_has(&coverage->job_fields, i) &&
            coverage->reasons[i] != COVERAGE_COMPLETE)
            coverage->reasons[i] = COVERAGE_REJECTED;
    field_set_remove_all(&coverage->chain, fields);
}

void
coverage_take_chunk(struct coverage *coverage, const struct coverage_chunk *chunk)
{
    if (coverage->job == 0 || chunk->job != coverage->job || chunk->begin >= chunk->end)
        return;
    if (chunk->begin <= 0) { /* the chain begins, or the job begins it again */
        coverage->covered_to = 0;
        coverage->chain = coverage->job_fields;
    }
    if (chunk->is_rejected)
        coverage_reject(coverage, &chunk->fields);
    if (chunk->begin > coverage->covered_to || chunk->end <= coverage->covered_to)
        return;
    if (!chunk->is_rejected)
        field_set_keep_all(&coverage->chain, &chunk->fields);
    coverage->covered_to = chunk->end;
    if (chunk->end < CHUNK_NO_END)
        return;
    coverage_set_reasons(coverage, &coverage->chain, COVERAGE_COMPLETE);
    coverage->chain = (struct field_set){{0}};
    coverage->covered_to = 0;
}

/* The first part empties the fields, whichever job it belongs to. */
static void
coverage_begin_pass(struct coverage *coverage, const struct coverage_pass *pass)
{
    coverage_end_pass(coverage);
    coverage_void(coverage, &pass->fields, COVERAGE_PASS);
    if (coverage->job == 0 || pass->job != coverage->job)
        return;
    coverage->pass_entry = pass->entry;
    coverage->pass_fields = coverage->job_fields;
    field_set_keep_all(&coverage->pass_fields, &pass->fields);
}

void
coverage_take_pass(struct coverage *coverage, const struct coverage_pass *pass)
{
    if (pass->part == 0)
        coverage_begin_pass(coverage, pass);
    if (coverage->job == 0 || pass->job != coverage->job || pass->entry != coverage->pass_entry ||
        pass->part < coverage->pass_part)
        return;
    struct field_set complete = coverage_complete(coverage);
    if (pass->part > coverage->pass_part || !pass->reads_known ||
        !field_set_includes(&complete, &pass->reads)) {
        coverage_end_pass(coverage);
        return;
    }
    field_set_keep_all(&coverage->pass_fields, &pass->fields);
    coverage->pass_part = (int64_t)pass->part + 1;
    if (!pass->is_last)
        return;
    coverage_set_reasons(coverage, &coverage->pass_fields, COVERAGE_COMPLETE);
    coverage_end_pass(coverage);
}

/* --- another index configuration ------------------------------------------------------------- */

/* The number that the field `number` of `now` had in `old`; false: it was not there. */
static bool
change_find_old(const struct coverage_change *change, uint32_t number, uint32_t *old)
{
    *old = FIELD_ALIVE;
    if (number == FIELD_ALIVE)
        return true;
    struct text name = text_of(config_fields_name(change->now, number));
    return config_fields_find(change->old, name, old);
}

static void
change_copy(const struct field_set *from, uint32_t old, struct field_set *to, uint32_t number)
{
    if (field_set_has(from, old))
        field_set_add(to, number);
}

/* The field is empty in the index. */
static void
change_add(const struct coverage_change *change, bool is_new, struct coverage *to, uint32_t number)
{
    field_set_add(&to->late, number);
    if (change->has_epoch || change->is_alone)
        to->reasons[number] = is_new ? COVERAGE_FIELD_ADDED : COVERAGE_FIELD_CHANGED;
    if (to->source_named) {
        field_set_add(&to->source, number);
        field_set_add(&to->assumed, number);
    }
}

static void
change_field(const struct coverage *from, const struct coverage_change *change, struct coverage *to,
             uint32_t number)
{
    uint32_t old;
    bool is_new = !change_find_old(change, number, &old);
    bool is_kept = number == FIELD_ALIVE || field_set_has(&change->kept, number);
    if (is_new || !is_kept || !field_set_has(&from->written, old)) {
        change_add(change, is_new, to, number);
        return;
    }
    to->reasons[number] = from->reasons[old];
    change_copy(&from->source, old, &to->source, number);
    change_copy(&from->assumed, old, &to->assumed, number);
    change_copy(&from->late, old, &to->late, number);
    change_copy(&from->job_fields, old, &to->job_fields, number);
    change_copy(&from->chain, old, &to->chain, number);
    change_copy(&from->pass_fields, old, &to->pass_fields, number);
}

void
coverage_change(const struct coverage *from, const struct coverage_change *change,
                struct coverage *to)
{
    const struct field_set written = config_fields_written(change->now);
    CHECK(from != to);
    CHECK(coverage_is_consistent(from));
    coverage_init(to, &written);
    to->source_known = from->source_known;
    to->source_named = from->source_named;
    to->offsets_lost = from->offsets_lost;
    to->next_offset = from->next_offset;
    to->voided = from->voided;
    memcpy(to->voided_reason, from->voided_reason, sizeof to->voided_reason);
    to->job = from->job;
    to->covered_to = from->covered_to;
    to->pass_entry = from->pass_entry;
    to->pass_part = from->pass_part;
    for (uint32_t i = 0; i < FIELD_NUMBERS; i++)
        if (field_set_has(&written, i))
            change_field(from, change, to, i);
    CHECK(coverage_is_consistent(to));
}

/* --- invariants ------------------------------------------------------------------------------ */

static bool
reasons_are_known(const struct coverage *coverage)
{
    for (uint32_t i = 0; i < FIELD_NUMBERS; i++)
        if (coverage->reasons[i] >=
            (field_set_has(&coverage->written, i) ? COVERAGE_REASONS : COVERAGE_COMPLETE + 1))
            return false;
    return true;
}

bool
coverage_is_consistent(const struct coverage *coverage)
{
    if (!reasons_are_known(coverage) || coverage->next_offset < -1 || coverage->voided < -1 ||
        coverage->covered_to < 0 || coverage->pass_part < 0)
        return false;
    if (!field_set_includes(&coverage->written, &coverage->source) ||
        !field_set_includes(&coverage->source, &coverage->assumed) ||
        !field_set_includes(&coverage->written, &coverage->late) ||
        !field_set_includes(&coverage->written, &coverage->job_fields) ||
        !field_set_includes(&coverage->job_fields, &coverage->chain) ||
        !field_set_includes(&coverage->job_fields, &coverage->pass_fields))
        return false;
    if (!coverage->source_known &&
        (coverage->source_named || !field_set_is_empty(&coverage->source)))
        return false;
    return coverage->job != 0 || (coverage->covered_to == 0 && coverage->pass_part == 0 &&
                                  field_set_is_empty(&coverage->job_fields));
}
