#include "producer/source/retention.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "producer/source/window.h"

/* The saved s1 of each producer. A cursor of another history, or with transactions of the future,
 * counts as one that has sent nothing. */
#define SENT                                                                                  \
    "WITH here AS (SELECT system_identifier::text AS id,"                                     \
    " substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) AS timeline,"                       \
    " pg_snapshot_xmax(pg_current_snapshot()) AS next_xid FROM pg_control_system()),"         \
    " sent AS MATERIALIZED (SELECT p.name, CASE"                                              \
    " WHEN p.system_identifier = here.id AND p.timeline = here.timeline"                      \
    " AND pg_snapshot_xmax(w.s1) <= here.next_xid THEN w.s1 ELSE '" SNAPSHOT_EMPTY "' END s1" \
    " FROM here, bitdex_producers p LEFT JOIN LATERAL (SELECT s1 FROM bitdex_windows"         \
    " WHERE name = p.name ORDER BY tick DESC, sub_id DESC LIMIT 1) w ON true)"

/* The batch is read along the index on txid. The statistics of the outbox are always stale, and
 * must not make the planner choose anything else (F82). */
static const char session_settings[] =
    "SET lock_timeout = '1s'; SET jit = off; SET enable_sort = off; SET enable_seqscan = off;"
    " SET enable_bitmapscan = off";

void
retention_init(struct retention *retention, const struct config_retention *config)
{
    CHECK(config->batch_rows > 0 && config->min_age_s >= 0);
    *retention = (struct retention){.config = config, .done = {.xmin = 1, .xmax = 1}};
}

void
retention_free(struct retention *retention)
{
    CHECK(retention->config != NULL);
    snapshot_free(&retention->done);
    snapshot_free(&retention->target);
}

int
retention_connect(const char *conninfo, struct pg **pg, struct error *err)
{
    int rc = pg_connect(conninfo, "bitdex-producer retention", pg, err);
    if (rc != 0)
        return rc;
    rc = pg_exec(*pg, session_settings, err);
    if (rc != 0) {
        pg_close(*pg);
        *pg = NULL;
    }
    return rc;
}

/* Finds the cursor that holds back the oldest row that is otherwise old enough. */
static void
retention_find_holder(struct retention *retention, const struct pg_result *sent)
{
    retention->held_by[0] = '\0';
    retention->held_s = 0;
    for (int i = 0; i < pg_rows(sent); i++) {
        int64_t waiting_s = pg_integer(sent, i, 2);
        if (waiting_s <= retention->config->min_age_s || waiting_s <= retention->held_s)
            continue;
        snprintf(retention->held_by, sizeof retention->held_by, "%s", pg_text(sent, i, 0));
        retention->held_s = waiting_s;
    }
    CHECK(retention->held_s == 0 || retention->held_s > retention->config->min_age_s);
    CHECK(retention->held_s > 0 || retention->held_by[0] == '\0');
}

/* `target` then sees what every producer has sent. */
static int
retention_narrow(struct snapshot *target, const struct pg_result *sent, struct error *err)
{
    struct snapshot s1 = {0};
    CHECK(pg_rows(sent) > 0);
    int rc = snapshot_parse(target, pg_text(sent, 0, 1), err);
    for (int i = 1; rc == 0 && i < pg_rows(sent); i++) {
        rc = snapshot_parse(&s1, pg_text(sent, i, 1), err);
        if (rc == 0)
            snapshot_narrow(target, &s1);
    }
    snapshot_free(&s1);
    return rc;
}

/* The first transaction of the window. */
static uint64_t
retention_first_xid(const struct snapshot *done, const struct snapshot *target)
{
    uint64_t *late = memory_alloc((done->xip_count + 1) * sizeof *late);
    uint64_t first = window_late_xids(done, target, late) > 0 ? late[0] : done->xmax;
    free(late);
    CHECK(first > 0);
    CHECK(first <= done->xmax);
    return first;
}

static int
retention_aim(struct retention *retention, const struct pg_result *sent, struct error *err)
{
    CHECK(!retention->has_target);
    if (pg_rows(sent) == 0)
        return 0; /* there is no producer yet */
    int rc = retention_narrow(&retention->target, sent, err);
    if (rc != 0)
        return rc;
    retention->has_target = window_may_hold_rows(&retention->done, &retention->target);
    retention->at_xid = retention_first_xid(&retention->done, &retention->target);
    return 0;
}

