#include "producer/source/guards.h"

#include <string.h>

#include "common/base/check.h"
#include "common/pg/legacy_cleanup.h"
#include "producer/source/cursor.h"

struct guard {
    const char *name;
    const char *refused; /* an SQL condition that holds when the guard does not */
    const char *message; /* what to do then */
    int (*check)(struct pg *pg, const struct config *config,
                 struct error *err); /* instead of SQL */
};

/* A pooling proxy gives the session, with its lock and settings, to another client after a
 * transaction (F69). A proxy shows process ids of its own. */
static int
guard_check_direct(struct pg *pg, const struct config *config, struct error *err)
{
    (void)config;
    struct pg_result *result;
    int rc = pg_query(pg, "SELECT pg_backend_pid()", 0, NULL, &result, err);
    if (rc != 0)
        return error_wrap(err, rc, "could not check the connection");
    CHECK(pg_rows(result) == 1);
    bool direct = pg_integer(result, 0, 0) == pg_backend_pid(pg);
    pg_result_clear(result);
    if (direct)
        return 0;
    return error_set(err, ERR_FATAL,
                     "postgres leads to a proxy (a connection pooler), which shares a session"
                     " between clients: name the server itself");
}

static int
guard_check_cursor(struct pg *pg, const struct config *config, struct error *err)
{
    struct cursor_history history;
    int rc = cursor_read_history(pg, &history, err);
    return rc != 0 ? rc : cursor_check(pg, config, &history, err);
}

static void
append_table(struct buffer *sql, const char *table)
{
    struct buffer name = {0};
    CHECK(table != NULL);
    pg_append_identifier(&name, table);
    buffer_append_text(sql, ", ");
    pg_append_literal(sql, buffer_string(&name));
    buffer_free(&name);
}

/* Those that the configuration names. */
static void
append_tables(struct buffer *sql, const struct config *config)
{
    CHECK(config->triggers != NULL || config->trigger_count == 0);
    CHECK(config->dump_phases != NULL || config->dump_phase_count == 0);
    for (uint32_t i = 0; i < config->trigger_count; i++) {
        const struct config_trigger *trigger = &config->triggers[i];
        append_table(sql, trigger->table);
        for (uint32_t j = 0; j < trigger->link_count; j++)
            append_table(sql, trigger->links[j].table);
    }
    for (uint32_t i = 0; i < config->dump_phase_count; i++)
        if (config->dump_phases[i].copy_query != NULL) /* else its rows are in a CSV file */
            append_table(sql, config->dump_phases[i].table);
}

static int
guard_check_tables(struct pg *pg, const struct config *config, struct error *err)
{
    struct buffer sql = {0};
    struct pg_result *result;
    buffer_append_text(&sql,
                       "SELECT string_agg(DISTINCT name, ', ') FROM pg_catalog.unnest(ARRAY[NULL");
    append_tables(&sql, config);
    buffer_append_text(&sql, "]::text[]) AS name WHERE to_regclass(name) IS NULL");
    int rc = pg_query(pg, buffer_string(&sql), 0, NULL, &result, err);
    buffer_free(&sql);
    if (rc != 0)
        return error_wrap(err, rc, "could not check the source tables");
    CHECK(pg_rows(result) == 1);
    if (!pg_is_null(result, 0, 0))
        rc = error_set(err, ERR_FATAL,
                       "tables that the configuration names do not exist: %s; create them and their"
                       " triggers before the producer starts",
                       pg_text(result, 0, 0));
    pg_result_clear(result);
    return rc;
}

#define OUTBOX "'\"BitdexOps\"'::regclass::oid"
#define RUN_INIT "run bitdex-producer init"

