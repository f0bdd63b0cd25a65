#include "producer/source/source_access.h"

#include "common/base/check.h"

/* One row: the role, and the schemas of tables that it may not use (null: it may use all), without
 * which Postgres would not even say whether a table exists. The tables' names come between. */
static const char schemas_begin[] =
    "SELECT quote_ident(current_user), string_agg(DISTINCT quote_ident(nspname), ', ')"
    " FROM pg_catalog.unnest(ARRAY[NULL";
static const char schemas_end[] =
    "]::text[]) AS name, parse_ident(name) AS part JOIN pg_namespace ON nspname = part[1]"
    " WHERE pg_catalog.cardinality(part) = 2 AND NOT has_schema_privilege(pg_namespace.oid, "
    "'USAGE')";

/* One row: the role, the tables that it may not read, and those that have rows which it cannot see,
 * as lists of quoted names (null: there are no such tables). The tables' names come between. */
static const char access_begin[] =
    "SELECT quote_ident(current_user), string_agg(name, ', ') FILTER (WHERE is_denied),"
    " string_agg(name, ', ') FILTER (WHERE is_hidden)"
    " FROM (SELECT name, row_security_active(oid) AS is_hidden, EXISTS (SELECT FROM pg_attribute"
    " WHERE attrelid = oid AND attnum > 0 AND NOT attisdropped AND"
    " NOT has_column_privilege(oid, attnum, 'SELECT')) AS is_denied"
    " FROM (SELECT DISTINCT name, to_regclass(name) AS oid FROM pg_catalog.unnest(ARRAY[NULL";
static const char access_end[] =
    "]::text[]) AS name) AS named WHERE oid IS NOT NULL ORDER BY name) AS tables";

static void
append_table(struct buffer *sql, const char *table)
{
    struct buffer name = {0};
    CHECK(sql->bytes > 0);
    CHECK(table != NULL);
    pg_append_identifier(&name, table);
    buffer_append_text(sql, ", ");
    pg_append_literal(sql, buffer_string(&name));
    buffer_free(&name);
}

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
        if (config->dump_phases[i].copy_query != NULL)
            append_table(sql, config->dump_phases[i].table);
}

static int
query_tables(struct pg *pg, const struct config *config, const char *begin, const char *end,
             struct pg_result **result, struct error *err)
{
    struct buffer sql = {0};
    buffer_append_text(&sql, begin);
    append_tables(&sql, config);
    buffer_append_text(&sql, end);
    int rc = pg_query(pg, buffer_string(&sql), 0, NULL, result, err);
    buffer_free(&sql);
    if (rc != 0)
        return error_wrap(err, rc, "could not check who may read the source tables");
    CHECK(pg_rows(*result) == 1);
    return 0;
}

static int
check_schemas(struct pg *pg, const struct config *config, struct error *err)
{
    struct pg_result *result;
    int rc = query_tables(pg, config, schemas_begin, schemas_end, &result, err);
    if (rc != 0)
        return rc;
    const char *role = pg_text(result, 0, 0);
    const char *schemas = pg_text(result, 0, 1);
    if (!pg_is_null(result, 0, 1))
        rc = error_set(err, ERR_FATAL,
                       "role %s may not use the schemas of source tables: GRANT USAGE ON SCHEMA %s"
                       " TO %s",
                       role, schemas, role);
    pg_result_clear(result);
    return rc;
}

int
source_access_check(struct pg *pg, const struct config *config, struct error *err)
{
    struct pg_result *result;
    int rc = check_schemas(pg, config, err);
    if (rc == 0)
        rc = query_tables(pg, config, access_begin, access_end, &result, err);
    if (rc != 0)
        return rc;
    const char *role = pg_text(result, 0, 0);
    if (!pg_is_null(result, 0, 1))
        rc = error_set(err, ERR_FATAL,
                       "role %s may not read source tables, as a load must: GRANT SELECT ON %s TO"
                       " %s",
                       role, pg_text(result, 0, 1), role);
    else if (!pg_is_null(result, 0, 2))
        rc = error_set(err, ERR_FATAL,
                       "row security can hide rows of %s from role %s, and a load must read all of"
                       " them: ALTER ROLE %s BYPASSRLS, or let the producer connect as the tables'"
                       " owner",
                       pg_text(result, 0, 2), role, role);
    pg_result_clear(result);
    return rc;
}