int
retention_poll(struct retention *retention, struct pg *pg, enum retention_next *next,
               struct error *err)
{
    struct pg_result *sent;
    CHECK(retention->config != NULL);
    int rc = pg_query(pg,
                      SENT " SELECT name, s1, (SELECT CASE WHEN isfinite(created_at)"
                           " THEN extract(epoch FROM now() - created_at)::bigint END"
                           " FROM \"BitdexOps\" WHERE txid >= pg_snapshot_xmax(s1)"
                           " ORDER BY txid LIMIT 1) FROM sent",
                      0, NULL, &sent, err);
    if (rc != 0)
        return error_wrap(err, rc, "could not read which rows were sent");
    retention_find_holder(retention, sent);
    if (!retention->has_target)
        rc = retention_aim(retention, sent, err);
    pg_result_clear(sent);
    *next = rc == 0 && retention->has_target ? RETENTION_MORE : RETENTION_WAIT;
    return rc;
}

/* A row without a time, or with a time in the future, counts as old, so that no value of created_at
 * keeps a row longer than min_age_s. The statement reads the cursors again, because one may have
 * been set back. */
static void
retention_write_sql(const struct retention *retention, struct buffer *sql)
{
    CHECK(retention->has_target);
    buffer_append_text(sql, SENT ", batch AS MATERIALIZED (SELECT ctid AS place, txid, created_at"
                                 " FROM \"BitdexOps\" WHERE ");
    window_append_condition(&retention->done, &retention->target, sql);
    buffer_append_format(sql,
                         " AND txid >= '%" PRIu64 "'::xid8 AND txid < '%" PRIu64 "'::xid8"
                         " ORDER BY txid LIMIT %d),",
                         retention->at_xid, retention->target.xmax, retention->config->batch_rows);
    buffer_append_format(sql,
                         " judged AS MATERIALIZED (SELECT place, txid, coalesce(created_at <= now()"
                         " - make_interval(secs => %" PRId64 ") OR created_at > clock_timestamp(),"
                         " true) AND NOT EXISTS (SELECT FROM sent"
                         " WHERE NOT pg_visible_in_snapshot(txid, s1)) AS due FROM batch),",
                         retention->config->min_age_s);
    buffer_append_text(sql,
                       " removed AS (DELETE FROM \"BitdexOps\" WHERE ctid = ANY (ARRAY(SELECT place"
                       " FROM judged WHERE due)) RETURNING 1)"
                       " SELECT count(*), (SELECT count(*) FROM removed),"
                       " max(txid::text::numeric) FILTER (WHERE due),"
                       " min(txid::text::numeric) FILTER (WHERE NOT due) FROM judged");
}

/* `batch`: number of rows read, number of rows removed, last transaction of the rows that were due,
 * first transaction of those that were not. */
static enum retention_next
retention_advance(struct retention *retention, const struct pg_result *batch)
{
    bool full = pg_integer(batch, 0, 0) == retention->config->batch_rows;
    bool kept = !pg_is_null(batch, 0, 3);
    uint64_t before_xid = retention->at_xid;
    CHECK(retention->has_target);
    if (kept || full)
        retention->at_xid = strtoull(pg_text(batch, 0, kept ? 3 : 2), NULL, 10);
    CHECK(retention->at_xid >= before_xid);
    if (kept)
        return RETENTION_WAIT;
    if (full) {
        bool moved = pg_integer(batch, 0, 1) > 0 || retention->at_xid > before_xid;
        return moved ? RETENTION_MORE : RETENTION_WAIT; /* a trigger or rule forbids to delete */
    }
    snapshot_copy(&retention->done, &retention->target);
    retention->has_target = false;
    return RETENTION_WAIT;
}

int
retention_remove(struct retention *retention, struct pg *pg, int64_t *rows,
                 enum retention_next *next, struct error *err)
{
    struct buffer sql = {0};
    struct pg_result *batch;
    CHECK(*rows >= 0);
    retention_write_sql(retention, &sql);
    int rc = pg_query(pg, buffer_string(&sql), 0, NULL, &batch, err);
    buffer_free(&sql);
    if (rc != 0)
        return error_wrap(err, rc, "could not remove sent rows");
    *rows += pg_integer(batch, 0, 1);
    *next = retention_advance(retention, batch);
    pg_result_clear(batch);
    return 0;
}
