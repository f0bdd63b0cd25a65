/* The row of a job is read as text columns; lists are JSON, so that their parts need no quoting.
 * A row that somebody has written by hand may hold anything: what does not fit is ERR_DATA, and the
 * job then fails with that reason.
 */
#include "producer/load/job.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/json/json_parse.h"
#include "common/json/json_value.h"
#include "common/json/json_write.h"

enum { INTEGER_TEXT_BYTES = 24, JSON_DEPTH = 4 };

enum {
    ROW_ID,
    ROW_RUNNING,
    ROW_CANCEL,
    ROW_PHASES,
    ROW_TABLE,
    ROW_FIELDS,
    ROW_AFTER_ID,
    ROW_UP_TO_ID,
    ROW_IDS,
    ROW_EPOCH,
    ROW_PLAN,
    ROW_STAGE,
    ROW_NEXT_ID,
    ROW_NEXT_PASS,
    ROW_LAST_ID,
    ROW_ROWS,
    ROW_OPS_WRITTEN,
    ROW_CHUNKS,
    ROW_BYTES,
    ROW_REJECTED,
    ROW_UNCOVERED,
    ROW_DUMPS,
    ROW_CSV,
    ROW_KIND,
    ROW_RANGES,
    ROW_END_TICK,
};

/* A running job is before queued ones: it is not interrupted by one that got a smaller id and was
 * committed later. */
static const char next_sql[] =
    "SELECT id, state = 'running', cancel_requested, phases IS NOT NULL, source_table,"
    " pg_catalog.to_jsonb(fields), after_id, up_to_id, pg_catalog.to_jsonb(ids), epoch, plan, "
    "stage, next_id, next_pass,"
    " coalesce(last_id, -1), rows, ops_written, chunks, bytes, rejected, uncovered,"
    " dumps, csv, kind, pg_catalog.to_jsonb(ranges), coalesce(end_tick, 0) FROM (SELECT * FROM "
    "bitdex_jobs"
    " WHERE name = $1 AND state IN ('queued', 'running')"
    " AND ($2::bigint IS NULL OR id = $2::bigint)"
    " ORDER BY state = 'running' DESC, id LIMIT 1) AS first WHERE (kind = 'load') = $3::boolean";

/* NULL for SQL null. */
static const char *
row_text(struct job *job, const struct pg_result *row, int column)
{
    if (pg_is_null(row, 0, column))
        return NULL;
    return arena_strdup(&job->arena, text_of(pg_text(row, 0, column)));
}

/* The items of a list, as JSON values; none for SQL null. */
static int
row_list(struct job *job, const struct pg_result *row, int column, const struct json_value **items,
         uint32_t *count, struct error *err)
{
    const struct json_value *list;
    *items = NULL;
    *count = 0;
    if (pg_is_null(row, 0, column))
        return 0;
    int rc = json_parse(text_of(pg_text(row, 0, column)), JSON_DEPTH, &job->arena, &list, err);
    if (rc == 0 && list->kind != JSON_ARRAY)
        rc = error_set(err, ERR_DATA, "column %d of its row is not a list", column);
    if (rc != 0)
        return rc;
    *items = list->array.items;
    *count = list->array.count;
    return 0;
}

static int
read_fields(struct job *job, const struct pg_result *row, struct error *err)
{
    const struct json_value *items;
    uint32_t count;
    int rc = row_list(job, row, ROW_FIELDS, &items, &count, err);
    if (rc != 0 || count == 0)
        return rc;
    const char **fields = arena_alloc(&job->arena, count * sizeof *fields);
    for (uint32_t i = 0; i < count; i++) {
        if (items[i].kind != JSON_STRING)
            return error_set(err, ERR_DATA, "its fields are not names");
        fields[i] = items[i].string.data;
    }
    job->selection.fields = fields;
    job->selection.field_count = count;
    return 0;
}

static int
read_ids(struct job *job, const struct pg_result *row, struct error *err)
{
    const struct json_value *items;
    uint32_t count;
    int rc = row_list(job, row, ROW_IDS, &items, &count, err);
    if (rc != 0 || count == 0)
        return rc;
    int64_t *ids = arena_alloc(&job->arena, count * sizeof *ids);
    for (uint32_t i = 0; i < count; i++) {
        if (items[i].kind != JSON_INTEGER || (i > 0 && items[i].integer <= ids[i - 1]))
            return error_set(err, ERR_DATA, "its ids are not ascending numbers");
        ids[i] = items[i].integer;
    }
    job->selection.ids = ids;
    job->selection.id_count = count;
    return 0;
}

