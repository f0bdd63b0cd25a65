#include "producer/triggers/legacy.h"

#include "common/base/check.h"
#include "producer/triggers/sql.h"

/* $1: the tables of the configuration, as identifiers. A trigger of a partitioned table counts
 * once, and one of a partition is on the partitioned table. */
static const char triggers_sql[] =
    "SELECT quote_ident(tgname), tgrelid::regclass::text FROM pg_trigger JOIN pg_proc ON "
    "pg_proc.oid"
    " = tgfoid WHERE NOT tgisinternal AND tgparentid = '0' AND tgenabled <> 'D' AND tgname ~"
    " '^bitdex_.*_[0-9a-f]{8}(_[tc])?$'::text AND pg_catalog.obj_description(pg_trigger.oid,"
    " 'pg_trigger') IS NULL AND strpos(prosrc, 'BitdexOps') > 0 AND NOT EXISTS (SELECT FROM"
    " pg_catalog.unnest($1::text[]) AS name WHERE to_regclass(name)::oid ="
    " coalesce(pg_partition_root(tgrelid)::oid, tgrelid))"
    " ORDER BY tgrelid, tgname";

/* Appends an element of a Postgres array. */
static void
append_table(struct buffer *out, const char *name)
{
    struct buffer quoted = {0};
    CHECK(name != NULL);
    CHECK(out->bytes > 0);
    pg_append_identifier(&quoted, name);
    buffer_append_text(out, out->bytes > 1 ? ",\"" : "\"");
    for (const char *at = buffer_string(&quoted); *at != '\0'; at++) {
        if (*at == '"' || *at == '\\')
            buffer_append(out, "\\", 1);
        buffer_append(out, at, 1);
    }
    buffer_append_text(out, "\"");
    buffer_free(&quoted);
}

static void
append_tables(struct buffer *out, const struct config *config)
{
    buffer_append_text(out, "{");
    for (uint32_t i = 0; i < config->trigger_count; i++) {
        const struct config_trigger *trigger = &config->triggers[i];
        append_table(out, trigger->table);
        for (uint32_t j = 0; j < trigger->link_count; j++)
            append_table(out, trigger->links[j].table);
    }
    buffer_append_text(out, "}");
}

static struct legacy_trigger *
make_trigger(const char *name, const char *table, struct arena *arena)
{
    struct buffer message = {0};
    struct legacy_trigger *trigger = arena_alloc(arena, sizeof *trigger);
    buffer_append_format(&message,
                         "trigger %s on %s was created by another generator and writes ops, but the"
                         " configuration does not name its table. If no other index needs it: DROP"
                         " TRIGGER %s ON %s",
                         name, table, name, table);
    *trigger = (struct legacy_trigger){.message = sql_take(arena, &message)};
    return trigger;
}

int
legacy_find(struct pg *pg, const struct config *config, struct arena *arena,
            const struct legacy_trigger **first, struct error *err)
{
    struct buffer tables = {0};
    struct pg_result *result;
    const struct legacy_trigger **end = first;
    *first = NULL;
    append_tables(&tables, config);
    const char *param = buffer_string(&tables);
    int rc = pg_query(pg, triggers_sql, 1, &param, &result, err);
    buffer_free(&tables);
    if (rc != 0)
        return error_wrap(err, rc, "cannot read the triggers of the database");
    for (int i = 0; i < pg_rows(result); i++) {
        struct legacy_trigger *trigger =
            make_trigger(pg_text(result, i, 0), pg_text(result, i, 1), arena);
        CHECK(*end == NULL);
        *end = trigger;
        end = &trigger->next;
    }
    pg_result_clear(result);
    return 0;
}
