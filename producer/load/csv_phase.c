/* prepare() reads the entity ids of all lines. When they are in order, next() reads the file again
 * and converts each line as it comes. When they are not, prepare() converts all lines at once, and
 * the rows go through the sorter, encoded:
 *
 *     row   = line number: 8 bytes, only if a field takes one value; value of each value
 *     value = kind: 1 byte; then of an integer or a float 8 bytes, of a boolean 1, of a string
 *             its length as 4 bytes and its bytes
 *
 * Each line, or sorted row, is counted by `position`. What is at or before `furthest` is repeated
 * after a rewind, and its rejects are written already.
 */
#include "producer/load/csv_phase.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/expression/expression_evaluate.h"
#include "producer/load/csv_reader.h"
#include "producer/load/csv_rejects.h"
#include "producer/load/phase_row.h"
#include "producer/load/row_sorter.h"

enum { HEARTBEAT_LINES = 1 << 15, REASON_BYTES = 160 };

struct csv_phase {
    const struct phase_program *program;
    struct csv_phase_options options;
    struct csv_reader *reader;
    struct csv_rejects *rejects;
    struct row_sorter *sorter; /* NULL: the file is in order */
    struct csv_value *texts;   /* by column */
    bool *is_read;             /* by column: the program needs it */
    struct expression_value *columns;
    struct expression_value *values; /* of `row` */
    struct phase_row evaluated;
    struct csv_row row;
    struct buffer encoded;
    struct csv_counts counts;
    uint64_t lines; /* for the heartbeat */
    uint64_t position;
    uint64_t furthest;
    int64_t last_id;
    uint64_t line_number; /* of the row */
    bool has_scalar;      /* a field takes one value */
    int64_t kept_id;      /* whose values are `kept`; -1: nobody's */
    struct expression_value *kept;
    struct arena kept_texts;
    bool is_prepared;
    bool is_repeated;
    bool is_stopped; /* by the heartbeat, which has no message */
};

int
csv_phase_open(const struct phase_program *program, const struct csv_phase_options *options,
               struct csv_phase **phase, struct error *err)
{
    const struct config_dump_phase *config = program->phase;
    struct csv_phase *made = memory_zalloc(sizeof *made);
    CHECK(config->column_count > 0);
    made->program = program;
    made->options = *options;
    made->texts = memory_zalloc(config->column_count * sizeof *made->texts);
    made->is_read = memory_zalloc(config->column_count * sizeof *made->is_read);
    made->columns = memory_zalloc(config->column_count * sizeof *made->columns);
    made->values = memory_zalloc((program->value_count + 1) * sizeof *made->values);
    made->evaluated.values = made->values;
    made->row.values = made->values;
    made->kept = memory_zalloc((program->value_count + 1) * sizeof *made->kept);
    made->kept_id = -1;
    made->last_id = -1;
    for (uint32_t i = 0; i < program->value_count; i++)
        made->has_scalar = made->has_scalar || !program->values[i].is_multi_value;
    arena_init(&made->kept_texts);
    buffer_init(&made->encoded);
    phase_mark_columns(program, made->is_read);
    char *path = memory_format("%s/%s.csv", options->directory, config->name);
    int rc = csv_reader_open(options->files, path, &made->reader, err);
    if (rc == 0)
        rc = csv_rejects_open(options->files, path, &made->rejects, err);
    free(path);
    if (rc != 0)
        csv_phase_close(made);
    else
        *phase = made;
    return rc == 0 ? 0 : error_wrap(err, rc, "dump phase %s", config->name);
}

void
csv_phase_close(struct csv_phase *phase)
{
    if (phase == NULL)
        return;
    csv_reader_close(phase->reader);
    csv_rejects_close(phase->rejects);
    row_sorter_destroy(phase->sorter);
    buffer_free(&phase->encoded);
    free(phase->texts);
    free(phase->is_read);
    free(phase->columns);
    free(phase->values);
    free(phase->kept);
    arena_free(&phase->kept_texts);
    free(phase);
}

static int
heartbeat(struct csv_phase *phase)
{
    bool is_due = ++phase->lines % HEARTBEAT_LINES == 0;
    if (!is_due || phase->options.heartbeat == NULL)
        return 0;
    int rc = phase->options.heartbeat(phase->options.context);
    phase->is_stopped = rc != 0;
    return rc;
}

static int
name_phase(const struct csv_phase *phase, int rc, struct error *err)
{
    if (rc == 0 || phase->is_stopped)
        return rc;
    return error_wrap(err, rc, "dump phase %s", phase->program->phase->name);
}

/* Counts a line or a row. */
static void
advance(struct csv_phase *phase)
{
    phase->position++;
    phase->is_repeated = phase->position <= phase->furthest;
    if (!phase->is_repeated)
        phase->furthest = phase->position;
}

