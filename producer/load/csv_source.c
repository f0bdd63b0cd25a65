/* Happy path: each phase gives its rows in the order of their entities, and `row` is the next one.
 * read() takes the rows of one entity after another, from all phases, until the chunk is full.
 *
 * Failure modes: a file that cannot be read is an error, and the source can then only be destroyed.
 * A chunk whose sending failed is read again: its begin is before `position`, and all phases begin
 * again with their first rows.
 */
#include "producer/load/csv_source.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "producer/load/chunk_builder.h"
#include "producer/load/csv_phase.h"
#include "producer/load/phase_dump.h"

enum {
    CHUNK_BYTES_MAX = 16 << 20,        /* of collected values: about 8 MB of events */
    ENTITY_ROWS_MAX = 4 * 1000 * 1000, /* of one file */
};

struct source_phase {
    const struct config_dump_phase *config;
    struct phase_program program;
    struct csv_phase *rows;
    const struct csv_row *row; /* the next one; NULL: there are no more */
    uint32_t first_field;      /* in the list of fields of all phases */
};

struct csv_source {
    const struct config *config;
    struct csv_source_options options;
    struct arena arena; /* of everything that stays */
    struct source_phase *phases;
    uint32_t phase_count;
    struct chunk_field *fields;
    uint32_t field_count;
    struct chunk_builder *builder;
    struct load_plan plan;
    int64_t position;  /* entities before it were taken */
    uint64_t entities; /* that were taken */
    bool has_rows;     /* the first rows were read */
    uint64_t bytes;    /* of the files, at the last chunk */
};

/* --- construction --- */

static void
add_fields(struct csv_source *source, struct source_phase *phase)
{
    phase->first_field = source->field_count;
    for (uint32_t i = 0; i < phase->program.value_count; i++) {
        const struct phase_value *value = &phase->program.values[i];
        source->fields[source->field_count++] = (struct chunk_field){
            .name = text_of(value->target),
            .is_multi_value = value->is_multi_value,
            .may_repeat = value->is_multi_value,
        };
    }
}

static int
open_phase(struct csv_source *source, struct source_phase *phase, struct error *err)
{
    const struct config *config = source->config;
    const void *refused;
    const struct csv_phase_options options = {
        .files = source->options.request->files,
        .directory = source->options.request->directory,
        .id_limit = (uint64_t)config->topic.max_slots * (uint64_t)config->topic.partitions,
        .sort_directory = source->options.request->sort_directory,
        .sort_memory_bytes = (uint64_t)config->producer.load.sort_memory_bytes,
        .sort_disk_bytes = (uint64_t)config->producer.load.sort_bytes,
        .heartbeat = source->options.heartbeat,
        .context = source->options.context,
    };
    int rc = config_phase_compile(config, phase->config, NULL, &source->arena, &phase->program,
                                  &refused, err);
    CHECK(rc == 0); /* config_check() */
    return csv_phase_open(&phase->program, &options, &phase->rows, err);
}

/* The values of a phase are its fields, in their order. */
static void
plan_source(struct csv_source *source, const struct source_phase *phase, struct load_source *out)
{
    uint32_t count = phase->program.value_count;
    uint32_t *values = arena_alloc(&source->arena, (count + 1) * sizeof *values);
    for (uint32_t i = 0; i < count; i++)
        values[i] = i;
    *out = (struct load_source){
        .table = phase->config->table,
        .values = values,
        .value_count = count,
        .is_whole = source->options.request->entity_limit == 0,
        .dump_name = phase_dump_name(phase->config, phase->config->table, &source->arena),
        .fields = source->plan.fields + phase->first_field,
    };
}

