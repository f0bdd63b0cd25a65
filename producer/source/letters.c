#include "producer/source/letters.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base/check.h"
#include "common/base/memory.h"

enum { KEY_PARAMS = 5, ROWS_MAX = 3, INTEGER_TEXT_BYTES = 24 };

int
letters_count_open(struct pg *pg, const char *name, int64_t *count, struct error *err)
{
    struct pg_result *result;
    CHECK(name != NULL);
    int rc = pg_query(pg,
                      "SELECT count(*) FROM bitdex_dead_letters d WHERE name = $1"
                      " AND NOT " LETTER_IS_RESOLVED,
                      1, &name, &result, err);
    if (rc != 0)
        return error_wrap(err, rc, "could not count the dead letters");
    CHECK(pg_rows(result) == 1);
    *count = pg_integer(result, 0, 0);
    pg_result_clear(result);
    return 0;
}

int
letters_remove_old(struct pg *pg, const char *name, int32_t days, int64_t limit, int64_t *count,
                   struct error *err)
{
    static const char sql[] =
        "WITH newest AS MATERIALIZED (SELECT p.epoch, w.tick FROM bitdex_producers p CROSS JOIN"
        " LATERAL (SELECT tick FROM bitdex_windows WHERE name = p.name"
        " ORDER BY tick DESC, sub_id DESC LIMIT 1) w WHERE p.name = $1), removed AS (DELETE FROM"
        " bitdex_dead_letters WHERE ctid = ANY (ARRAY(SELECT d.ctid FROM bitdex_dead_letters d,"
        " newest n WHERE d.name = $1 AND d.rejected_at < now() - make_interval(days => $2::int)"
        " AND (d.epoch, d.tick) < (n.epoch, n.tick) LIMIT $3::bigint)) RETURNING 1)"
        " SELECT count(*) FROM removed";
    char texts[2][INTEGER_TEXT_BYTES];
    const char *const params[] = {name, texts[0], texts[1]};
    struct pg_result *result;
    CHECK(days > 0 && limit > 0);
    snprintf(texts[0], sizeof texts[0], "%" PRId32, days);
    snprintf(texts[1], sizeof texts[1], "%" PRId64, limit);
    int rc = pg_query(pg, sql, 3, params, &result, err);
    if (rc != 0)
        return error_wrap(err, rc, "could not remove old dead letters");
    CHECK(pg_rows(result) == 1);
    *count = pg_integer(result, 0, 0);
    CHECK(*count >= 0 && *count <= limit);
    pg_result_clear(result);
    return 0;
}

int
letters_retry(struct pg *pg, const struct letter_key *key, const char *entity_id,
              const char *const *rows, int row_count, bool *found, struct error *err)
{
    static const char sql[] =
        "WITH marked AS (UPDATE bitdex_dead_letters SET retried_txid = pg_current_xact_id()"
        " WHERE name = $1 AND epoch = $2::bigint AND row_id = $3::bigint AND job = $4::bigint"
        " AND place = $5 RETURNING 1), requested AS (INSERT INTO \"BitdexOps\" (entity_id, ops)"
        " SELECT $6::bigint, ops::jsonb FROM marked, pg_catalog.unnest(ARRAY[$7::text, $8::text, "
        "$9::text]) "
        "AS ops"
        " WHERE ops IS NOT NULL) SELECT count(*) FROM marked";
    struct pg_result *result;
    const char *params[KEY_PARAMS + 1 + ROWS_MAX] = {key->name, key->epoch, key->row_id,
                                                     key->job,  key->place, entity_id};
    CHECK(row_count >= 1 && row_count <= ROWS_MAX);
    for (int i = 0; i < row_count; i++)
        params[KEY_PARAMS + 1 + i] = rows[i];
    int rc = pg_query(pg, sql, KEY_PARAMS + 1 + ROWS_MAX, params, &result, err);
    if (rc != 0)
        return error_wrap(err, rc, "could not request dead letter %s again", key->row_id);
    CHECK(pg_rows(result) == 1);
    *found = pg_integer(result, 0, 0) > 0;
    pg_result_clear(result);
    return 0;
}

void
letters_append_retry(const struct letter_key *key, const char *entity_id, const char *const *rows,
                     int row_count, struct buffer *out)
{
    CHECK(row_count >= 1 && row_count <= ROWS_MAX);
    buffer_append_text(out, "BEGIN;\n");
    for (int i = 0; i < row_count; i++) {
        if (rows[i] == NULL)
            continue;
        buffer_append_format(out, "INSERT INTO \"BitdexOps\" (entity_id, ops) VALUES (%s, ",
                             entity_id);
        pg_append_literal(out, rows[i]);
        buffer_append_text(out, ");\n");
    }
    buffer_append_text(out, "UPDATE bitdex_dead_letters SET retried_txid = pg_current_xact_id()"
                            " WHERE name = ");
    pg_append_literal(out, key->name);
    buffer_append_format(out,
                         " AND epoch = %s AND row_id = %s AND job = %s AND place = ", key->epoch,
                         key->row_id, key->job);
    pg_append_literal(out, key->place);
    buffer_append_text(out, ";\nCOMMIT;\n");
}