static int
reject_line(struct csv_phase *phase, const char *reason, struct text value, struct error *err)
{
    CHECK(reason != NULL);
    if (phase->is_repeated)
        return 0;
    phase->counts.rejected_lines++;
    return csv_rejects_add(phase->rejects, phase->line_number, NULL, reason, value, err);
}

static int
reject_value(struct csv_phase *phase, const char *name, const char *reason, struct text value,
             struct error *err)
{
    CHECK(name != NULL);
    if (phase->is_repeated)
        return 0;
    phase->counts.rejected_values++;
    return csv_rejects_add(phase->rejects, phase->line_number, name, reason, value, err);
}

/* NULL: `*id` is an entity of the topic. */
static const char *
read_entity(const struct csv_phase *phase, int64_t *id)
{
    const struct csv_value *slot = &phase->texts[phase->program->slot_column];
    if (slot->is_null)
        return "the id of the entity is empty";
    if (!csv_parse_integer(slot->text, id))
        return "the id of the entity is not an integer";
    if (*id < 0 || (uint64_t)*id >= phase->options.id_limit)
        return "the id of the entity is negative, or beyond topic.max_slots";
    return NULL;
}

/* The reason why the line is left out, in `buffer` or constant; NULL: it is a row of `*id`. */
static const char *
check_line(const struct csv_phase *phase, const struct csv_line *line, char buffer[REASON_BYTES],
           int64_t *id)
{
    uint32_t wanted = phase->program->phase->column_count;
    if (line->reason != NULL)
        return line->reason;
    if (line->count == wanted)
        return read_entity(phase, id);
    snprintf(buffer, REASON_BYTES, "has %u values, not %u", line->count, wanted);
    return buffer;
}

static int
convert_columns(struct csv_phase *phase, struct error *err)
{
    const struct phase_program *program = phase->program;
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < program->phase->column_count; i++) {
        const struct csv_value *text = &phase->texts[i];
        const char *reason;
        phase->columns[i] = (struct expression_value){.kind = EXPRESSION_NULL};
        if (!phase->is_read[i] || text->is_null ||
            phase_parse_value(text->text, program->types[i], &phase->columns[i], &reason))
            continue;
        rc = reject_value(phase, program->phase->columns[i], reason, text->text, err);
    }
    return rc;
}

static int
reject_problems(struct csv_phase *phase, struct error *err)
{
    const struct phase_row *row = &phase->evaluated;
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < row->problem_count; i++) {
        const struct phase_problem *problem = &row->problems[i];
        const char *name = problem->target != NULL ? problem->target : "filter";
        rc = reject_value(phase, name, problem->reason, TEXT(""), err);
    }
    return rc;
}

/* Fills phase->row from the line. `*is_row`: false when it is left out. */
static int
convert_line(struct csv_phase *phase, const struct csv_line *line, bool *is_row, struct error *err)
{
    char buffer[REASON_BYTES];
    const char *reason = check_line(phase, line, buffer, &phase->row.entity_id);
    *is_row = false;
    if (reason != NULL) {
        bool has_slot = line->reason == NULL && line->count > phase->program->slot_column;
        struct text value = has_slot ? phase->texts[phase->program->slot_column].text : TEXT("");
        return reject_line(phase, reason, value, err);
    }
    int rc = convert_columns(phase, err);
    if (rc != 0)
        return rc;
    phase_evaluate(phase->program, phase->columns, &phase->evaluated);
    *is_row = phase->evaluated.is_kept;
    return phase->evaluated.problem_count > 0 ? reject_problems(phase, err) : 0;
}

static int
read_line(struct csv_phase *phase, struct csv_line *line, bool *is_end, struct error *err)
{
    int rc = csv_reader_next(phase->reader, phase->texts, phase->program->phase->column_count, line,
                             is_end, err);
    if (rc != 0 || *is_end)
        return rc;
    advance(phase);
    phase->line_number = csv_reader_line_number(phase->reader);
    return heartbeat(phase);
}

/* The next row of the file; `*is_end`: there are no more. */
static int
read_row(struct csv_phase *phase, bool *is_end, struct error *err)
{
    bool is_row = false;
    int rc = 0;
    *is_end = false;
    while (rc == 0 && !is_row && !*is_end) {
        struct csv_line line;
        rc = read_line(phase, &line, is_end, err);
        if (rc == 0 && !*is_end)
            rc = convert_line(phase, &line, &is_row, err);
    }
    return rc;
}

/* --- rows in the sorter */

