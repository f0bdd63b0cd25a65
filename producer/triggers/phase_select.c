/* The query is wrapped as `(SELECT ...) AS _row(columns)`. Postgres moves the conditions on the
 * slot into it, where the query lets it; whether it does is read from the plan.
 */
#include "producer/triggers/phase_select.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/config/config_copy.h"
#include "producer/triggers/catalogue.h"
#include "producer/triggers/sql.h"

#define ROW "_row"

int
phase_select_refuse(const struct phase_select *select, const char *setting, struct error *err,
                    const char *format, ...)
{
    char reason[ERROR_MESSAGE_BYTES];
    va_list arguments;
    CHECK(select->phase != NULL);
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    return error_set(err, ERR_USAGE, "%s:%u:%u: dump_phases[%u].%s: %s", select->config->path,
                     select->phase->place.line, select->phase->place.column, select->index, setting,
                     reason);
}

static void
append_from(struct buffer *out, const struct phase_select *select)
{
    const struct config_dump_phase *phase = select->phase;
    buffer_append_text(out, " FROM (");
    buffer_append(out, select->select.data, select->select.bytes);
    buffer_append_text(out, "\n) AS " ROW "("); /* the query may end with a comment */
    for (uint32_t i = 0; i < phase->column_count; i++) {
        buffer_append_text(out, i > 0 ? ", " : "");
        sql_append_name(out, phase->columns[i]);
    }
    buffer_append_text(out, ") WHERE ");
    sql_append_column(out, ROW, phase->slot_field);
    buffer_append_text(out, " IS NOT NULL");
}

void
phase_select_append_range(struct buffer *out, const struct phase_select *select,
                          const uint32_t *columns, uint32_t column_count,
                          const struct select_range *range)
{
    buffer_append_text(out, "SELECT ");
    sql_append_column(out, ROW, select->phase->slot_field);
    for (uint32_t i = 0; i < column_count; i++) {
        CHECK(columns[i] < select->phase->column_count);
        select_append_value(out, &select->columns[columns[i]]);
    }
    append_from(out, select);
    select_append_bounds(out, ROW, select->phase->slot_field, range);
}

void
phase_select_append_next_slot(struct buffer *out, const struct phase_select *select, int64_t begin)
{
    const struct select_range range = {.has_begin = true, .begin = begin};
    phase_select_append_range(out, select, NULL, 0, &range);
    buffer_append_text(out, " ORDER BY ");
    sql_append_column(out, ROW, select->phase->slot_field);
    buffer_append_text(out, " LIMIT 1");
}

/* Runs a statement; what Postgres refuses is reported as a mistake in the query. */
static int
run(struct pg *pg, const struct phase_select *select, const char *sql, struct pg_result **result,
    struct error *err)
{
    int rc = pg_query(pg, sql, 0, NULL, result, err);
    if (rc != ERR_FATAL)
        return rc;
    struct error reason = *err;
    return phase_select_refuse(select, "copy_query", err, "%s", reason.message);
}

static int
read_types(struct pg *pg, struct phase_select *select, const struct pg_result *result,
           struct error *err)
{
    const struct config_dump_phase *phase = select->phase;
    int rc = 0;
    if (pg_columns(result) != (int)phase->column_count)
        return phase_select_refuse(select, "columns", err,
                                   "the query has %d columns, and %u are named", pg_columns(result),
                                   phase->column_count);
    for (uint32_t i = 0; rc == 0 && i < phase->column_count; i++) {
        bool is_integer;
        rc = catalogue_read_type(pg, pg_column_type(result, (int)i), &select->columns[i],
                                 &is_integer, err);
        if (rc == 0 && !is_integer && strcmp(phase->columns[i], phase->slot_field) == 0)
            rc = phase_select_refuse(select, "slot_field", err,
                                     "column %s of the query is not of an integer type, as ids of "
                                     "entities must be",
                                     phase->slot_field);
    }
    return rc;
}

static int
read_columns(struct pg *pg, struct arena *arena, struct phase_select *select, struct error *err)
{
    struct pg_result *result;
    struct buffer sql = {0};
    for (uint32_t i = 0; i < select->phase->column_count; i++) {
        const char *name = select->phase->columns[i];
        buffer_clear(&sql);
        buffer_append_format(&sql, "{%s}", name);
        select->columns[i] = (struct entry_value){
            .target = name,
            .expression = arena_strdup(arena, text_of(buffer_string(&sql))),
        };
    }
    buffer_clear(&sql);
    buffer_append_text(&sql, "SELECT * FROM (");
    buffer_append(&sql, select->select.data, select->select.bytes);
    buffer_append_text(&sql, "\n) AS " ROW " LIMIT 0");
    int rc = run(pg, select, buffer_string(&sql), &result, err);
    buffer_free(&sql);
    if (rc != 0)
        return rc;
    rc = read_types(pg, select, result, err);
    pg_result_clear(result);
    return rc;
}