static void
make_plan(struct csv_source *source)
{
    struct load_plan *plan = &source->plan;
    struct text *fields = arena_alloc(&source->arena, (source->field_count + 1) * sizeof *fields);
    struct load_source *ranges =
        arena_alloc(&source->arena, (source->phase_count + 1) * sizeof *ranges);
    for (uint32_t i = 0; i < source->field_count; i++)
        fields[i] = source->fields[i].name;
    *plan = (struct load_plan){
        .config = source->config,
        .ranges = ranges,
        .range_count = source->phase_count,
        .fields = fields,
        .field_count = source->field_count,
        .range_field_count = source->field_count,
        .end = CHUNK_NO_END,
    };
    for (uint32_t i = 0; i < source->phase_count; i++) {
        plan_source(source, &source->phases[i], &ranges[i]);
        plan->states_alive = plan->states_alive || source->phases[i].config->sets_alive;
    }
}

static void
create_builder(struct csv_source *source)
{
    const struct chunk_shape shape = {
        .partitions = source->config->topic.partitions,
        .max_slots = source->config->topic.max_slots,
        .event_bytes_max = source->options.event_bytes_max,
        .fields = source->fields,
        .field_count = source->field_count,
        .states_alive = source->plan.states_alive,
    };
    source->builder = chunk_builder_create(&shape);
}

static int
check_config(const struct config *config, struct error *err)
{
    const struct config_index *index = &config->index_config;
    if (config->dump_phase_count == 0)
        return error_set(err, ERR_USAGE,
                         "%s: --csv needs dump_phases, which name the columns of the files",
                         config->path);
    if (index->filter_field_count + index->sort_field_count == 0)
        return error_set(err, ERR_USAGE,
                         "%s: --csv needs index_config, which decides what a value is",
                         config->path);
    return 0;
}

int
csv_source_create(const struct config *config, const struct csv_source_options *options,
                  struct csv_source **source, struct error *err)
{
    uint32_t fields = 0;
    int rc = check_config(config, err);
    if (rc != 0)
        return rc;
    struct csv_source *made = memory_zalloc(sizeof *made);
    CHECK(options->request->batch_entities > 0);
    made->config = config;
    made->options = *options;
    arena_init(&made->arena);
    made->phase_count = config->dump_phase_count;
    made->phases = memory_zalloc(made->phase_count * sizeof *made->phases);
    for (uint32_t i = 0; i < made->phase_count; i++)
        fields += config->dump_phases[i].field_count + config->dump_phases[i].computed_field_count;
    made->fields = memory_zalloc((fields + 1) * sizeof *made->fields);
    for (uint32_t i = 0; rc == 0 && i < made->phase_count; i++) {
        made->phases[i].config = &config->dump_phases[i];
        rc = open_phase(made, &made->phases[i], err);
        if (rc == 0)
            add_fields(made, &made->phases[i]);
    }
    if (rc != 0) {
        csv_source_destroy(made);
        return rc;
    }
    make_plan(made);
    create_builder(made);
    *source = made;
    return 0;
}

void
csv_source_destroy(struct csv_source *source)
{
    if (source == NULL)
        return;
    for (uint32_t i = 0; i < source->phase_count; i++)
        csv_phase_close(source->phases[i].rows);
    chunk_builder_destroy(source->builder);
    arena_free(&source->arena);
    free(source->phases);
    free(source->fields);
    free(source);
}

int
csv_source_prepare(struct csv_source *source, struct error *err)
{
    int rc = 0;
    CHECK(!source->has_rows);
    for (uint32_t i = 0; rc == 0 && i < source->phase_count; i++)
        rc = csv_phase_prepare(source->phases[i].rows, err);
    return rc;
}

/* --- rows --- */

/* All phases are at their first rows. */
static int
read_first_rows(struct csv_source *source, struct error *err)
{
    int rc = 0;
    source->position = 0;
    source->entities = 0;
    for (uint32_t i = 0; rc == 0 && i < source->phase_count; i++) {
        struct source_phase *phase = &source->phases[i];
        if (source->has_rows)
            rc = csv_phase_rewind(phase->rows, err);
        if (rc == 0)
            rc = csv_phase_next(phase->rows, &phase->row, err);
    }
    source->has_rows = rc == 0;
    return rc;
}

/* The least entity that has a row left. False: nobody has. */
static bool
next_entity(const struct csv_source *source, int64_t *id)
{
    bool has_row = false;
    for (uint32_t i = 0; i < source->phase_count; i++) {
        const struct csv_row *row = source->phases[i].row;
        if (row != NULL && (!has_row || row->entity_id < *id))
            *id = row->entity_id;
        has_row = has_row || row != NULL;
    }
    return has_row;
}