static void
encode_value(struct buffer *out, const struct expression_value *value)
{
    uint8_t kind = (uint8_t)value->kind;
    uint8_t boolean;
    buffer_append(out, &kind, sizeof kind);
    switch (value->kind) {
    case EXPRESSION_NULL:
        break;
    case EXPRESSION_BOOLEAN:
        boolean = value->boolean ? 1 : 0;
        buffer_append(out, &boolean, sizeof boolean);
        break;
    case EXPRESSION_INTEGER:
        buffer_append(out, &value->integer, sizeof value->integer);
        break;
    case EXPRESSION_FLOAT:
        buffer_append(out, &value->real, sizeof value->real);
        break;
    case EXPRESSION_STRING: {
        uint32_t bytes = (uint32_t)value->string.bytes;
        CHECK(value->string.bytes <= CSV_LINE_BYTES_MAX);
        buffer_append(out, &bytes, sizeof bytes);
        buffer_append(out, value->string.data, bytes);
        break;
    }
    }
}

static void
take(struct text *row, void *out, size_t bytes)
{
    CHECK(bytes <= row->bytes);
    memcpy(out, row->data, bytes);
    row->data += bytes;
    row->bytes -= bytes;
}

static void
decode_value(struct text *row, struct expression_value *value)
{
    uint8_t byte;
    uint32_t bytes;
    take(row, &byte, sizeof byte);
    CHECK(byte <= EXPRESSION_STRING);
    *value = (struct expression_value){.kind = (enum expression_kind)byte};
    switch (value->kind) {
    case EXPRESSION_NULL:
        break;
    case EXPRESSION_BOOLEAN:
        take(row, &byte, sizeof byte);
        value->boolean = byte != 0;
        break;
    case EXPRESSION_INTEGER:
        take(row, &value->integer, sizeof value->integer);
        break;
    case EXPRESSION_FLOAT:
        take(row, &value->real, sizeof value->real);
        break;
    case EXPRESSION_STRING:
        take(row, &bytes, sizeof bytes);
        CHECK(bytes <= row->bytes);
        value->string = (struct text){row->data, bytes};
        row->data += bytes;
        row->bytes -= bytes;
        break;
    }
}

static int
sort_row(struct csv_phase *phase, struct error *err)
{
    phase->last_id = phase->row.entity_id > phase->last_id ? phase->row.entity_id : phase->last_id;
    buffer_clear(&phase->encoded);
    CHECK(phase->row.entity_id >= 0);
    if (phase->has_scalar)
        buffer_append(&phase->encoded, &phase->line_number, sizeof phase->line_number);
    for (uint32_t i = 0; i < phase->program->value_count; i++)
        encode_value(&phase->encoded, &phase->values[i]);
    struct text row = {(const char *)phase->encoded.data, phase->encoded.bytes};
    return row_sorter_add(phase->sorter, (uint64_t)phase->row.entity_id, row, err);
}

static int
sort_all(struct csv_phase *phase, struct error *err)
{
    const struct row_sorter_options options = {
        .files = phase->options.files,
        .directory = phase->options.sort_directory,
        .setting = "producer.load.sort_dir",
        .memory_bytes = phase->options.sort_memory_bytes,
        .disk_bytes = phase->options.sort_disk_bytes,
    };
    bool is_end = false;
    int rc = 0;
    CHECK(phase->sorter == NULL);
    phase->sorter = row_sorter_create(&options);
    while (rc == 0 && !is_end) {
        rc = read_row(phase, &is_end, err);
        if (rc == 0 && !is_end)
            rc = sort_row(phase, err);
    }
    return rc == 0 ? row_sorter_finish(phase->sorter, err) : rc;
}

/* The next line or row is the first one, of what is read from now on. */
static void
restart(struct csv_phase *phase)
{
    csv_reader_rewind(phase->reader);
    phase->position = 0;
    phase->kept_id = -1;
    phase->row.entity_id = 0;
}

/* `*is_ordered`: the entities of all valid lines are. Ends at the first one that is not. */
static int
check_order(struct csv_phase *phase, bool *is_ordered, struct error *err)
{
    char buffer[REASON_BYTES];
    int64_t last = 0;
    *is_ordered = true;
    for (;;) {
        struct csv_line line;
        int64_t id;
        bool is_end;
        int rc = read_line(phase, &line, &is_end, err);
        if (rc != 0 || is_end)
            return rc;
        if (check_line(phase, &line, buffer, &id) != NULL)
            continue;
        *is_ordered = id >= last;
        if (!*is_ordered)
            return 0;
        last = id;
        phase->last_id = id;
    }
}

int
csv_phase_prepare(struct csv_phase *phase, struct error *err)
{
    bool is_ordered;
    CHECK(!phase->is_prepared);
    int rc = check_order(phase, &is_ordered, err);
    restart(phase);
    phase->furthest = 0;
    if (rc == 0 && !is_ordered)
        rc = sort_all(phase, err);
    if (phase->sorter != NULL) {
        restart(phase);
        phase->furthest = 0;
    }
    phase->is_prepared = rc == 0;
    return name_phase(phase, rc, err);
}

