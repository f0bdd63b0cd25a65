#include "producer/source/outbox_signature.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base/check.h"
#include "producer/source/source_tables.h"

#define RELATION "\"BitdexOps\""

/* $1: the producer; $2: the row of now. Every ALTER SEQUENCE writes a row of pg_sequence. Takes no
 * lock but that of reading the outbox. */
static const char query_sql[] =
    "WITH now AS (SELECT pg_catalog.jsonb_build_object('oid', c.oid::bigint, 'file',"
    " pg_relation_filenode(c.oid)::bigint, 'sequence', pg_catalog.concat_ws('/', s.seqrelid, "
    "s.xmin,"
    " pg_relation_filenode(s.seqrelid)), 'row', $2::bigint) AS signature FROM pg_class c LEFT JOIN "
    "pg_sequence s ON "
    "s.seqrelid = pg_get_serial_sequence("
    "'" RELATION "', 'id')::regclass::oid WHERE c.oid = '" RELATION "'::regclass::oid)"
    " SELECT now.signature, b.signature, b.reason, now.signature - '{sequence,row}'::text[]"
    " = b.signature - '{sequence,row}'::text[], now.signature->'sequence' ="
    " b.signature->'sequence', now.signature->'row' = b.signature->'row',"
    " EXISTS (SELECT FROM " RELATION " WHERE id = (b.signature->>'row')::bigint)"
    " FROM now LEFT JOIN bitdex_sources b ON b.name = $1 AND b.relation = '" RELATION "'";

enum { NOW, BEFORE, REASON, SAME_TABLE, SAME_SEQUENCE, SAME_ROW, HAS_ROW };

int
outbox_signature_read(struct pg *pg, const char *name, int64_t row_id, struct pg_result **result,
                      struct outbox_signature *signature, struct error *err)
{
    char id[24];
    snprintf(id, sizeof id, "%" PRId64, row_id);
    const char *const params[] = {name, id};
    int rc = pg_query(pg, query_sql, 2, params, result, err);
    if (rc != 0)
        return error_wrap(err, rc, "could not find out whether the outbox has changed");
    CHECK(pg_rows(*result) == 1);
    *signature = (struct outbox_signature){
        .now = pg_text(*result, 0, NOW),
        .before = pg_is_null(*result, 0, BEFORE) ? NULL : pg_text(*result, 0, BEFORE),
        .reason = pg_is_null(*result, 0, REASON) ? NULL : pg_text(*result, 0, REASON),
        .is_same_table = pg_boolean(*result, 0, SAME_TABLE),
        .is_same_sequence = pg_boolean(*result, 0, SAME_SEQUENCE),
        .is_same_row = pg_boolean(*result, 0, SAME_ROW),
        .has_row = pg_boolean(*result, 0, HAS_ROW),
    };
    return 0;
}

const char *
outbox_signature_compare(const struct outbox_signature *signature)
{
    CHECK(signature->now != NULL);
    if (signature->before == NULL)
        return NULL;
    if (!signature->is_same_table && !signature->has_row)
        return "\"BitdexOps\" was truncated or created again, and rows that were not sent may be"
               " lost";
    if (!signature->is_same_sequence)
        return "the sequence of \"BitdexOps\" was altered, and rows may have been sent in another"
               " order than they were committed";
    return NULL;
}

int
outbox_signature_save(struct pg *pg, const struct cursor_owner *owner,
                      const struct outbox_signature *signature, const char *reason,
                      struct error *err)
{
    return source_tables_save(pg, owner, RELATION, signature->now, reason, err);
}