static int
add_value(struct csv_source *source, struct source_phase *phase, uint32_t at, struct error *err)
{
    const struct expression_value *value = &phase->row->values[at];
    struct chunk_builder *builder = source->builder;
    uint32_t field = phase->first_field + at;
    int64_t id = phase->row->entity_id;
    CHECK(field < source->field_count);
    switch (value->kind) {
    case EXPRESSION_NULL:
        return 0;
    case EXPRESSION_BOOLEAN:
        chunk_builder_add_boolean(builder, field, id, value->boolean);
        return 0;
    case EXPRESSION_INTEGER:
        chunk_builder_add_integer(builder, field, id, value->integer);
        return 0;
    case EXPRESSION_FLOAT:
        chunk_builder_add_float(builder, field, id, value->real);
        return 0;
    case EXPRESSION_STRING:
        break;
    }
    struct error reason = {0};
    if (chunk_builder_add_text(builder, field, id, value->string, &reason) == 0)
        return 0;
    return csv_phase_reject(phase->rows, at, reason.message, err);
}

static int
add_row(struct csv_source *source, struct source_phase *phase, struct error *err)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < phase->program.value_count; i++)
        rc = add_value(source, phase, i, err);
    return rc;
}

/* Takes all rows of the entity from the phase. With `is_skipped` they go nowhere. */
static int
take_rows(struct csv_source *source, uint32_t at, int64_t id, bool is_skipped,
          struct load_counts *counts, struct error *err)
{
    struct source_phase *phase = &source->phases[at];
    uint64_t rows = 0;
    int rc = 0;
    while (rc == 0 && phase->row != NULL && phase->row->entity_id == id) {
        if (++rows > ENTITY_ROWS_MAX)
            return error_set(err, ERR_DATA,
                             "dump phase %s: entity %" PRId64 " has more than %d lines",
                             phase->config->name, id, ENTITY_ROWS_MAX);
        uint64_t values = chunk_builder_values(source->builder);
        if (!is_skipped)
            rc = add_row(source, phase, err);
        counts->values += chunk_builder_values(source->builder) - values;
        counts->rows += is_skipped ? 0 : 1;
        if (rc == 0)
            rc = csv_phase_next(phase->rows, &phase->row, err);
    }
    if (rows > 0 && !is_skipped && phase->config->sets_alive)
        counts->values++;
    return rc;
}

static bool
sets_alive(const struct csv_source *source, int64_t id)
{
    for (uint32_t i = 0; i < source->phase_count; i++) {
        const struct csv_row *row = source->phases[i].row;
        if (row != NULL && row->entity_id == id && source->phases[i].config->sets_alive)
            return true;
    }
    return false;
}

static int
take_entity(struct csv_source *source, int64_t id, bool is_skipped, struct load_counts *counts,
            struct error *err)
{
    int rc = 0;
    CHECK(id >= source->position);
    if (!is_skipped && sets_alive(source, id))
        chunk_builder_add_alive(source->builder, id);
    for (uint32_t i = 0; rc == 0 && i < source->phase_count; i++)
        rc = take_rows(source, i, id, is_skipped, &counts[i], err);
    source->entities++;
    source->position = id + 1;
    return rc;
}

/* Moves to the first entity at or after `begin`. */
static int
seek(struct csv_source *source, int64_t begin, struct load_counts *counts, struct error *err)
{
    int64_t id = 0;
    int rc = !source->has_rows || begin < source->position ? read_first_rows(source, err) : 0;
    while (rc == 0 && next_entity(source, &id) && id < begin)
        rc = take_entity(source, id, true, counts, err);
    return rc;
}

static bool
is_limited(const struct csv_source *source)
{
    return source->options.request->entity_limit > 0 &&
           source->entities >= (uint64_t)source->options.request->entity_limit;
}

