#include "producer/load/job_queue.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/json/json_write.h"
#include "producer/load/job_place.h"

enum { INTEGER_TEXT_BYTES = 24 };

/* Two commands at the same time must not queue the same job twice. */
static const char lock_sql[] =
    "SELECT pg_advisory_xact_lock(pg_catalog.hashtextextended('bitdex-producer jobs ' || $1, 0))";

/* $1: the producer; $2: the table; $3: the fields; $4, $5: after_id, up_to_id; $6: the ids; $7: the
 * reason; $8: the kind; $9: the ranges. */
static const char queue_sql[] =
    "WITH wanted AS (SELECT $2::text AS source_table,"
    " (SELECT pg_catalog.array_agg(f ORDER BY n) FROM jsonb_array_elements_text($3::jsonb) WITH "
    "ORDINALITY"
    " AS f(f, n)) AS fields, $4::bigint AS after_id, $5::bigint AS up_to_id,"
    " (SELECT pg_catalog.array_agg(i::bigint ORDER BY n) FROM jsonb_array_elements_text($6::jsonb)"
    " WITH ORDINALITY AS i(i, n)) AS ids,"
    " (SELECT pg_catalog.array_agg(r::bigint ORDER BY n) FROM jsonb_array_elements_text($9::jsonb)"
    " WITH ORDINALITY AS r(r, n)) AS ranges),"
    " found AS (SELECT id FROM bitdex_jobs j, wanted w WHERE j.name = $1 AND kind = $8"
    " AND state IN ('queued', 'running') AND NOT cancel_requested AND phases IS NULL"
    " AND csv IS NULL"
    " AND j.source_table IS NOT DISTINCT FROM w.source_table"
    " AND j.fields IS NOT DISTINCT FROM w.fields AND j.ids IS NOT DISTINCT FROM w.ids"
    " AND j.ranges IS NOT DISTINCT FROM w.ranges"
    " AND j.after_id IS NOT DISTINCT FROM w.after_id"
    " AND j.up_to_id IS NOT DISTINCT FROM w.up_to_id ORDER BY id LIMIT 1),"
    " queued AS (INSERT INTO bitdex_jobs (name, kind, source_table, fields, after_id, up_to_id,"
    " ids, ranges, reason) SELECT $1, $8, source_table, fields, after_id, up_to_id, ids, ranges, $7"
    " FROM wanted WHERE NOT EXISTS (SELECT FROM found) RETURNING id)"
    " SELECT id, true FROM found UNION ALL SELECT id, false FROM queued";

/* $1: the producer; $2: the directory; $3: the reason. */
static const char queue_csv_sql[] =
    "WITH found AS (SELECT id FROM bitdex_jobs WHERE name = $1 AND kind = 'load'"
    " AND state IN ('queued', 'running') AND NOT cancel_requested AND csv = $2 ORDER BY id LIMIT "
    "1),"
    " queued AS (INSERT INTO bitdex_jobs (name, kind, csv, reason) SELECT $1, 'load', $2, $3"
    " WHERE NOT EXISTS (SELECT FROM found) RETURNING id)"
    " SELECT id, true FROM found UNION ALL SELECT id, false FROM queued";

static void
print_fields(const struct load_selection *selection, struct buffer *out)
{
    struct json_writer json;
    json_writer_init(&json, out);
    json_array_begin(&json);
    for (uint32_t i = 0; i < selection->field_count; i++) {
        CHECK(i == 0 || strcmp(selection->fields[i - 1], selection->fields[i]) < 0);
        json_string(&json, selection->fields[i]);
    }
    json_array_end(&json);
}

static void
print_ids(const struct load_selection *selection, struct buffer *out)
{
    struct json_writer json;
    json_writer_init(&json, out);
    json_array_begin(&json);
    for (uint32_t i = 0; i < selection->id_count; i++) {
        CHECK(i == 0 || selection->ids[i - 1] < selection->ids[i]);
        json_integer(&json, selection->ids[i]);
    }
    json_array_end(&json);
}

static void
print_ranges(const struct job_ranges *ranges, struct buffer *out)
{
    struct json_writer json;
    CHECK(job_ranges_are_valid(ranges));
    json_writer_init(&json, out);
    json_array_begin(&json);
    for (uint32_t i = 0; i < ranges->count; i++) {
        json_integer(&json, ranges->items[i].begin);
        json_integer(&json, ranges->items[i].end);
    }
    json_array_end(&json);
}

struct job_request {
    const char *name; /* of the producer */
    enum job_kind kind;
    const struct load_selection *selection;
    const struct job_ranges *ranges;
    const char *reason;
};

