#include "producer/source/retention.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "producer/source/source_connection.h"
#include "producer/source/window.h"

/* The saved s1 and `answered` of each producer. A cursor of another history, or with transactions
 * of the future, counts as one that has sent nothing. */
#define SENT                                                                               \
    "WITH here AS (SELECT system_identifier::text AS id,"                                  \
    " substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) AS timeline,"                    \
    " pg_snapshot_xmax(pg_current_snapshot()) AS next_xid FROM pg_control_system()),"      \
    " sent AS MATERIALIZED (SELECT p.name, CASE WHEN here THEN w.s1 ELSE empty END AS s1," \
    " CASE WHEN here THEN coalesce(w.answered, w.s1) ELSE empty END AS answered"           \
    " FROM here, bitdex_producers p LEFT JOIN LATERAL (SELECT s1, answered"                \
    " FROM bitdex_windows WHERE name = p.name ORDER BY tick DESC, sub_id DESC LIMIT 1) w"  \
    " ON true CROSS JOIN LATERAL (SELECT p.system_identifier = here.id"                    \
    " AND p.timeline = here.timeline AND pg_snapshot_xmax(w.s1) <= here.next_xid AS here," \
    " '" SNAPSHOT_EMPTY "'::pg_snapshot AS empty) AS history)"

#define HAS_NO_REQUEST " AND NOT ops @> '[{\"op\":\"refresh\"}]'"

/* The batch is read along the index on txid. The statistics of the outbox are always stale, and
 * must not make the planner choose anything else (F82). */
static const char session_settings[] =
    "SET lock_timeout = '1s'; SET jit = off; SET enable_sort = off; SET enable_seqscan = off;"
    " SET enable_bitmapscan = off";

void
retention_init(struct retention *retention, const struct config_retention *config)
{
    CHECK(config->batch_rows > 0 && config->min_age_s >= 0);
    *retention = (struct retention){.config = config};
    for (int i = 0; i < RETENTION_SWEEPS; i++)
        retention->sweeps[i] = (struct retention_sweep){
            .kind = (enum retention_sweep_kind)i,
            .done = {.xmin = 1, .xmax = 1},
        };
}

void
retention_free(struct retention *retention)
{
    CHECK(retention->config != NULL);
    for (int i = 0; i < RETENTION_SWEEPS; i++) {
        snapshot_free(&retention->sweeps[i].done);
        snapshot_free(&retention->sweeps[i].target);
    }
}

int
retention_connect(const char *conninfo, struct pg **pg, struct error *err)
{
    int rc = source_connect(conninfo, "bitdex-producer retention", NULL, pg, err);
    if (rc != 0)
        return rc;
    rc = pg_exec(*pg, session_settings, err);
    if (rc == 0)
        rc = source_pin_outbox(*pg, err);
    if (rc != 0) {
        pg_close(*pg);
        *pg = NULL;
    }
    return rc;
}

/* The columns that retention_poll() reads; from SENT_SNAPSHOTS on, one for each sweep. */
enum { SENT_NAME, SENT_WAITING_S, SENT_SNAPSHOTS };

/* Finds the cursor that holds back the oldest row that is otherwise old enough. */
static void
retention_find_holder(struct retention *retention, const struct pg_result *sent)
{
    retention->held_by[0] = '\0';
    retention->held_s = 0;
    for (int i = 0; i < pg_rows(sent); i++) {
        int64_t waiting_s = pg_integer(sent, i, SENT_WAITING_S);
        if (waiting_s <= retention->config->min_age_s || waiting_s <= retention->held_s)
            continue;
        snprintf(retention->held_by, sizeof retention->held_by, "%s", pg_text(sent, i, SENT_NAME));
        retention->held_s = waiting_s;
    }
    CHECK(retention->held_s == 0 || retention->held_s > retention->config->min_age_s);
    CHECK(retention->held_s > 0 || retention->held_by[0] == '\0');
}

/* `target` then sees what every producer has sent, or answered. */
static int
sweep_narrow(struct retention_sweep *sweep, const struct pg_result *sent, struct error *err)
{
    struct snapshot one = {0};
    int column = SENT_SNAPSHOTS + (int)sweep->kind;
    CHECK(pg_rows(sent) > 0);
    int rc = snapshot_parse(&sweep->target, pg_text(sent, 0, column), err);
    for (int i = 1; rc == 0 && i < pg_rows(sent); i++) {
        rc = snapshot_parse(&one, pg_text(sent, i, column), err);
        if (rc == 0)
            snapshot_narrow(&sweep->target, &one);
    }
    snapshot_free(&one);
    return rc;
}

/* The first transaction of the window. */
static uint64_t
sweep_first_xid(const struct snapshot *done, const struct snapshot *target)
{
    uint64_t *late = memory_alloc((done->xip_count + 1) * sizeof *late);
    uint64_t first = window_late_xids(done, target, late) > 0 ? late[0] : done->xmax;
    free(late);
    CHECK(first > 0);
    CHECK(first <= done->xmax);
    return first;
}

static int
sweep_aim(struct retention_sweep *sweep, const struct pg_result *sent, struct error *err)
{
    if (sweep->has_target || pg_rows(sent) == 0)
        return 0; /* without rows there is no producer yet */
    int rc = sweep_narrow(sweep, sent, err);
    if (rc != 0)
        return rc;
    sweep->has_target = window_may_hold_rows(&sweep->done, &sweep->target);
    sweep->at_xid = sweep_first_xid(&sweep->done, &sweep->target);
    return 0;
}

/* Aims the second sweep at the rows after the end of the first one. As long as nothing is owed, it
 * has none. */