/* The scan of a table or an index in a line of a plan; NULL: it has no scan. */
static const char *
find_scan(const char *line)
{
    static const char *const scans[] = {
        "Seq Scan on ",
        "Index Scan ",
        "Index Only Scan ",
        "Bitmap Heap Scan on ",
    };
    CHECK(line != NULL);
    for (size_t i = 0; i < sizeof scans / sizeof scans[0]; i++) {
        const char *scan = strstr(line, scans[i]);
        if (scan != NULL && strstr(line, "Bitmap Index Scan") == NULL)
            return scan;
    }
    return NULL;
}

/* The first scan without a condition that an index serves: it reads everything. The conditions of a
 * scan follow it, before the next one. Scans of whole tables are switched off, so that a plan has
 * one only where there is no other way. */
static const char *
find_whole_scan(const struct pg_result *plan)
{
    const char *open = NULL;
    for (int row = 0; row < pg_rows(plan); row++) {
        const char *line = pg_text(plan, row, 0);
        const char *scan = find_scan(line);
        if (scan != NULL && open != NULL)
            return open;
        if (scan != NULL)
            open = scan;
        else if (strstr(line, "Index Cond: ") != NULL || strstr(line, "Recheck Cond: ") != NULL)
            open = NULL;
    }
    return open;
}

/* A step that needs all its rows before it gives the first one. */
static const char *
find_blocking_step(const struct pg_result *plan)
{
    static const char *const steps[] = {"Sort", "HashAggregate", "WindowAgg"};
    for (int row = 0; row < pg_rows(plan); row++) {
        const char *line = pg_text(plan, row, 0);
        CHECK(line != NULL);
        line += strspn(line, " ->");
        for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
            if (strcmp(line, steps[i]) == 0)
                return steps[i];
    }
    return NULL;
}

static int
explain(struct pg *pg, const struct phase_select *select, const struct buffer *query,
        struct pg_result **plan, struct error *err)
{
    struct buffer sql = {0};
    buffer_append_text(&sql, "EXPLAIN (COSTS off) ");
    buffer_append(&sql, query->data, query->bytes);
    int rc = run(pg, select, buffer_string(&sql), plan, err);
    buffer_free(&sql);
    return rc;
}

static int
check_next_slot(struct pg *pg, const struct phase_select *select, struct error *err)
{
    struct pg_result *result;
    struct buffer sql = {0};
    phase_select_append_next_slot(&sql, select, 1);
    int rc = explain(pg, select, &sql, &result, err);
    buffer_free(&sql);
    if (rc != 0)
        return rc;
    const char *step = find_blocking_step(result);
    if (step != NULL)
        rc = phase_select_refuse(select, "copy_query", err,
                                 "finding the next entity would read all rows after it (%s): "
                                 "leave out DISTINCT, GROUP BY and ORDER BY",
                                 step);
    pg_result_clear(result);
    return rc;
}

static int
check_plan(struct pg *pg, const struct phase_select *select, struct error *err)
{
    struct pg_result *result;
    struct buffer sql = {0};
    const struct select_range range = {.has_begin = true, .begin = 1, .has_end = true, .end = 2};
    phase_select_append_range(&sql, select, NULL, 0, &range);
    int rc = explain(pg, select, &sql, &result, err);
    buffer_free(&sql);
    if (rc != 0)
        return rc;
    const char *scan = find_whole_scan(result);
    if (scan != NULL)
        rc =
            phase_select_refuse(select, "copy_query", err,
                                "each part of a load would read a whole table (%s): the slot must "
                                "be a column with an index, and every other table be joined by one",
                                scan);
    pg_result_clear(result);
    return rc;
}

static int
check_ranges(struct pg *pg, const struct phase_select *select, struct error *err)
{
    struct error ignored;
    int rc = pg_exec(pg,
                     "BEGIN; SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off;"
                     " SET LOCAL enable_mergejoin = off; SET LOCAL enable_sort = off;"
                     " SET LOCAL max_parallel_workers_per_gather = 0",
                     err);
    if (rc != 0)
        return rc;
    rc = check_plan(pg, select, err);
    if (rc == 0)
        rc = check_next_slot(pg, select, err);
    int ended = pg_exec(pg, "ROLLBACK", rc == 0 ? err : &ignored);
    return rc == 0 ? ended : rc;
}

int
phase_select_read(struct pg *pg, struct arena *arena, const struct config *config, uint32_t index,
                  struct phase_select *select, struct error *err)
{
    const struct config_dump_phase *phase = &config->dump_phases[index];
    CHECK(index < config->dump_phase_count);
    CHECK(phase->copy_query != NULL);
    *select = (struct phase_select){.config = config, .index = index, .phase = phase};
    select->columns = arena_alloc(arena, phase->column_count * sizeof *select->columns);
    bool is_copy = config_copy_select(phase->copy_query, &select->select);
    CHECK(is_copy); /* config_rules.c */
    int rc = read_columns(pg, arena, select, err);
    return rc == 0 ? check_ranges(pg, select, err) : rc;
}