static int
insert_job(struct pg *pg, const struct job_request *request, int64_t *id, bool *found,
           struct error *err)
{
    const struct load_selection *selection = request->selection;
    struct buffer fields = {0};
    struct buffer ids = {0};
    struct buffer ranges = {0};
    char after_id[INTEGER_TEXT_BYTES];
    char up_to_id[INTEGER_TEXT_BYTES];
    bool has_begin = selection->has_range && selection->begin > 0;
    bool has_end = selection->has_range && selection->end != CHUNK_NO_END;
    struct pg_result *result;
    print_fields(selection, &fields);
    print_ids(selection, &ids);
    print_ranges(request->ranges, &ranges);
    snprintf(after_id, sizeof after_id, "%" PRId64, selection->begin - 1);
    snprintf(up_to_id, sizeof up_to_id, "%" PRId64, selection->end - 1);
    const char *const params[] = {request->name,
                                  selection->table,
                                  buffer_string(&fields),
                                  has_begin ? after_id : NULL,
                                  has_end ? up_to_id : NULL,
                                  buffer_string(&ids),
                                  request->reason,
                                  job_kind_name(request->kind),
                                  buffer_string(&ranges)};
    int rc = pg_query(pg, queue_sql, sizeof params / sizeof params[0], params, &result, err);
    buffer_free(&fields);
    buffer_free(&ids);
    buffer_free(&ranges);
    if (rc != 0)
        return rc;
    CHECK(pg_rows(result) == 1);
    *id = pg_integer(result, 0, 0);
    *found = pg_boolean(result, 0, 1);
    pg_result_clear(result);
    return 0;
}

static int
queue_job(struct pg *pg, const struct job_request *request, int64_t *id, bool *found,
          struct error *err)
{
    const struct load_selection *selection = request->selection;
    struct pg_result *result;
    CHECK(request->name != NULL && request->reason != NULL);
    CHECK(!selection->has_range || selection->begin < selection->end);
    int rc = pg_exec(pg, "BEGIN", err);
    if (rc == 0)
        rc = pg_query(pg, lock_sql, 1, &request->name, &result, err);
    if (rc == 0) {
        pg_result_clear(result);
        rc = insert_job(pg, request, id, found, err);
    }
    if (rc == 0)
        rc = pg_exec(pg, "COMMIT", err);
    return rc == 0 ? 0
                   : error_wrap(err, rc, "could not queue the %s", job_kind_name(request->kind));
}

int
job_queue_load(struct pg *pg, const char *name, const struct load_selection *selection,
               const char *reason, int64_t *id, bool *found, struct error *err)
{
    static const struct job_ranges none;
    const struct job_request request = {
        .name = name, .kind = JOB_LOAD, .selection = selection, .ranges = &none, .reason = reason};
    return queue_job(pg, &request, id, found, err);
}

int
job_queue_verify(struct pg *pg, const char *name, enum job_kind kind,
                 const struct load_selection *selection, const struct job_ranges *ranges,
                 const char *reason, int64_t *id, bool *found, struct error *err)
{
    const struct job_request request = {
        .name = name, .kind = kind, .selection = selection, .ranges = ranges, .reason = reason};
    CHECK(kind == JOB_VERIFY || kind == JOB_CHECK);
    CHECK(selection->ids == NULL && (ranges->count == 0 || !selection->has_range));
    return queue_job(pg, &request, id, found, err);
}

int
job_queue_csv(struct pg *pg, const char *name, const char *directory, const char *reason,
              int64_t *id, bool *found, struct error *err)
{
    const char *const params[] = {name, directory, reason};
    struct pg_result *result;
    CHECK(name != NULL && directory != NULL && reason != NULL);
    int rc = pg_exec(pg, "BEGIN", err);
    if (rc == 0)
        rc = pg_query(pg, lock_sql, 1, &name, &result, err);
    if (rc == 0) {
        pg_result_clear(result);
        rc = pg_query(pg, queue_csv_sql, 3, params, &result, err);
    }
    if (rc == 0) {
        CHECK(pg_rows(result) == 1);
        *id = pg_integer(result, 0, 0);
        *found = pg_boolean(result, 0, 1);
        pg_result_clear(result);
        rc = pg_exec(pg, "COMMIT", err);
    }
    return rc == 0 ? 0 : error_wrap(err, rc, "could not queue the load");
}

int
job_queue_load_all(struct pg *pg, const char *name, const char *reason, int64_t *id,
                   struct error *err)
{
    static const struct load_selection everything;
    bool found;
    return job_queue_load(pg, name, &everything, reason, id, &found, err);
}