static int
read_ranges(struct job *job, const struct pg_result *row, struct error *err)
{
    const struct json_value *items;
    uint32_t count;
    int rc = row_list(job, row, ROW_RANGES, &items, &count, err);
    if (rc != 0 || count == 0)
        return rc;
    struct job_range *ranges = arena_alloc(&job->arena, count * sizeof *ranges);
    for (uint32_t i = 0; i < count; i++) {
        if (items[i].kind != JSON_INTEGER)
            return error_set(err, ERR_DATA, "its ranges are not pairs of numbers");
        if (i % 2 == 0)
            ranges[i / 2].begin = items[i].integer;
        else
            ranges[i / 2].end = items[i].integer;
    }
    job->ranges = (struct job_ranges){ranges, count / 2};
    if (count % 2 != 0 || !job_ranges_are_valid(&job->ranges))
        return error_set(err, ERR_DATA, "its ranges are not ascending pairs of numbers");
    return 0;
}

/* After the ids. The columns name the id before the first entity, and the last entity. */
static int
read_range(struct job *job, const struct pg_result *row, struct error *err)
{
    struct load_selection *selection = &job->selection;
    int64_t after_id = pg_is_null(row, 0, ROW_AFTER_ID) ? -1 : pg_integer(row, 0, ROW_AFTER_ID);
    int64_t up_to_id =
        pg_is_null(row, 0, ROW_UP_TO_ID) ? INT64_MAX : pg_integer(row, 0, ROW_UP_TO_ID);
    selection->has_range = !pg_is_null(row, 0, ROW_AFTER_ID) || !pg_is_null(row, 0, ROW_UP_TO_ID);
    selection->begin = after_id < 0 ? 0 : after_id;
    if (after_id >= 0 && after_id < INT64_MAX)
        selection->begin++;
    selection->end = up_to_id == INT64_MAX ? CHUNK_NO_END : up_to_id + 1;
    if (selection->begin >= selection->end)
        return error_set(err, ERR_DATA, "its range holds no entity");
    if (selection->has_range && selection->ids != NULL)
        return error_set(err, ERR_DATA, "it has both a range and ids, which exclude each other");
    return 0;
}

/* A text member of an object; ERR_DATA without it. */
static int
member_text(const struct json_value *object, const char *key, struct text *text, struct error *err)
{
    const struct json_value *value = json_member(object, key);
    if (value == NULL || value->kind != JSON_STRING)
        return error_set(err, ERR_DATA, "its dumps have no %s", key);
    *text = value->string;
    return 0;
}

static bool
member_boolean(const struct json_value *object, const char *key)
{
    const struct json_value *value = json_member(object, key);
    return value != NULL && value->kind == JSON_BOOLEAN && value->boolean;
}

static int64_t
member_integer(const struct json_value *object, const char *key)
{
    const struct json_value *value = json_member(object, key);
    return value != NULL && value->kind == JSON_INTEGER ? value->integer : 0;
}

static int
read_source(const struct json_value *object, struct job_source *source, struct error *err)
{
    *source = (struct job_source){0};
    if (object->kind != JSON_OBJECT)
        return error_set(err, ERR_DATA, "its dumps are not objects");
    int rc = member_text(object, "name", &source->name, err);
    if (rc == 0)
        rc = member_text(object, "table", &source->table, err);
    source->is_whole = member_boolean(object, "whole");
    source->expects_rows = member_boolean(object, "expects_rows");
    source->rows = member_integer(object, "rows");
    source->ops_written = member_integer(object, "ops_written");
    if (rc == 0 && (source->rows < 0 || source->ops_written < 0))
        rc = error_set(err, ERR_DATA, "its dumps have negative counts");
    return rc;
}

static int
read_sources(struct job *job, const struct pg_result *row, struct error *err)
{
    const struct json_value *items;
    int rc = row_list(job, row, ROW_DUMPS, &items, &job->source_count, err);
    if (rc != 0)
        return rc;
    job->sources = arena_alloc(&job->arena, (job->source_count + 1) * sizeof *job->sources);
    for (uint32_t i = 0; rc == 0 && i < job->source_count; i++)
        rc = read_source(&items[i], &job->sources[i], err);
    return rc;
}