static int
next_sorted(struct csv_phase *phase, bool *is_end, struct error *err)
{
    uint64_t key;
    struct text row;
    int rc = row_sorter_next(phase->sorter, &key, &row, is_end, err);
    if (rc != 0 || *is_end)
        return rc;
    advance(phase);
    phase->row.entity_id = (int64_t)key;
    if (phase->has_scalar)
        take(&row, &phase->line_number, sizeof phase->line_number);
    for (uint32_t i = 0; i < phase->program->value_count; i++)
        decode_value(&row, &phase->values[i]);
    CHECK(row.bytes == 0);
    return heartbeat(phase);
}

static struct expression_value
keep(struct csv_phase *phase, struct expression_value value)
{
    if (value.kind == EXPRESSION_STRING)
        value.string = arena_text(&phase->kept_texts, value.string);
    return value;
}

/* The entity has a row already: of a field that takes one value, only the first one is left. */
static int
unite_value(struct csv_phase *phase, uint32_t at, struct error *err)
{
    struct expression_value *value = &phase->values[at];
    struct expression_value *kept = &phase->kept[at];
    CHECK(!phase->program->values[at].is_multi_value);
    if (value->kind == EXPRESSION_NULL)
        return 0;
    if (kept->kind == EXPRESSION_NULL) {
        *kept = keep(phase, *value);
        return 0;
    }
    bool is_equal = kept->kind == value->kind && expression_compare(*kept, *value) == 0;
    value->kind = EXPRESSION_NULL;
    return is_equal ? 0
                    : csv_phase_reject(phase, at, "an earlier line of the entity has another value",
                                       err);
}

static int
unite_row(struct csv_phase *phase, struct error *err)
{
    const struct phase_value *values = phase->program->values;
    bool is_first = phase->kept_id != phase->row.entity_id;
    int rc = 0;
    if (is_first)
        arena_reset(&phase->kept_texts);
    phase->kept_id = phase->row.entity_id;
    for (uint32_t i = 0; rc == 0 && i < phase->program->value_count; i++)
        if (is_first && !values[i].is_multi_value)
            phase->kept[i] = keep(phase, phase->values[i]);
        else if (!values[i].is_multi_value)
            rc = unite_value(phase, i, err);
    return rc;
}

static int
next_row(struct csv_phase *phase, bool *is_end, struct error *err)
{
    int64_t last = phase->row.entity_id;
    if (phase->sorter != NULL)
        return next_sorted(phase, is_end, err);
    int rc = read_row(phase, is_end, err);
    if (rc == 0 && !*is_end && phase->row.entity_id < last)
        return error_set(err, ERR_FATAL, "the file has changed while it was read");
    return rc;
}

int
csv_phase_next(struct csv_phase *phase, const struct csv_row **row, struct error *err)
{
    bool is_end;
    CHECK(phase->is_prepared);
    int rc = next_row(phase, &is_end, err);
    if (rc == 0 && !is_end && phase->has_scalar)
        rc = unite_row(phase, err);
    if (rc != 0)
        return name_phase(phase, rc, err);
    phase->counts.rows += is_end || phase->is_repeated ? 0 : 1;
    *row = is_end ? NULL : &phase->row;
    return 0;
}

int
csv_phase_rewind(struct csv_phase *phase, struct error *err)
{
    CHECK(phase->is_prepared);
    restart(phase);
    int rc = phase->sorter != NULL ? row_sorter_rewind(phase->sorter, err) : 0;
    return name_phase(phase, rc, err);
}

int
csv_phase_reject(struct csv_phase *phase, uint32_t at, const char *reason, struct error *err)
{
    CHECK(at < phase->program->value_count);
    return reject_value(phase, phase->program->values[at].target, reason, TEXT(""), err);
}

int
csv_phase_flush(struct csv_phase *phase, struct error *err)
{
    return name_phase(phase, csv_rejects_flush(phase->rejects, err), err);
}

int64_t
csv_phase_last_id(const struct csv_phase *phase)
{
    CHECK(phase->is_prepared);
    return phase->last_id;
}

bool
csv_phase_is_sorted(const struct csv_phase *phase)
{
    CHECK(phase->is_prepared);
    return phase->sorter != NULL;
}

struct csv_counts
csv_phase_counts(const struct csv_phase *phase)
{
    struct csv_counts counts = phase->counts;
    CHECK(phase->reader != NULL);
    bool is_read = phase->is_prepared && phase->sorter != NULL;
    counts.bytes = is_read ? csv_phase_file_bytes(phase) : csv_reader_bytes(phase->reader);
    return counts;
}

uint64_t
csv_phase_file_bytes(const struct csv_phase *phase)
{
    return csv_reader_file_bytes(phase->reader);
}

const char *
csv_phase_rejects_path(const struct csv_phase *phase)
{
    return csv_rejects_path(phase->rejects);
}
