/* Happy path: the guards say which right is missing.
 *
 * Failure modes: a statement that needs a right meets its loss before the guards are asked again,
 * and the right may be back when they are. A table that took the place of ours has no rights: then
 * another guard says what has happened. Without USAGE of its schema, a table does not seem to
 * exist.
 */
#include "producer/drain/rights.h"

#include <string.h>

#include "common/base/check.h"
#include "producer/source/guards.h"

/* The schemas of our tables that the role may not use; null: none. */
static const char schemas_sql[] =
    "SELECT quote_ident(current_user), string_agg(DISTINCT quote_ident(nspname), ', ')"
    " FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace"
    " WHERE relname IN ('BitdexOps', 'bitdex_producers', 'bitdex_windows', 'bitdex_dead_letters',"
    " 'bitdex_jobs', 'bitdex_sources') AND NOT has_schema_privilege(n.oid, 'USAGE')";

/* True: fills `err`. */
static bool
misses_schema(struct pg *pg, struct error *err)
{
    struct pg_result *result;
    if (pg_query(pg, schemas_sql, 0, NULL, &result, NULL) != 0)
        return false;
    bool misses = !pg_is_null(result, 0, 1);
    if (misses)
        error_set(
            err, ERR_RETRY,
            "role %s may not use the schema of the producer's tables: GRANT USAGE ON SCHEMA %s"
            " TO %s",
            pg_text(result, 0, 0), pg_text(result, 0, 1), pg_text(result, 0, 0));
    pg_result_clear(result);
    return misses;
}

int
rights_explain(const struct session *session, int rc, struct error *err)
{
    struct pg *pg = session->pg;
    struct error reason;
    CHECK(session->progress->shown.sessions > 0);
    if (rc != ERR_FATAL || pg == NULL || pg_is_lost(pg))
        return rc;
    bool is_denied = strcmp(pg_last_sqlstate(pg), "42501") == 0; /* insufficient_privilege */
    if (misses_schema(pg, err))
        return ERR_RETRY;
    int asked = guards_check_next_session(pg, session->config, &reason);
    if (asked != 0 && !pg_is_lost(pg))
        return error_set(err, asked, "%s", reason.message);
    return is_denied ? error_wrap(err, ERR_RETRY, "a right was missing") : rc;
}