static const struct guard guards[] = {
    {"direct connection", NULL, NULL, guard_check_direct},
    {"server version", "current_setting('server_version_num')::int < 140000",
     "PostgreSQL 14 or newer is needed", NULL},
    {"primary server", "pg_is_in_recovery()",
     "this server is a standby, where rows become visible in another order: name the primary in"
     " postgres",
     NULL},
    {"outbox", "to_regclass('\"BitdexOps\"') IS NULL", "table \"BitdexOps\" is missing: " RUN_INIT,
     NULL},
    {"outbox columns",
     "(SELECT count(*) FROM pg_attribute WHERE attrelid = " OUTBOX " AND NOT attisdropped"
     " AND (attname, format_type(atttypid, NULL)) IN (('id', 'bigint'), ('entity_id', 'bigint'),"
     " ('ops', 'jsonb'), ('created_at', 'timestamp with time zone'), ('txid', 'xid8'))) <> 5",
     "\"BitdexOps\" must have the columns id bigint, entity_id bigint, ops jsonb, created_at"
     " timestamptz and txid xid8: " RUN_INIT,
     NULL},
    {"transaction ids",
     "NOT EXISTS (SELECT FROM pg_attribute a JOIN pg_attrdef d ON adrelid = attrelid AND adnum ="
     " attnum WHERE attrelid = " OUTBOX " AND attname = 'txid' AND attnotnull AND"
     " pg_get_expr(adbin, adrelid) = 'pg_current_xact_id()') OR NOT EXISTS (SELECT FROM"
     " pg_constraint WHERE conrelid = " OUTBOX " AND contype = 'c' AND NOT convalidated AND"
     " pg_get_constraintdef(oid) LIKE 'CHECK ((txid = pg_current_xact_id()))%')",
     "\"BitdexOps\".txid must be NOT NULL DEFAULT pg_current_xact_id(), with CHECK (txid ="
     " pg_current_xact_id()) NOT VALID: drop the constraint bitdex_ops_txid_is_own if it was"
     " validated, then " RUN_INIT,
     NULL},
    {"outbox indexes",
     "(SELECT count(DISTINCT attname) FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND"
     " attnum = indkey[0] WHERE indrelid = " OUTBOX " AND indisvalid AND indpred IS NULL AND"
     " attname IN ('id', 'txid')) <> 2",
     "\"BitdexOps\" must have valid indexes on id and on txid: " RUN_INIT, NULL},
    {"outbox sequence",
     "NOT EXISTS (SELECT FROM pg_sequence WHERE seqrelid ="
     " pg_get_serial_sequence('\"BitdexOps\"', 'id')::regclass::oid AND seqcache = 1 AND"
     " seqincrement = 1)",
     "the ids of \"BitdexOps\" must come from a sequence of its own with CACHE 1 and INCREMENT 1,"
     " as only then does their order follow the commits of a row: alter it",
     NULL},
    {"own tables",
     "to_regclass('bitdex_producers') IS NULL OR to_regclass('bitdex_windows') IS NULL OR"
     " to_regclass('bitdex_dead_letters') IS NULL OR to_regclass('bitdex_cursors') IS NULL OR"
     " to_regclass('bitdex_jobs') IS NULL OR to_regclass('bitdex_sources') IS NULL",
     "tables of the producer are missing: " RUN_INIT, NULL},
    {"columns of own tables",
     "EXISTS (SELECT FROM (VALUES"
     " ('bitdex_producers', ARRAY['voided', 'voided_sent']),"
     " ('bitdex_windows', ARRAY['content_digest', 'answered']),"
     " ('bitdex_dead_letters', ARRAY['job', 'place', 'retried_txid',"
     " 'invalid_values']),"
     " ('bitdex_jobs', ARRAY['source_table', 'fields', 'ids', 'cancel_requested', 'epoch', 'plan',"
     " 'stage', 'next_id', 'next_pass', 'last_id', 'rows', 'ops_written', 'chunks', 'bytes',"
     " 'rejected', 'uncovered', 'dumps', 'error', 'started_at', 'finished_at', 'csv', 'ranges',"
     " 'end_tick'])"
     ") AS own (name, columns), pg_catalog.unnest(columns) AS needed WHERE NOT EXISTS (SELECT FROM "
     "pg_attribute"
     " WHERE attrelid = name::regclass::oid AND attname = needed AND NOT attisdropped))",
     "the producer's tables are those of an earlier version: " RUN_INIT, NULL},
    {"no legacy cleanup", LEGACY_CLEANUP_EXISTS, LEGACY_CLEANUP_MESSAGE, NULL},
    {"privileges",
     "NOT (has_table_privilege('\"BitdexOps\"', 'SELECT') AND"
     " has_table_privilege('\"BitdexOps\"', 'DELETE') AND"
     " has_sequence_privilege(pg_get_serial_sequence('\"BitdexOps\"', 'id'), 'USAGE, SELECT') AND"
     " has_table_privilege('bitdex_producers', 'SELECT') AND"
     " has_table_privilege('bitdex_producers', 'INSERT') AND"
     " has_table_privilege('bitdex_producers', 'UPDATE') AND"
     " has_table_privilege('bitdex_windows', 'SELECT') AND"
     " has_table_privilege('bitdex_windows', 'INSERT') AND"
     " has_table_privilege('bitdex_windows', 'DELETE') AND"
     " has_table_privilege('bitdex_dead_letters', 'SELECT') AND"
     " has_table_privilege('bitdex_dead_letters', 'INSERT') AND"
     " has_table_privilege('bitdex_dead_letters', 'UPDATE') AND"
     " has_table_privilege('bitdex_jobs', 'SELECT') AND"
     " has_table_privilege('bitdex_jobs', 'INSERT') AND"
     " has_table_privilege('bitdex_jobs', 'UPDATE') AND"
     " has_table_privilege('bitdex_sources', 'SELECT') AND"
     " has_table_privilege('bitdex_sources', 'INSERT') AND"
     " has_table_privilege('bitdex_sources', 'UPDATE'))",
     "the producer's role needs SELECT and DELETE on \"BitdexOps\", USAGE and SELECT on its"
     " sequence, SELECT, INSERT and UPDATE on bitdex_producers, SELECT, INSERT and DELETE on"
     " bitdex_windows, SELECT, INSERT and UPDATE on bitdex_dead_letters, SELECT, INSERT and UPDATE "
     "on"
     " bitdex_jobs and bitdex_sources: GRANT them, as docs/roles.sql does",
     NULL},
    /* Only a restored dump of another cluster brings rows with transaction ids of the future. */
    {"outbox rows",
     "EXISTS (SELECT FROM \"BitdexOps\" WHERE txid >= pg_snapshot_xmax(pg_current_snapshot()))",
     "\"BitdexOps\" holds rows of transactions that this cluster has not begun yet, from the dump "
     "of"
     " another one: they would be sent late, over newer ones; DELETE FROM \"BitdexOps\" WHERE txid"
     " >= pg_snapshot_xmax(pg_current_snapshot()), then run bitdex-producer cursor adopt, which"
     " opens a new epoch if one is needed",
     NULL},
    {"source tables", NULL, NULL, guard_check_tables},
    {"cursor", NULL, NULL, guard_check_cursor},
};

