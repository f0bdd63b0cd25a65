/* Failure modes: a lock that is not granted soon ends the statement with ERR_RETRY, because the
 * transaction of the snapshot, and with it the stream, waits meanwhile.
 */
#include "producer/load/load_session.h"

#include "common/base/check.h"
#include "producer/source/source_connection.h"
#include "producer/triggers/row_sql.h"

/* In addition to what source_connect() sets. Values are printed as by the functions of generate.c.
 * Stale statistics must not turn the read of a range into one of the whole table, so plans that do
 * that are off. */
static const char settings[] = "SET intervalstyle = 'postgres';"
                               "SET bytea_output = 'hex';"
                               "SET jit = off;"
                               "SET max_parallel_workers_per_gather = 0;"
                               "SET enable_seqscan = off;"
                               "SET enable_hashjoin = off;"
                               "SET enable_mergejoin = off;"
                               "SET enable_sort = off;"
                               "SET lock_timeout = '300ms'";

void
load_session_append_table(const struct entry_table *table, struct buffer *sql)
{
    CHECK(table->quoted != NULL);
    if (sql->bytes > 0)
        buffer_append_text(sql, ", ");
    buffer_append_format(sql, "%s%s", table->is_partitioned ? "" : "ONLY ", table->quoted);
}

static void
append_tables(struct buffer *sql, const struct load_source *sources, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct entry *entry = sources[i].entry;
        load_session_append_table(&entry->table, sql);
        for (uint32_t j = 0; j < entry->link_count; j++)
            load_session_append_table(&entry->links[j].table, sql);
    }
}

void
load_session_append_tables(const struct load_plan *plan, struct buffer *sql)
{
    append_tables(sql, plan->ranges, plan->range_count);
    append_tables(sql, plan->passes, plan->pass_count);
    CHECK(sql->bytes > 0);
}

int
load_session_prepare(struct pg *pg, struct error *err)
{
    return pg_exec(pg, settings, err);
}

int
load_session_open(const char *conninfo, const struct cursor_history *expected, struct pg **pg,
                  struct error *err)
{
    int rc = source_connect(conninfo, "bitdex-producer load", expected, pg, err);
    if (rc != 0)
        return rc;
    rc = load_session_prepare(*pg, err);
    if (rc != 0) {
        pg_close(*pg);
        *pg = NULL;
    }
    return rc;
}

int
load_session_export(struct pg *pg, struct buffer *snapshot, struct error *err)
{
    struct pg_result *result;
    int rc = pg_query(pg, "SELECT pg_export_snapshot()", 0, NULL, &result, err);
    if (rc != 0)
        return error_wrap(err, rc, "could not export a snapshot");
    CHECK(pg_rows(result) == 1);
    buffer_append_text(snapshot, pg_text(result, 0, 0));
    pg_result_clear(result);
    return 0;
}

int
load_session_begin(struct pg *pg, const char *snapshot, struct error *err)
{
    struct buffer sql = {0};
    buffer_append_text(&sql, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
                             " SET TRANSACTION SNAPSHOT ");
    pg_append_literal(&sql, snapshot);
    int rc = pg_exec(pg, buffer_string(&sql), err);
    buffer_free(&sql);
    return rc != 0 ? error_wrap(err, rc, "could not import a snapshot") : 0;
}

int
load_session_end(struct pg *pg, struct error *err)
{
    return pg_exec(pg, "ROLLBACK", err);
}

int
load_session_enter(struct pg *pg, struct error *err)
{
    return pg_exec(pg, "SAVEPOINT bitdex_reading", err);
}

int
load_session_leave(struct pg *pg, struct error *err)
{
    return pg_exec(pg, "ROLLBACK TO SAVEPOINT bitdex_reading; RELEASE SAVEPOINT bitdex_reading",
                   err);
}

int
load_session_copy(struct pg *pg, const struct entry *entry, const char *query, struct error *err)
{
    struct buffer sql = {0};
    CHECK(query[0] != '\0');
    buffer_append_text(&sql, "SET LOCAL search_path = ");
    row_sql_append_search_path(&sql, entry);
    buffer_append_format(&sql, "; COPY (%s) TO STDOUT (FORMAT binary)", query);
    int rc = pg_copy_start(pg, buffer_string(&sql), err);
    buffer_free(&sql);
    return rc;
}
