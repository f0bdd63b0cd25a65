#include "producer/source/guards_table.h"

#include "common/base/check.h"
#include "common/pg/legacy_cleanup.h"

#define OUTBOX "'\"BitdexOps\"'::regclass::oid"
#define SEQUENCE "pg_get_serial_sequence('\"BitdexOps\"', 'id')"
#define RUN_INIT "run bitdex-producer init"
#define INIT "`init`"
#define SESSION GUARD_AT_SESSION
#define AGAIN (GUARD_AT_SESSION | GUARD_AT_INTERVAL)

/* No relation may be read without the rule for it: a query of a guard must not wait for a lock of
 * its own, or cost more while the outbox grows. */
const struct guard guards_table[] = {
    {
        .name = "direct connection",
        .holds = "`postgres` leads to the server itself, not to a connection pooler",
        .times = GUARD_AT_CONNECT,
        .in_check = "problem",
        .way_out = "name the server in `postgres`",
    },
    {
        .name = "server version",
        .holds = "PostgreSQL 14 or newer",
        .times = SESSION,
        .in_check = "problem",
        .way_out = "upgrade the server",
        .refused = "current_setting('server_version_num')::int < 140000",
        .message = "PostgreSQL 14 or newer is needed",
    },
    {
        .name = "primary server",
        .holds = "the server is no standby",
        .times = GUARD_AT_CONNECT | GUARD_AT_INTERVAL,
        .in_check = "problem",
        .way_out = "name the primary in `postgres`, or add `target_session_attrs=read-write`",
        .refused = "pg_is_in_recovery()",
        .message = "this server is a standby, where rows become visible in another order: name the"
                   " primary in postgres",
    },
    {
        .name = "outbox",
        .holds = "the table `\"BitdexOps\"` exists",
        .times = AGAIN,
        .in_check = "problem",
        .way_out = INIT,
        .refused = "to_regclass('\"BitdexOps\"') IS NULL",
        .message = "table \"BitdexOps\" is missing: " RUN_INIT,
    },
    {
        .name = "outbox name",
        .holds = "only one schema of the `search_path` has a table of that name",
        .times = AGAIN,
        .in_check = "problem",
        .way_out = "rename or drop the other table, or set `search_path` in `postgres`",
        .refused = "(SELECT count(*) FROM pg_class JOIN pg_namespace ON pg_namespace.oid ="
                   " relnamespace WHERE relname = 'BitdexOps' AND nspname = ANY"
                   " (current_schemas(false))) > 1",
        .message = "several schemas of the search_path have a table \"BitdexOps\", so that the"
                   " producer and the triggers may not mean the same one: rename or drop those"
                   " that are not the outbox, or set search_path in the options of postgres",
    },
    {
        .name = "outbox kind",
        .holds = "it is an ordinary logged table, without partitions and inheritance",
        .times = AGAIN,
        .in_check = "problem",
        .way_out = "`ALTER TABLE ... SET LOGGED`, or an ordinary table with the same rows",
        .refused = "NOT EXISTS (SELECT FROM pg_class WHERE pg_class.oid = " OUTBOX
                   " AND relkind = 'r' AND relpersistence = 'p' AND NOT relispartition) OR"
                   " EXISTS (SELECT FROM pg_inherits WHERE " OUTBOX " IN (inhparent, inhrelid))",
        .message = "\"BitdexOps\" must be an ordinary table, logged, without partitions and"
                   " inheritance: a crash empties an unlogged table, and the rows of several tables"
                   " cannot be told apart. ALTER TABLE \"BitdexOps\" SET LOGGED, or stop the"
                   " writers, copy the rows into an ordinary table of that name, and run"
                   " bitdex-producer init",
    },
    {
        .name = "outbox columns",
        .holds = "it has the columns `id`, `entity_id`, `ops`, `created_at` and `txid`",
        .times = AGAIN,
        .in_check = "problem",
        .way_out = INIT,
        .refused =
            "(SELECT count(*) FROM pg_attribute WHERE attrelid = " OUTBOX " AND NOT attisdropped"
            " AND (attname, format_type(atttypid, NULL)) IN (('id', 'bigint'), ('entity_id',"
            " 'bigint'), ('ops', 'jsonb'), ('created_at', 'timestamp with time zone'), ('txid',"
            " 'xid8'))) <> 5",
        .message = "\"BitdexOps\" must have the columns id bigint, entity_id bigint, ops jsonb,"
                   " created_at timestamptz and txid xid8: " RUN_INIT,
    },
    {
        .name = "transaction ids",
        .holds = "`txid` is `NOT NULL DEFAULT pg_current_xact_id()`, and checked to be that",
        .times = AGAIN,
        .in_check = "problem",
        .way_out = INIT,
        .refused =
            "NOT EXISTS (SELECT FROM pg_attribute a JOIN pg_attrdef d ON adrelid = attrelid AND"
            " adnum = attnum WHERE attrelid = " OUTBOX " AND attname = 'txid' AND attnotnull AND"
            " pg_get_expr(adbin, adrelid) = 'pg_current_xact_id()') OR NOT EXISTS (SELECT FROM"
            " pg_constraint WHERE conrelid = " OUTBOX " AND contype = 'c' AND NOT convalidated AND"
            " pg_get_constraintdef(oid) LIKE 'CHECK ((txid = pg_current_xact_id()))%')",
        .message = "\"BitdexOps\".txid must be NOT NULL DEFAULT pg_current_xact_id(), with CHECK"
                   " (txid = pg_current_xact_id()) NOT VALID: drop the constraint"
                   " bitdex_ops_txid_is_own if it was validated, then " RUN_INIT,
    },
    {
        .name = "outbox indexes",
        .holds = "it has valid indexes on `id` and on `txid`",
        .times = AGAIN,
        .in_check = "problem",
        .way_out = INIT,
        .refused = "(SELECT count(DISTINCT attname) FROM pg_index JOIN pg_attribute ON attrelid ="
                   " indrelid AND attnum = indkey[0] WHERE indrelid = " OUTBOX " AND indisvalid AND"
                   " indpred IS NULL AND attname IN ('id', 'txid')) <> 2",
        .message = "\"BitdexOps\" must have valid indexes on id and on txid: " RUN_INIT,
    },
    {
        .name = "outbox sequence",
        .holds = "its ids come from a sequence of its own with `CACHE 1` and `INCREMENT 1`",
        .times = AGAIN,
        .in_check = "problem",
        .way_out = "`ALTER SEQUENCE ... CACHE 1 INCREMENT 1`, and end the sessions that have taken"
                   " ids in advance",
        .later = "the next session voids all fields and loads them",
        .refused = "NOT EXISTS (SELECT FROM pg_sequence WHERE seqrelid = " SEQUENCE
                   "::regclass::oid AND seqcache = 1 AND seqincrement = 1)",
        .message = "the ids of \"BitdexOps\" must come from a sequence of its own with CACHE 1 and"
                   " INCREMENT 1, as only then does their order follow the commits of a row: alter"
                   " it, then end the sessions that may have taken ids in advance",
    },
    {
        .name = "outbox row security",
        .holds = "row security hides no row of it from the producer's role",
        .times = AGAIN,
        .in_check = "problem",
        .way_out = "`ALTER ROLE ... BYPASSRLS`, or connect as its owner",
        .refused = "row_security_active(" OUTBOX ")",
        .message = "row security can hide rows of \"BitdexOps\" from the producer's role: ALTER"
                   " ROLE ... BYPASSRLS, or let the producer connect as the table's owner",
    },
    {
        .name = "own tables",
        .holds = "the tables `bitdex_...` exist",
        .times = AGAIN,
        .in_check = "problem",
        .way_out = INIT,
        .refused =
            "to_regclass('bitdex_producers') IS NULL OR to_regclass('bitdex_windows') IS NULL OR"
            " to_regclass('bitdex_dead_letters') IS NULL OR to_regclass('bitdex_cursors') IS NULL"
            " OR to_regclass('bitdex_jobs') IS NULL OR to_regclass('bitdex_sources') IS NULL",
        .message = "tables of the producer are missing: " RUN_INIT,
    },
    {
        .name = "columns of own tables",
        .holds = "these tables are of this version",
        .times = SESSION,
        .in_check = "problem",
        .way_out = INIT,
        .refused =
            "EXISTS (SELECT FROM (VALUES"
            " ('bitdex_producers', ARRAY['voided', 'voided_sent']),"
            " ('bitdex_windows', ARRAY['content_digest', 'answered']),"
            " ('bitdex_dead_letters', ARRAY['job', 'place', 'retried_txid', 'invalid_values']),"
            " ('bitdex_jobs', ARRAY['source_table', 'fields', 'ids', 'cancel_requested', 'epoch',"
            " 'plan', 'stage', 'next_id', 'next_pass', 'last_id', 'rows', 'ops_written', 'chunks',"
            " 'bytes', 'rejected', 'uncovered', 'dumps', 'error', 'started_at', 'finished_at',"
            " 'csv', 'ranges', 'end_tick'])"
            ") AS own (name, columns), pg_catalog.unnest(columns) AS needed WHERE NOT EXISTS"
            " (SELECT FROM pg_attribute WHERE attrelid = name::regclass::oid AND attname = needed"
            " AND NOT attisdropped))",
        .message = "the producer's tables are those of an earlier version: " RUN_INIT,
    },
    {
        .name = "no legacy cleanup",
        .holds = "no trigger `trg_cleanup_bitdex_ops` deletes from the outbox",
        .times = AGAIN,
        .in_check = "problem",
        .way_out = "`init --remove-legacy-cleanup`",
        .refused = LEGACY_CLEANUP_EXISTS,
        .message = LEGACY_CLEANUP_MESSAGE,
    },
    {
        .name = "privileges",
        .holds = "the producer's role has the rights of `docs/roles.sql`",
        .times = AGAIN,
        .end = GUARD_WAITS,
        .in_check = "problem",
        .way_out = "`GRANT` them",
        .later = "the first session of a process stops instead",
        .refused = "NOT (has_table_privilege('\"BitdexOps\"', 'SELECT') AND"
                   " has_table_privilege('\"BitdexOps\"', 'DELETE') AND"
                   " has_sequence_privilege(" SEQUENCE ", 'USAGE, SELECT') AND"
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
        .message =
            "the producer's role needs SELECT and DELETE on \"BitdexOps\", USAGE and SELECT on its"
            " sequence, SELECT, INSERT and UPDATE on bitdex_producers, SELECT, INSERT and DELETE on"
            " bitdex_windows, SELECT, INSERT and UPDATE on bitdex_dead_letters, SELECT, INSERT and"
            " UPDATE on bitdex_jobs and bitdex_sources: GRANT them, as docs/roles.sql does",
    },
    /* Only a restored dump of another cluster brings rows with transaction ids of the future. The
     * condition reads the index entries of these, and of open transactions that are newer than
     * every one that has ended: they may be many, so it is not asked again (F61). */
    {
        .name = "outbox rows",
        .holds = "no row is of a transaction that this cluster has not begun",
        .times = SESSION,
        .in_check = "problem",
        .way_out = "delete these rows, then `cursor adopt`",
        .refused = "(SELECT txid FROM \"BitdexOps\" WHERE txid >="
                   " pg_snapshot_xmax(pg_current_snapshot()) ORDER BY txid LIMIT 1) IS NOT NULL",
        .message =
            "\"BitdexOps\" holds rows of transactions that this cluster has not begun yet, from"
            " the dump of another one: they would be sent late, over newer ones; DELETE FROM"
            " \"BitdexOps\" WHERE txid >= pg_snapshot_xmax(pg_current_snapshot()), then run"
            " bitdex-producer cursor adopt, which opens a new epoch if one is needed",
    },
    {
        .name = "source tables",
        .holds = "the tables that the configuration names exist",
        .times = SESSION,
        .in_check = "problem",
        .way_out = "create them",
        .later = "during `run`, \"table history\" finds it",
    },
    {
        .name = "cursor",
        .holds = "the saved cursor belongs to this database and to this topic",
        .times = SESSION,
        .in_check = "problem",
        .way_out = "`cursor adopt`",
    },
    {
        .name = "generation",
        .holds = "no later session has taken the cursor",
        .kind = GUARD_OF_CURSOR,
        .times = GUARD_AT_WRITE,
        .in_check = "nothing",
        .way_out = "none is needed: the other producer sends",
    },
    {
        .name = "same server",
        .holds = "every connection of a session reaches the server of its cursor, by system"
                 " identifier and timeline",
        .kind = GUARD_OF_CONNECTION,
        .times = GUARD_AT_CONNECT,
        .end = GUARD_WAITS,
        .in_check = "nothing",
        .way_out = "name one server in `postgres`",
    },
    {
        .name = "outbox history",
        .holds = "the outbox was not truncated or created again, and its sequence was not altered",
        .kind = GUARD_OF_OUTBOX,
        .times = AGAIN,
        .end = GUARD_VOIDS,
        .in_check = "nothing",
        .way_out = "wait for the load of everything that the producer queues",
        .later = "all fields",
    },
    {
        .name = "triggers",
        .holds = "triggers in place write every configured field, in every partition",
        .kind = GUARD_OF_TRIGGERS,
        .times = AGAIN,
        .end = GUARD_VOIDS,
        .in_check = "problem or warning, under `triggers`",
        .way_out = "`triggers apply`; the producer then loads the tables",
        .later = "the fields that they do not write any more",
    },
    {
        .name = "table history",
        .holds = "nothing has changed the rows of a source table without its triggers, and its"
                 " triggers were altered by `triggers apply` only",
        .kind = GUARD_OF_TABLES,
        .times = GUARD_AT_SESSION | GUARD_AT_WATCH,
        .end = GUARD_VOIDS,
        .in_check = "nothing",
        .way_out = "wait for the load that the producer queues",
        .later = "the fields of the table",
    },
    {
        .name = "source row security",
        .holds = "row security hides no row of a source table from the producer's role",
        .kind = GUARD_OF_READERS,
        .times = GUARD_AT_READ,
        .end = GUARD_WAITS,
        .in_check = "problem, under `row security`",
        .way_out = "`ALTER ROLE ... BYPASSRLS`, or connect as the owner of the tables",
        .later = "ops are sent; requests stay owed and `refresh_error` says why, so that answers to"
                 " queries become incomplete after `consumer.owed_incomplete_s`; loads fail",
    },
    {
        .name = "topic",
        .holds = "the topic exists, with the configured number of partitions,"
                 " `cleanup.policy=delete` and `LogAppendTime`",
        .kind = GUARD_OF_TOPIC,
        .times = GUARD_AT_SESSION | GUARD_AT_INTERVAL,
        .in_check = "problem",
        .way_out = "set it back; a topic that is gone: `init`, then `cursor adopt`",
        .later = "a `retention.ms` or replication that differs from the configuration is logged",
    },
    {
        .name = "topic history",
        .holds = "the topic has what it acknowledged, and nothing that is later than the cursor",
        .kind = GUARD_OF_TOPIC,
        .times = GUARD_AT_SESSION | GUARD_AT_ACK,
        .in_check = "nothing",
        .way_out = "`cursor adopt`",
    },
    {
        .name = "one producer",
        .holds = "no other producer writes to the topic, from a copy of the database or under"
                 " another name",
        .kind = GUARD_OF_TOPIC,
        .times = GUARD_AT_SESSION | GUARD_AT_ACK,
        .in_check = "nothing",
        .way_out = "stop the one that is not meant, then `cursor adopt`",
        .later = "a last mark shows consumers why",
    },
};