int
job_queue_cancel(struct pg *pg, const char *name, int64_t id, bool *found, bool *ended,
                 struct error *err)
{
    char text[INTEGER_TEXT_BYTES];
    const char *const params[] = {name, text};
    struct pg_result *result;
    snprintf(text, sizeof text, "%" PRId64, id);
    int rc = pg_query(pg,
                      "UPDATE bitdex_jobs SET cancel_requested = true, updated_at = now(),"
                      " finished_at = CASE WHEN state = 'queued' THEN now() END,"
                      " state = CASE WHEN state = 'queued' THEN 'cancelled' ELSE state END"
                      " WHERE name = $1 AND id = $2::bigint AND state IN ('queued', 'running')"
                      " RETURNING state = 'cancelled'",
                      2, params, &result, err);
    if (rc != 0)
        return error_wrap(err, rc, "could not cancel job %" PRId64, id);
    *found = pg_rows(result) == 1;
    *ended = *found && pg_boolean(result, 0, 0);
    pg_result_clear(result);
    return 0;
}

/* The begin and the end of the range, as in struct job_shape. */
#define BEGIN_SQL "greatest(coalesce(nullif(after_id, 9223372036854775807) + 1, 0), 0)"
#define END_SQL "coalesce(nullif(up_to_id, 9223372036854775807) + 1, 9223372036854775807)"

static void
read_view(const struct pg_result *row, struct job_view *view)
{
    struct job_place place = {.next_id = pg_integer(row, 0, 3)};
    int64_t begin = pg_integer(row, 0, 5);
    int64_t end = pg_integer(row, 0, 6);
    int64_t last_id = pg_integer(row, 0, 7);
    *view = (struct job_view){
        .id = pg_integer(row, 0, 0),
        .cancel_requested = pg_boolean(row, 0, 8),
        .ratio = -1,
        .passes = pg_integer(row, 0, 4),
        .rows = pg_integer(row, 0, 9),
        .bytes = pg_integer(row, 0, 10),
        .rejected = pg_integer(row, 0, 11),
        .end_tick = pg_integer(row, 0, 13),
    };
    snprintf(view->state_name, sizeof view->state_name, "%s", pg_text(row, 0, 1));
    snprintf(view->error, sizeof view->error, "%s", pg_text(row, 0, 12));
    view->state = strcmp(view->state_name, "queued") == 0    ? JOB_STATE_QUEUED
                  : strcmp(view->state_name, "running") == 0 ? JOB_STATE_RUNNING
                                                             : JOB_STATE_ENDED;
    if (!pg_is_null(row, 0, 7) && begin < end && job_stage_find(pg_text(row, 0, 2), &place.stage))
        view->ratio = job_place_ratio(&place, begin, end, last_id);
}

int
job_queue_view(struct pg *pg, const char *name, int64_t id, struct job_view *view, bool *found,
               struct error *err)
{
    char text[INTEGER_TEXT_BYTES];
    const char *const params[] = {name, text};
    struct pg_result *result;
    CHECK(id > 0);
    snprintf(text, sizeof text, "%" PRId64, id);
    int rc = pg_query(pg,
                      "SELECT id, state, stage, next_id, next_pass, " BEGIN_SQL ", " END_SQL
                      ", last_id, cancel_requested, rows, bytes, rejected, error, end_tick FROM"
                      " bitdex_jobs"
                      " WHERE name = $1 AND id = $2::bigint",
                      2, params, &result, err);
    if (rc != 0)
        return error_wrap(err, rc, "could not read job %" PRId64, id);
    *found = pg_rows(result) == 1;
    if (*found)
        read_view(result, view);
    pg_result_clear(result);
    return 0;
}

int
job_queue_print(struct pg *pg, const char *name, int64_t id, int64_t limit, struct buffer *json,
                struct error *err)
{
    char texts[2][INTEGER_TEXT_BYTES];
    const char *const params[] = {name, id > 0 ? texts[0] : NULL, texts[1]};
    struct pg_result *result;
    CHECK(limit > 0);
    snprintf(texts[0], sizeof texts[0], "%" PRId64, id);
    snprintf(texts[1], sizeof texts[1], "%" PRId64, limit);
    int rc = pg_query(
        pg,
        "SELECT coalesce(pg_catalog.json_agg(j ORDER BY id), '[]') FROM (SELECT id, kind, state,"
        " cancel_requested, source_table AS \"table\", fields, phases, csv,"
        " nullif(after_id, 9223372036854775807) + 1 AS begin,"
        " nullif(up_to_id, 9223372036854775807) + 1 AS \"end\","
        " pg_catalog.cardinality(ids) AS ids, ranges, end_tick,"
        " reason, created_at, started_at, finished_at, updated_at, stage, next_id,"
        " next_pass, last_id, rows, ops_written, chunks, bytes, rejected, uncovered,"
        " error, dumps FROM bitdex_jobs WHERE name = $1 AND ($2::bigint IS NULL OR"
        " id = $2::bigint) ORDER BY id DESC LIMIT $3::bigint) j",
        3, params, &result, err);
    if (rc != 0)
        return error_wrap(err, rc, "could not read the jobs");
    CHECK(pg_rows(result) == 1);
    buffer_append_text(json, pg_text(result, 0, 0));
    pg_result_clear(result);
    return 0;
}
