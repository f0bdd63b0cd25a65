#include "producer/source/cursors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/event/event.h"

/* pg_locks shows the key of an advisory lock in two halves. A cursor holds back the rows that its
 * saved s1 does not see (retention.h). */
static const char list_sql[] =
    "SELECT coalesce(pg_catalog.json_agg(c ORDER BY name), '[]') FROM (SELECT p.name, p.epoch, "
    "p.generation,"
    " EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND"
    " database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND"
    " (classid::bigint << 32) | objid::bigint = pg_catalog.hashtextextended('bitdex-producer ' || "
    "p.name, 0))"
    " AS running, p.topic, p.topic_id, p.partitions, p.timeline, w.tick, w.s2 AS snapshot,"
    " w.last_row_id, w.saved_at, held.rows AS holds_back_rows, held.since AS holds_back_since"
    " FROM bitdex_producers p LEFT JOIN LATERAL (SELECT * FROM bitdex_windows WHERE name = p.name"
    " ORDER BY tick DESC, sub_id DESC LIMIT 1) w ON true"
    " CROSS JOIN LATERAL (SELECT count(*) AS rows, min(created_at) AS since FROM \"BitdexOps\""
    " WHERE txid >= pg_snapshot_xmin(w.s1) AND NOT pg_visible_in_snapshot(txid, w.s1)) held) c";

int
cursors_list(struct pg *pg, struct buffer *out, struct error *err)
{
    struct pg_result *result;
    int rc = pg_query(pg, list_sql, 0, NULL, &result, err);
    if (rc != 0)
        return error_wrap(err, rc, "could not list the cursors");
    CHECK(pg_rows(result) == 1);
    buffer_append_text(out, pg_text(result, 0, 0));
    pg_result_clear(result);
    return 0;
}

/* last_row_id is only the base of the backlog's estimate here, because ids of another history may
 * belong to other rows now. */
static const char open_sql[] =
    "WITH owner AS (INSERT INTO bitdex_producers AS p (name, epoch, generation, topic, topic_id,"
    " partitions, system_identifier, timeline, source_empty) VALUES ($1, $4::bigint, $5::bigint,"
    " $6, gen_random_uuid(), $7::int, $8, $9, false) ON CONFLICT (name) DO UPDATE SET"
    " epoch = excluded.epoch, generation = excluded.generation, topic_id ="
    " CASE WHEN $10::boolean THEN excluded.topic_id ELSE p.topic_id END,"
    " system_identifier = excluded.system_identifier, timeline = excluded.timeline,"
    " source_empty = false, updated_at = now()"
    " WHERE p.epoch = $2::bigint AND p.generation = $3::bigint RETURNING name, generation),"
    " begin AS (SELECT coalesce($11::pg_snapshot, pg_current_snapshot()) AS snapshot),"
    " opened AS (INSERT INTO bitdex_windows (name, tick, sub_id, generation, s1, s2, last_row_id,"
    " seq, digest, offsets, content_digest) SELECT name, (SELECT coalesce(max(tick), 0) + 1 FROM "
    "bitdex_windows"
    " WHERE name = $1), 0, generation, snapshot, snapshot, (SELECT coalesce(max(id), 0) FROM"
    " \"BitdexOps\" WHERE pg_visible_in_snapshot(txid, snapshot)),"
    " array_fill(0::bigint, ARRAY[$7::int]), array_fill($12::bigint, ARRAY[$7::int]),"
    " $13::bigint[], array_fill($12::bigint, ARRAY[$7::int]) FROM owner, begin RETURNING tick),"
    " cancelled AS (UPDATE bitdex_jobs j SET state = 'cancelled', finished_at = now(),"
    " updated_at = now() FROM owner o"
    " WHERE j.name = o.name AND j.kind = 'load' AND j.state IN ('queued', 'running')"
    " AND $14::text IS NOT NULL),"
    " queued AS (INSERT INTO bitdex_jobs (name, kind, reason) SELECT name, 'load', $14 FROM owner"
    " WHERE $14::text IS NOT NULL)"
    " SELECT tick FROM opened";