/* Collects whole entities until the chunk is full. `*end`: where it ends. */
static int
collect(struct csv_source *source, struct load_counts *counts, int64_t *end, struct error *err)
{
    uint32_t entities = 0;
    int64_t id = 0;
    *end = CHUNK_NO_END;
    while (next_entity(source, &id) && !is_limited(source)) {
        bool is_full = entities == source->options.request->batch_entities ||
                       chunk_builder_bytes(source->builder) >= CHUNK_BYTES_MAX;
        if (is_full && entities > 0) {
            *end = id;
            return 0;
        }
        int rc = take_entity(source, id, false, counts, err);
        if (rc != 0)
            return rc;
        entities++;
    }
    return 0;
}

/* --- chunks --- */

static bool
has_rejects(const struct source_phase *phase)
{
    struct csv_counts counts = csv_phase_counts(phase->rows);
    return counts.rejected_lines + counts.rejected_values > 0;
}

/* The fields that the files do not cover, of all phases with rejects; with a limit, all fields. */
static uint32_t
find_uncovered(const struct csv_source *source, struct text *fields, bool *is_alive_uncovered)
{
    bool all = source->options.request->entity_limit > 0;
    uint32_t count = 0;
    *is_alive_uncovered = false;
    for (uint32_t i = 0; i < source->phase_count; i++) {
        const struct source_phase *phase = &source->phases[i];
        if (!all && (source->options.request->allows_rejects || !has_rejects(phase)))
            continue;
        *is_alive_uncovered = *is_alive_uncovered || phase->config->sets_alive;
        for (uint32_t j = 0; j < phase->program.value_count; j++)
            fields[count++] = source->fields[phase->first_field + j].name;
    }
    return count;
}

static void
fill_part(const struct csv_source *source, struct load_chunk *chunk, struct load_part *part,
          struct chunk content)
{
    int32_t partitions = source->config->topic.partitions;
    CHECK(content.begin < content.end);
    part->begin = content.begin;
    part->end = content.end;
    part->chunks = arena_alloc(&chunk->arena, (size_t)partitions * sizeof *part->chunks);
    for (int32_t p = 0; p < partitions; p++)
        part->chunks[p] = content;
}

/* Divides the last part, after all entities, so that a rejected chunk comes before its end. */
static void
add_rejected_part(const struct csv_source *source, struct load_chunk *chunk)
{
    bool is_alive_uncovered;
    struct text *fields = arena_alloc(&chunk->arena, (source->field_count + 1) * sizeof *fields);
    uint32_t count = find_uncovered(source, fields, &is_alive_uncovered);
    if (count == 0 && !is_alive_uncovered)
        return;
    struct load_part *parts = arena_alloc(&chunk->arena, (chunk->part_count + 2) * sizeof *parts);
    struct load_part *last = &parts[chunk->part_count - 1];
    for (uint32_t i = 0; i < chunk->part_count; i++)
        parts[i] = chunk->parts[i];
    int64_t after = source->position > last->begin ? source->position : last->begin + 1;
    CHECK(last->end == CHUNK_NO_END);
    last->end = after;
    for (int32_t p = 0; p < source->config->topic.partitions; p++)
        last->chunks[p].end = after;
    struct text reason = source->options.request->entity_limit > 0
                             ? TEXT("only a part of the CSV files was read (--limit)")
                             : TEXT("lines or values of the CSV file were rejected");
    fill_part(source, chunk, last + 1,
              (struct chunk){.purpose = CHUNK_LOAD,
                             .begin = after,
                             .end = after + 1,
                             .fields = fields,
                             .field_count = count,
                             .states_alive = is_alive_uncovered,
                             .rejected = reason});
    fill_part(source, chunk, last + 2,
              (struct chunk){.purpose = CHUNK_LOAD,
                             .begin = after + 1,
                             .end = CHUNK_NO_END,
                             .fields = source->plan.fields,
                             .field_count = source->field_count,
                             .states_alive = source->plan.states_alive});
    chunk->parts = parts;
    chunk->part_count += 2;
}

