#include "producer/source/source_connection.h"

#include <string.h>

#include "common/base/check.h"

/* A standby has no current WAL file. */
static const char question_sql[] =
    "SELECT recovers, CASE WHEN NOT recovers THEN substr(pg_walfile_name(pg_current_wal_lsn()), 1,"
    " 8) END, system_identifier::text FROM pg_is_in_recovery() AS recovers, pg_control_system()";

enum { RECOVERS, TIMELINE, SYSTEM_IDENTIFIER };

static int
check_answer(const struct pg_result *answer, const struct cursor_history *expected,
             struct error *err)
{
    CHECK(pg_rows(answer) == 1);
    if (pg_boolean(answer, 0, RECOVERS))
        return error_set(err, ERR_FATAL,
                         "this server is a standby, where rows become visible later and in another"
                         " order than on the primary: name the primary in postgres, or add"
                         " target_session_attrs=read-write");
    if (expected == NULL)
        return 0;
    CHECK(expected->system_identifier[0] != '\0' && expected->timeline[0] != '\0');
    if (strcmp(pg_text(answer, 0, SYSTEM_IDENTIFIER), expected->system_identifier) == 0 &&
        strcmp(pg_text(answer, 0, TIMELINE), expected->timeline) == 0)
        return 0;
    return error_set(err, ERR_RETRY,
                     "connections lead to different servers (system identifier %s, timeline %s, and"
                     " %s, %s): name one server in postgres, unless a failover has just happened",
                     expected->system_identifier, expected->timeline,
                     pg_text(answer, 0, SYSTEM_IDENTIFIER), pg_text(answer, 0, TIMELINE));
}

static int
ask(struct pg *pg, const struct cursor_history *expected, struct error *err)
{
    struct pg_result *answer;
    int rc = pg_query(pg, question_sql, 0, NULL, &answer, err);
    if (rc != 0)
        return error_wrap(err, rc, "could not find out which server this is");
    rc = check_answer(answer, expected, err);
    pg_result_clear(answer);
    return rc;
}

int
source_connect(const char *conninfo, const char *session_name,
               const struct cursor_history *expected, struct pg **pg, struct error *err)
{
    int rc = source_connect_unasked(conninfo, session_name, pg, err);
    if (rc != 0)
        return rc;
    rc = ask(*pg, expected, err);
    if (rc != 0) {
        pg_close(*pg);
        *pg = NULL;
    }
    return rc;
}

int
source_connect_unasked(const char *conninfo, const char *session_name, struct pg **pg,
                       struct error *err)
{
    *pg = NULL;
    return pg_connect(conninfo, session_name, pg, err);
}

int
source_pin_outbox(struct pg *pg, struct error *err)
{
    int rc = pg_exec(pg,
                     "SELECT set_config('search_path', quote_ident(nspname) || ', ' ||"
                     " current_setting('search_path'), false) FROM pg_class JOIN pg_namespace ON"
                     " pg_namespace.oid = relnamespace WHERE pg_class.oid ="
                     " to_regclass('\"BitdexOps\"')::oid",
                     err);
    return rc == 0 ? 0 : error_wrap(err, rc, "could not find the schema of the outbox");
}