static int
read_place(struct job *job, const struct pg_result *row, struct error *err)
{
    int64_t next_pass = pg_integer(row, 0, ROW_NEXT_PASS);
    job->place.next_id = pg_integer(row, 0, ROW_NEXT_ID);
    job->place.next_pass = (int32_t)next_pass;
    job->last_id = pg_integer(row, 0, ROW_LAST_ID);
    if (!job_stage_find(pg_text(row, 0, ROW_STAGE), &job->place.stage))
        return error_set(err, ERR_DATA, "its stage \"%s\" is unknown", pg_text(row, 0, ROW_STAGE));
    return 0;
}

static void
read_counts(struct job *job, const struct pg_result *row)
{
    job->counts = (struct job_counts){
        .rows = pg_integer(row, 0, ROW_ROWS),
        .ops_written = pg_integer(row, 0, ROW_OPS_WRITTEN),
        .chunks = pg_integer(row, 0, ROW_CHUNKS),
        .bytes = pg_integer(row, 0, ROW_BYTES),
        .rejected = pg_integer(row, 0, ROW_REJECTED),
        .uncovered = pg_integer(row, 0, ROW_UNCOVERED),
    };
}

static int
read_row(struct job *job, const struct pg_result *row, struct error *err)
{
    CHECK(pg_rows(row) == 1);
    if (!job_kind_find(pg_text(row, 0, ROW_KIND), &job->kind))
        return error_set(err, ERR_DATA, "its kind \"%s\" is unknown", pg_text(row, 0, ROW_KIND));
    job->end_tick = pg_integer(row, 0, ROW_END_TICK);
    job->is_running = pg_boolean(row, 0, ROW_RUNNING);
    job->cancel_requested = pg_boolean(row, 0, ROW_CANCEL);
    job->has_phases = pg_boolean(row, 0, ROW_PHASES);
    job->selection.table = row_text(job, row, ROW_TABLE);
    job->csv = row_text(job, row, ROW_CSV);
    job->epoch = pg_integer(row, 0, ROW_EPOCH);
    job->plan = row_text(job, row, ROW_PLAN);
    if (job->plan == NULL)
        job->plan = "";
    read_counts(job, row);
    int rc = read_fields(job, row, err);
    if (rc == 0)
        rc = read_ids(job, row, err);
    if (rc == 0)
        rc = read_range(job, row, err);
    if (rc == 0)
        rc = read_ranges(job, row, err);
    if (rc == 0)
        rc = read_sources(job, row, err);
    return rc == 0 ? read_place(job, row, err) : rc;
}

static int
find_job(struct pg *pg, const struct cursor_owner *owner, const char *wanted, bool loads,
         struct job **job, int64_t *id, struct error *err)
{
    const char *const params[] = {owner->name, wanted, loads ? "true" : "false"};
    struct pg_result *result;
    *job = NULL;
    *id = 0;
    CHECK(owner->generation >= 1);
    int rc = pg_query(pg, next_sql, 3, params, &result, err);
    if (rc != 0)
        return error_wrap(err, rc, "could not read bitdex_jobs");
    if (pg_rows(result) == 1) {
        *job = memory_zalloc(sizeof **job);
        *id = (*job)->id = pg_integer(result, 0, ROW_ID);
        rc = read_row(*job, result, err);
    }
    pg_result_clear(result);
    if (rc != 0) {
        job_free(*job);
        *job = NULL;
    }
    CHECK(rc == 0 || rc == ERR_DATA);
    return rc;
}

int
job_find_next(struct pg *pg, const struct cursor_owner *owner, bool loads, struct job **job,
              int64_t *id, struct error *err)
{
    return find_job(pg, owner, NULL, loads, job, id, err);
}

int
job_find(struct pg *pg, const struct cursor_owner *owner, int64_t wanted, struct job **job,
         int64_t *id, struct error *err)
{
    char text[INTEGER_TEXT_BYTES];
    CHECK(wanted > 0);
    snprintf(text, sizeof text, "%" PRId64, wanted);
    return find_job(pg, owner, text, true, job, id, err);
}

void
job_free(struct job *job)
{
    if (job == NULL)
        return;
    arena_free(&job->arena);
    free(job);
}

static void
write_member(struct json_writer *json, const char *key, int64_t value)
{
    json_key(json, key);
    json_integer(json, value);
}