/* The SQL of a guard relies on what these have checked. */
static const struct {
    const char *guard;
    const char *needed;
} needs[] = {
    {"outbox columns", "outbox"},
    {"transaction ids", "outbox"},
    {"outbox indexes", "outbox"},
    {"outbox sequence", "outbox columns"},
    {"columns of own tables", "own tables"},
    {"privileges", "outbox columns"},
    {"privileges", "own tables"},
    {"outbox rows", "privileges"},
    {"cursor", "columns of own tables"},
    {"cursor", "privileges"},
};

uint32_t
guards_count(void)
{
    return sizeof guards / sizeof guards[0];
}

const char *
guards_name(uint32_t guard)
{
    CHECK(guard < guards_count());
    return guards[guard].name;
}

static uint32_t
guards_find(const char *name)
{
    uint32_t guard = 0;
    while (guard < guards_count() && strcmp(guards[guard].name, name) != 0)
        guard++;
    CHECK(guard < guards_count());
    return guard;
}

const char *
guards_missing(uint32_t guard, const bool *held)
{
    CHECK(guard < guards_count());
    for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++) {
        uint32_t needed = guards_find(needs[i].needed);
        CHECK(needed < guards_find(needs[i].guard));
        if (guards_find(needs[i].guard) == guard && !held[needed])
            return guards[needed].name;
    }
    return NULL;
}

int
guards_check(uint32_t guard, struct pg *pg, const struct config *config, struct error *err)
{
    CHECK(guard < guards_count());
    const struct guard *guarded = &guards[guard];
    CHECK((guarded->check == NULL) == (guarded->refused != NULL && guarded->message != NULL));
    if (guarded->check != NULL)
        return guarded->check(pg, config, err);
    struct buffer sql = {0};
    struct pg_result *result;
    buffer_append_format(&sql, "SELECT %s", guarded->refused);
    int rc = pg_query(pg, buffer_string(&sql), 0, NULL, &result, err);
    buffer_free(&sql);
    if (rc != 0)
        return error_wrap(err, rc, "could not check the %s", guarded->name);
    if (pg_boolean(result, 0, 0))
        rc = error_set(err, ERR_FATAL, "%s", guarded->message);
    pg_result_clear(result);
    return rc;
}

static int
guards_check_first(uint32_t count, struct pg *pg, const struct config *config, struct error *err)
{
    int rc = 0;
    CHECK(count <= guards_count());
    for (uint32_t i = 0; rc == 0 && i < count; i++)
        rc = guards_check(i, pg, config, err);
    return rc;
}

int
guards_check_all(struct pg *pg, const struct config *config, struct error *err)
{
    return guards_check_first(guards_count(), pg, config, err);
}

int
guards_check_source(struct pg *pg, const struct config *config, struct error *err)
{
    CHECK(guards[guards_count() - 1].check == guard_check_cursor);
    return guards_check_first(guards_count() - 1, pg, config, err);
}

int
guards_check_own_tables(struct pg *pg, const struct config *config, struct error *err)
{
    int rc = 0;
    uint32_t found = 0;
    for (uint32_t i = 0; rc == 0 && i < guards_count(); i++) {
        if (strstr(guards[i].name, "own tables") == NULL)
            continue;
        found++;
        rc = guards_check(i, pg, config, err);
    }
    CHECK(rc != 0 || found == 2);
    return rc;
}