static int
retention_aim_sent(struct retention *retention, const struct pg_result *sent, struct error *err)
{
    const struct retention_sweep *first = &retention->sweeps[RETENTION_ANSWERED];
    struct retention_sweep *second = &retention->sweeps[RETENTION_SENT];
    const struct snapshot *end = first->has_target ? &first->target : &first->done;
    if (second->has_target && second->target.xmax > end->xmax)
        return 0;
    second->has_target = false;
    if (second->done.xmax < end->xmax)
        snapshot_copy(&second->done, end);
    return sweep_aim(second, sent, err);
}

int
retention_poll(struct retention *retention, struct pg *pg, enum retention_next *next,
               struct error *err)
{
    struct pg_result *sent;
    CHECK(retention->config != NULL);
    int rc = pg_query(pg,
                      SENT " SELECT name, (SELECT CASE WHEN isfinite(created_at)"
                           " THEN extract(epoch FROM now() - created_at)::bigint END"
                           " FROM \"BitdexOps\" WHERE txid >= pg_snapshot_xmax(s1)"
                           " ORDER BY txid LIMIT 1), answered, s1 FROM sent",
                      0, NULL, &sent, err);
    if (rc != 0)
        return error_wrap(err, rc, "could not read which rows were sent");
    retention_find_holder(retention, sent);
    rc = sweep_aim(&retention->sweeps[RETENTION_ANSWERED], sent, err);
    if (rc == 0)
        rc = retention_aim_sent(retention, sent, err);
    pg_result_clear(sent);
    bool first = retention->sweeps[RETENTION_ANSWERED].has_target;
    retention->turn = first ? RETENTION_ANSWERED : RETENTION_SENT;
    *next =
        rc == 0 && retention->sweeps[retention->turn].has_target ? RETENTION_MORE : RETENTION_WAIT;
    return rc;
}

/* A row without a time, or with a time in the future, counts as old, so that no value of created_at
 * keeps a row longer than min_age_s. The statement reads the cursors again, because one may have
 * been set back. It compares the ids as well, because the same place may be in several tables. */
static void
retention_write_sql(const struct retention *retention, const struct retention_sweep *sweep,
                    struct buffer *sql)
{
    bool is_answered = sweep->kind == RETENTION_ANSWERED;
    CHECK(sweep->has_target);
    buffer_append_text(sql,
                       SENT ", batch AS MATERIALIZED (SELECT ctid AS place, id, txid, created_at"
                            " FROM \"BitdexOps\" WHERE ");
    window_append_condition(&sweep->done, &sweep->target, sql);
    buffer_append_format(sql, " AND txid >= '%" PRIu64 "'::xid8 AND txid < '%" PRIu64 "'::xid8%s",
                         sweep->at_xid, sweep->target.xmax, is_answered ? "" : HAS_NO_REQUEST);
    buffer_append_format(sql, " ORDER BY txid LIMIT %d),", retention->config->batch_rows);
    buffer_append_format(
        sql,
        " judged AS MATERIALIZED (SELECT place, id, txid, coalesce(created_at <= now()"
        " - make_interval(secs => %" PRId64 ") OR created_at > clock_timestamp(),"
        " true) AND NOT EXISTS (SELECT FROM sent"
        " WHERE NOT pg_visible_in_snapshot(txid, %s)) AS due FROM batch),",
        retention->config->min_age_s, is_answered ? "answered" : "s1");
    buffer_append_text(sql,
                       " removed AS (DELETE FROM \"BitdexOps\" WHERE ctid = ANY (ARRAY(SELECT place"
                       " FROM judged WHERE due)) AND id = ANY (ARRAY(SELECT id FROM judged WHERE"
                       " due)) RETURNING 1)"
                       " SELECT count(*), (SELECT count(*) FROM removed),"
                       " max(txid::text::numeric) FILTER (WHERE due),"
                       " min(txid::text::numeric) FILTER (WHERE NOT due) FROM judged");
}

/* `batch`: number of rows read, number of rows removed, last transaction of the rows that were due,
 * first transaction of those that were not. True: another batch is due in the window. */
static bool
sweep_advance(struct retention_sweep *sweep, const struct pg_result *batch, int64_t batch_rows)
{
    bool full = pg_integer(batch, 0, 0) == batch_rows;
    bool kept = !pg_is_null(batch, 0, 3);
    uint64_t before_xid = sweep->at_xid;
    CHECK(sweep->has_target);
    if (kept || full)
        sweep->at_xid = strtoull(pg_text(batch, 0, kept ? 3 : 2), NULL, 10);
    CHECK(sweep->at_xid >= before_xid);
    if (!kept && full) /* else a trigger or rule forbids to delete */
        return pg_integer(batch, 0, 1) > 0 || sweep->at_xid > before_xid;
    if (!kept) {
        snapshot_copy(&sweep->done, &sweep->target);
        sweep->has_target = false;
    }
    return false;
}

int
retention_remove(struct retention *retention, struct pg *pg, int64_t *rows,
                 enum retention_next *next, struct error *err)
{
    struct buffer sql = {0};
    struct pg_result *batch;
    struct retention_sweep *sweep = &retention->sweeps[retention->turn];
    CHECK(*rows >= 0);
    retention_write_sql(retention, sweep, &sql);
    int rc = pg_query(pg, buffer_string(&sql), 0, NULL, &batch, err);
    buffer_free(&sql);
    if (rc != 0)
        return error_wrap(err, rc, "could not remove sent rows");
    *rows += pg_integer(batch, 0, 1);
    bool more = sweep_advance(sweep, batch, retention->config->batch_rows);
    if (!more && retention->turn == RETENTION_ANSWERED) {
        retention->turn = RETENTION_SENT;
        more = retention->sweeps[RETENTION_SENT].has_target;
    }
    *next = more ? RETENTION_MORE : RETENTION_WAIT;
    pg_result_clear(batch);
    return 0;
}