static void
write_sources(const struct job *job, struct buffer *out)
{
    struct json_writer json;
    json_writer_init(&json, out);
    json_array_begin(&json);
    for (uint32_t i = 0; i < job->source_count; i++) {
        const struct job_source *source = &job->sources[i];
        CHECK(source->rows >= 0 && source->ops_written >= 0);
        json_object_begin(&json);
        json_key(&json, "name");
        json_text(&json, source->name);
        json_key(&json, "table");
        json_text(&json, source->table);
        json_key(&json, "whole");
        json_boolean(&json, source->is_whole);
        json_key(&json, "expects_rows");
        json_boolean(&json, source->expects_rows);
        write_member(&json, "rows", source->rows);
        write_member(&json, "ops_written", source->ops_written);
        json_object_end(&json);
    }
    json_array_end(&json);
}

/* Runs a statement on job `id`, whose `written` returns the column cancel_requested. `*exists`: it
 * has changed a row. */
static int
job_write(struct pg *pg, const struct cursor_owner *owner, const char *sql,
          const char *const *params, int count, bool *exists, bool *cancel_requested,
          struct error *err)
{
    struct pg_result *written;
    int rc = cursor_write(pg, owner, sql, params, count, &written, err);
    if (rc != 0)
        return error_wrap(err, rc, "could not save job %s", params[0]);
    *exists = pg_integer(written, 0, 1) == 1;
    *cancel_requested = pg_boolean(written, 0, 2);
    pg_result_clear(written);
    return 0;
}

#define WRITTEN                                                                       \
    " FROM owner o WHERE j.name = o.name AND j.id = $4::bigint AND j.state IN"        \
    " ('queued', 'running') RETURNING j.cancel_requested) SELECT (SELECT count(*)"    \
    " FROM owner), (SELECT count(*) FROM written), (SELECT bool_or(cancel_requested)" \
    " FROM written)"

int
job_save(struct pg *pg, const struct cursor_owner *owner, struct job *job, bool *exists,
         struct error *err)
{
    static const char sql[] = CURSOR_OWNER
        "UPDATE bitdex_jobs j SET state = 'running', epoch = $2::bigint, next_id = $5::bigint,"
        " next_pass = $6::int, last_id = nullif($7::bigint, -1), rows = $8::bigint,"
        " ops_written = $9::bigint, chunks = $10::bigint, bytes = $11::bigint,"
        " rejected = $12::bigint, uncovered = $13::bigint, stage = $15, plan = $16,"
        " dumps = $17::jsonb, end_tick = nullif($14::bigint, 0),"
        " started_at = coalesce(started_at, now()), updated_at = now()" WRITTEN;
    enum { NUMBERS = 11, ALL = NUMBERS + 3 };
    const int64_t numbers[NUMBERS] = {
        job->id,
        job->place.next_id,
        job->place.next_pass,
        job->last_id,
        job->counts.rows,
        job->counts.ops_written,
        job->counts.chunks,
        job->counts.bytes,
        job->counts.rejected,
        job->counts.uncovered,
        job->end_tick,
    };
    char texts[NUMBERS][INTEGER_TEXT_BYTES];
    const char *params[ALL];
    struct buffer dumps = {0};
    CHECK(job->plan[0] != '\0');
    for (int i = 0; i < NUMBERS; i++) {
        snprintf(texts[i], sizeof texts[i], "%" PRId64, numbers[i]);
        params[i] = texts[i];
    }
    write_sources(job, &dumps);
    params[NUMBERS] = job_stage_name(job->place.stage);
    params[NUMBERS + 1] = job->plan;
    params[NUMBERS + 2] = buffer_string(&dumps);
    int rc = job_write(pg, owner, sql, params, ALL, exists, &job->cancel_requested, err);
    buffer_free(&dumps);
    if (rc == 0) {
        job->is_running = true;
        job->epoch = owner->epoch;
    }
    return rc;
}

int
job_finish(struct pg *pg, const struct cursor_owner *owner, int64_t id, enum job_end end,
           const char *reason, struct error *err)
{
    static const char *const states[] = {
        [JOB_DONE] = "done",
        [JOB_FAILED] = "failed",
        [JOB_CANCELLED] = "cancelled",
    };
    static const char sql[] = CURSOR_OWNER "UPDATE bitdex_jobs j SET state = $5, error = $6, "
                                           "finished_at = now(), updated_at = now()" WRITTEN;
    char text[INTEGER_TEXT_BYTES];
    const char *params[] = {text, states[end], reason};
    bool exists, cancel_requested;
    CHECK((end == JOB_FAILED) == (reason != NULL));
    snprintf(text, sizeof text, "%" PRId64, id);
    return job_write(pg, owner, sql, params, 3, &exists, &cancel_requested, err);
}