const uint32_t guards_table_count = sizeof guards_table / sizeof guards_table[0];

static const struct {
    enum guard_time time;
    const char *name;
} times[] = {
    {GUARD_AT_CONNECT, "connection"},           {GUARD_AT_SESSION, "session"},
    {GUARD_AT_INTERVAL, "`guard_interval_ms`"}, {GUARD_AT_WATCH, "`watch_interval_ms`"},
    {GUARD_AT_WRITE, "write of the cursor"},    {GUARD_AT_ACK, "acknowledgement"},
    {GUARD_AT_READ, "read of source tables"},
};

static void
print_times(const struct guard *guard, struct buffer *out)
{
    const char *separator = "";
    CHECK(guard->times != 0);
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        if ((guard->times & times[i].time) == 0)
            continue;
        buffer_append_format(out, "%s%s", separator, times[i].name);
        separator = ", ";
    }
}

static const char *
end_name(enum guard_end end)
{
    switch (end) {
    case GUARD_STOPS:
        return "stops";
    case GUARD_WAITS:
        return "waits";
    case GUARD_VOIDS:
        return "voids";
    }
    CHECK(!"an end");
    return "";
}

void
guards_table_print(struct buffer *out)
{
    buffer_append_text(out, "| guard | what must hold | asked at every | `check` says | way out |"
                            " `run`, later |\n|---|---|---|---|---|---|\n");
    for (uint32_t i = 0; i < guards_table_count; i++) {
        const struct guard *guard = &guards_table[i];
        buffer_append_format(out, "| %s | %s | ", guard->name, guard->holds);
        print_times(guard, out);
        buffer_append_format(out, " | %s | %s | %s%s%s |\n", guard->in_check, guard->way_out,
                             end_name(guard->end), guard->later != NULL ? ": " : "",
                             guard->later != NULL ? guard->later : "");
    }
}