enum {
    NEW_NAME,
    OLD_EPOCH,
    OLD_GENERATION,
    NEW_EPOCH,
    NEW_GENERATION,
    NEW_TOPIC,
    NEW_PARTITIONS,
    NEW_SYSTEM,
    NEW_TIMELINE,
    NEW_TOPIC_ID,
    NEW_POSITION,
    NEW_DIGEST,
    NEW_OFFSETS,
    NEW_LOAD_REASON,
    OPEN_PARAMS
};

static int
query_open(struct pg *pg, const char *const *params, int64_t *tick, struct error *err)
{
    struct pg_result *result;
    for (int i = 0; i < OPEN_PARAMS; i++)
        CHECK(params[i] != NULL || i == NEW_POSITION || i == NEW_LOAD_REASON);
    int rc = pg_query(pg, open_sql, OPEN_PARAMS, params, &result, err);
    if (rc != 0)
        return error_wrap(err, rc, "could not open a new epoch");
    CHECK(pg_rows(result) <= 1);
    bool opened = pg_rows(result) == 1;
    if (opened)
        *tick = pg_integer(result, 0, 0);
    pg_result_clear(result);
    if (opened)
        return 0;
    return error_set(err, ERR_FATAL,
                     "the cursor of producer \"%s\" was changed meanwhile, so nothing was done; see"
                     " it with: bitdex-producer cursor show",
                     params[NEW_NAME]);
}

int
cursors_open_epoch(struct pg *pg, const struct config *config, const struct cursor_history *history,
                   const struct cursor_owner *owner, const struct cursors_epoch *epoch,
                   int64_t *tick, struct error *err)
{
    struct buffer texts[OPEN_PARAMS] = {0};
    const char *params[OPEN_PARAMS];
    CHECK(epoch->epoch > owner->epoch && epoch->generation > owner->generation);
    CHECK(epoch->offsets != NULL);
    CHECK(config->topic.partitions > 0);
    CHECK(history->system_identifier[0] != '\0' && history->timeline[0] != '\0');
    buffer_append_format(&texts[OLD_EPOCH], "%" PRId64, owner->epoch);
    buffer_append_format(&texts[OLD_GENERATION], "%" PRId64, owner->generation);
    buffer_append_format(&texts[NEW_EPOCH], "%" PRId64, epoch->epoch);
    buffer_append_format(&texts[NEW_GENERATION], "%" PRId64, epoch->generation);
    buffer_append_format(&texts[NEW_PARTITIONS], "%d", config->topic.partitions);
    buffer_append_format(&texts[NEW_DIGEST], "%" PRId64, (int64_t)EVENT_DIGEST_START);
    for (int32_t i = 0; i < config->topic.partitions; i++) {
        CHECK(epoch->offsets[i] >= -1);
        buffer_append_format(&texts[NEW_OFFSETS], "%c%" PRId64, i == 0 ? '{' : ',',
                             epoch->offsets[i]);
    }
    buffer_append_text(&texts[NEW_OFFSETS], "}");
    for (int i = 0; i < OPEN_PARAMS; i++)
        params[i] = buffer_string(&texts[i]);
    params[NEW_NAME] = owner->name;
    params[NEW_TOPIC] = config->topic.name;
    params[NEW_SYSTEM] = history->system_identifier;
    params[NEW_TIMELINE] = history->timeline;
    params[NEW_TOPIC_ID] = epoch->new_topic_id ? "true" : "false";
    params[NEW_POSITION] = epoch->position;
    params[NEW_LOAD_REASON] = epoch->load_reason;
    int rc = query_open(pg, params, tick, err);
    for (int i = 0; i < OPEN_PARAMS; i++)
        buffer_free(&texts[i]);
    return rc;
}

int
cursors_remove(struct pg *pg, const char *name, bool *found, struct error *err)
{
    struct pg_result *result;
    CHECK(name != NULL);
    int rc = pg_query(pg,
                      "WITH windows AS (DELETE FROM bitdex_windows WHERE name = $1),"
                      " jobs AS (DELETE FROM bitdex_jobs WHERE name = $1),"
                      " sources AS (DELETE FROM bitdex_sources WHERE name = $1)"
                      " DELETE FROM bitdex_producers WHERE name = $1 RETURNING name",
                      1, &name, &result, err);
    if (rc != 0)
        return error_wrap(err, rc, "could not remove cursor \"%s\"", name);
    CHECK(pg_rows(result) <= 1);
    *found = pg_rows(result) == 1;
    pg_result_clear(result);
    return 0;
}