int
job_poll(struct pg *pg, int64_t id, bool *exists, bool *cancel_requested, struct error *err)
{
    char text[INTEGER_TEXT_BYTES];
    const char *param = text;
    struct pg_result *result;
    snprintf(text, sizeof text, "%" PRId64, id);
    int rc = pg_query(pg,
                      "SELECT cancel_requested FROM bitdex_jobs WHERE id = $1::bigint AND state IN"
                      " ('queued', 'running')",
                      1, &param, &result, err);
    if (rc != 0)
        return error_wrap(err, rc, "could not read job %" PRId64, id);
    *exists = pg_rows(result) == 1;
    *cancel_requested = *exists && pg_boolean(result, 0, 0);
    pg_result_clear(result);
    return 0;
}

/* The request that would read the entity again: of one field, or of all. */
static void
write_request(struct json_writer *json, const struct load_problem *problem)
{
    json_array_begin(json);
    json_object_begin(json);
    json_key(json, "op");
    json_string(json, "refresh");
    if (problem->field.bytes > 0) {
        json_key(json, "fields");
        json_array_begin(json);
        json_text(json, problem->field);
        json_array_end(json);
    }
    json_object_end(json);
    json_array_end(json);
}

static void
write_place(struct json_writer *json, const struct load_problem *problem)
{
    struct buffer place = {0};
    bool has_both = problem->source.bytes > 0 && problem->field.bytes > 0;
    buffer_append_format(&place, "%.*s%s%.*s", TEXT_ARGS(problem->source), has_both ? "." : "",
                         TEXT_ARGS(problem->field));
    json_string(json, buffer_string(&place));
    buffer_free(&place);
}

static void
write_problems(const struct load_problems *problems, struct buffer *out)
{
    struct json_writer json;
    json_writer_init(&json, out);
    json_array_begin(&json);
    for (uint32_t i = 0; i < problems->count; i++) {
        json_object_begin(&json);
        write_member(&json, "entity", problems->items[i].entity_id);
        json_key(&json, "place");
        write_place(&json, &problems->items[i]);
        json_key(&json, "reason");
        json_text(&json, problems->items[i].reason);
        json_key(&json, "ops");
        write_request(&json, &problems->items[i]);
        json_object_end(&json);
    }
    json_array_end(&json);
}

/* Problems may have the same entity and place: parents whose keys are no integers have entity 0. */
int
job_add_dead_letters(struct pg *pg, const struct cursor_owner *owner, int64_t id, int64_t tick,
                     const struct load_problems *problems, struct error *err)
{
    static const char sql[] = CURSOR_OWNER
        "INSERT INTO bitdex_dead_letters (name, epoch, row_id, tick, generation, entity_id, ops,"
        " reason, job, place) SELECT DISTINCT ON (r.entity, r.place) o.name, $2::bigint, r.entity,"
        " $5::bigint, $3::bigint, r.entity, r.ops, r.reason, $4::bigint, r.place FROM owner o,"
        " jsonb_to_recordset($6::jsonb) AS r(entity bigint, place text, reason text, ops jsonb)"
        " ORDER BY r.entity, r.place, r.reason"
        " ON CONFLICT (name, epoch, row_id, job, place) DO UPDATE SET tick = EXCLUDED.tick,"
        " generation = EXCLUDED.generation, reason = EXCLUDED.reason, rejected_at = now(),"
        " retried_txid = NULL WHERE bitdex_dead_letters.job = -1" CURSOR_OWNER_END;
    char texts[2][INTEGER_TEXT_BYTES];
    struct buffer json = {0};
    CHECK(problems->count > 0 && problems->count <= LOAD_PROBLEMS_MAX);
    snprintf(texts[0], sizeof texts[0], "%" PRId64, id);
    snprintf(texts[1], sizeof texts[1], "%" PRId64, tick);
    write_problems(problems, &json);
    const char *params[] = {texts[0], texts[1], buffer_string(&json)};
    int rc = cursor_write(pg, owner, sql, params, 3, NULL, err);
    buffer_free(&json);
    return rc == 0 ? 0
                   : error_wrap(err, rc, "could not store the dead letters of job %" PRId64, id);
}