static void
sum_counts(struct csv_source *source, struct load_chunk *chunk)
{
    uint64_t bytes = csv_source_progress(source).bytes;
    for (uint32_t i = 0; i < source->phase_count; i++) {
        chunk->rows += chunk->counts[i].rows;
        chunk->values += chunk->counts[i].values;
    }
    chunk->bytes = bytes > source->bytes ? bytes - source->bytes : 0;
    source->bytes = bytes;
}

static int
finish_files(struct csv_source *source, struct error *err)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < source->phase_count; i++)
        rc = csv_phase_flush(source->phases[i].rows, err);
    return rc;
}

int
csv_source_read(struct csv_source *source, int64_t begin, struct load_chunk *chunk,
                struct error *err)
{
    int64_t end;
    *chunk = (struct load_chunk){0};
    arena_init(&chunk->arena);
    size_t bytes = source->phase_count * sizeof *chunk->counts;
    chunk->counts = arena_alloc(&chunk->arena, bytes);
    for (uint32_t i = 0; i < source->phase_count; i++)
        chunk->counts[i] = (struct load_counts){0};
    chunk_builder_clear(source->builder);
    int rc = seek(source, begin, chunk->counts, err);
    if (rc == 0)
        rc = collect(source, chunk->counts, &end, err);
    if (rc == 0 && end == CHUNK_NO_END)
        rc = finish_files(source, err);
    if (rc != 0) {
        load_chunk_free(chunk);
        return rc;
    }
    chunk_builder_build(source->builder, begin, end, NULL, 0, chunk);
    sum_counts(source, chunk);
    if (end == CHUNK_NO_END)
        add_rejected_part(source, chunk);
    return 0;
}

int64_t
csv_source_last_id(const struct csv_source *source)
{
    int64_t last = -1;
    for (uint32_t i = 0; i < source->phase_count; i++) {
        int64_t id = csv_phase_last_id(source->phases[i].rows);
        last = id > last ? id : last;
    }
    CHECK(last >= -1);
    return last;
}

int
csv_source_settle(struct csv_source *source, struct error *err)
{
    struct arena arena;
    arena_init(&arena);
    struct load_counts *counts = arena_alloc(&arena, source->phase_count * sizeof *counts);
    memset(counts, 0, source->phase_count * sizeof *counts);
    int rc = seek(source, CHUNK_NO_END, counts, err);
    if (rc == 0)
        rc = finish_files(source, err);
    arena_free(&arena);
    return rc;
}

bool
csv_source_is_partial(const struct csv_source *source)
{
    bool is_alive_uncovered;
    struct text *fields = memory_alloc((source->field_count + 1) * sizeof *fields);
    CHECK(source->has_rows);
    uint32_t count = find_uncovered(source, fields, &is_alive_uncovered);
    free(fields);
    return count > 0 || is_alive_uncovered;
}

const struct load_plan *
csv_source_plan(const struct csv_source *source)
{
    CHECK(source->plan.range_count == source->phase_count);
    return &source->plan;
}

struct csv_progress
csv_source_progress(const struct csv_source *source)
{
    struct csv_progress progress = {0};
    for (uint32_t i = 0; i < source->phase_count; i++) {
        const struct csv_phase *rows = source->phases[i].rows;
        struct csv_counts counts = csv_phase_counts(rows);
        progress.bytes += counts.bytes;
        progress.file_bytes += csv_phase_file_bytes(rows);
        progress.rows += counts.rows;
        progress.rejected_lines += counts.rejected_lines;
        progress.rejected_values += counts.rejected_values;
    }
    return progress;
}

void
csv_source_append_rejects(const struct csv_source *source, struct buffer *out)
{
    size_t begin = out->bytes;
    for (uint32_t i = 0; i < source->phase_count; i++) {
        const struct csv_phase *rows = source->phases[i].rows;
        struct csv_counts counts = csv_phase_counts(rows);
        if (!has_rejects(&source->phases[i]))
            continue;
        buffer_append_format(out, "%s%s (%" PRIu64 " lines, %" PRIu64 " values)",
                             out->bytes > begin ? ", " : "", csv_phase_rejects_path(rows),
                             counts.rejected_lines, counts.rejected_values);
    }
}
