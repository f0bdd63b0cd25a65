/* One query compares all tables in the database, so that it costs little while nothing changes. It
 * takes no locks: it reads catalogs, with the rules of an ordinary query, where a partition that is
 * being detached CONCURRENTLY is gone already. Only the size of a new partition needs a lock, which
 * the transaction that creates it may hold.
 */
#include "producer/source/source_tables.h"

#include <string.h>

#include "common/base/check.h"
#include "common/config/config_trigger.h"
#include "common/json/json_write.h"

/* $1: the producer; $2: [{"relation", "quoted", "words"}, ...]. `words` has the names of all
 * columns that are read. The enum of a column may be the element of an array, or the base of a
 * domain. 32 is the bit of TRUNCATE in tgtype. What is asked of each table is a subquery, which
 * reads the indexes of large catalogs; a join of all tables would be planned as a scan of them. */
static const char query_sql[] =
    "WITH RECURSIVE setting AS MATERIALIZED (SELECT set_config('lock_timeout', '200ms', true)),"
    " named AS MATERIALIZED (SELECT relation, words, to_regclass(quoted)::oid AS oid FROM setting,"
    " jsonb_to_recordset($2::jsonb) AS r(relation text, quoted text, words text)),"
    " tree AS (SELECT relation, oid AS root, oid FROM named WHERE oid IS NOT NULL UNION ALL"
    " SELECT relation, root, inhrelid FROM tree JOIN pg_class c USING (oid) JOIN pg_inherits ON"
    " inhparent = c.oid AND NOT inhdetachpending WHERE relkind = 'p'),"
    " leaf AS (SELECT relation, oid, relkind, pg_catalog.jsonb_build_array(relname, CASE WHEN NOT "
    "EXISTS"
    " (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal AND tgtype & 32::smallint "
    "<> 0 AND"
    " tgenabled IN ('O', 'A') AND starts_with(tgname::text, 'bitdex_')) THEN relfilenode::bigint "
    "END, coalesce((SELECT sum(xmin::text::bigint) FROM pg_trigger WHERE tgrelid = c.oid AND"
    " tgparentid <> '0' AND starts_with(tgname::text, 'bitdex_')), 0))"
    " AS file FROM tree JOIN pg_class c USING (oid) WHERE oid <> root AND relkind <> 'p'),"
    " now AS MATERIALIZED (SELECT relation, oid, pg_catalog.jsonb_build_object('oid', oid::bigint,"
    " 'partitions', coalesce((SELECT pg_catalog.jsonb_object_agg(leaf.oid, file) FROM leaf WHERE"
    " leaf.relation = named.relation), '{}'),"
    " 'labels', coalesce((SELECT pg_catalog.jsonb_object_agg(e.oid, enumlabel) FROM pg_attribute"
    " JOIN pg_type t ON t.oid = atttypid JOIN pg_enum e ON enumtypid = ANY (ARRAY[t.oid, t.typelem,"
    " t.typbasetype]) WHERE attrelid = named.oid AND attnum > 0 AND NOT attisdropped AND"
    " strpos(words, attname::text) > 0), '{}'),"
    " 'triggers', coalesce((SELECT pg_catalog.jsonb_object_agg(t.oid,"
    " pg_catalog.jsonb_build_array(tgname, t.xmin::text, EXISTS (SELECT FROM pg_description d WHERE"
    " objoid = t.oid AND classoid = 'pg_trigger'::regclass::oid AND objsubid = 0 AND d.xmin ="
    " t.xmin))) FROM pg_trigger t WHERE tgrelid = named.oid AND NOT tgisinternal AND"
    " starts_with(tgname::text, 'bitdex_')), '{}')) AS signature FROM named)"
    " SELECT now.relation, now.signature, s.signature, s.reason, now.oid IS NOT NULL,"
    " (SELECT coalesce(pg_catalog.jsonb_agg(leaf.oid::text), '[]') FROM leaf WHERE leaf.relation ="
    " now.relation AND CASE WHEN s.signature->'partitions' ? leaf.oid::text THEN false"
    " WHEN relkind = 'f' THEN true ELSE pg_relation_size(leaf.oid) > 0 END)"
    " FROM now LEFT JOIN bitdex_sources s ON s.name = $1 AND s.relation = now.relation"
    " WHERE s.signature IS DISTINCT FROM now.signature OR s.reason IS NOT NULL ORDER BY 1";

enum { TABLE, NOW, BEFORE, REASON, EXISTS, FILLED };

bool
source_tables_has(const struct config *config, uint32_t index, const char *table)
{
    CHECK(index < config->trigger_count);
    const struct config_trigger *trigger = &config->triggers[index];
    bool has = config_table_is(trigger->table, table);
    for (uint32_t i = 0; !has && i < trigger->link_count; i++)
        has = config_table_is(trigger->links[i].table, table);
    return has;
}

static void
append_word(struct buffer *words, const char *word)
{
    if (word != NULL)
        buffer_append_format(words, "%s ", word);
}

/* Every text of the entry that may name a column of the table. */
static void
append_words(struct buffer *words, const struct config_trigger *trigger)
{
    append_word(words, trigger->slot_field);
    append_word(words, trigger->value_field);
    append_word(words, trigger->filter);
    append_word(words, trigger->query);
    append_word(words, trigger->query_source);
    for (uint32_t i = 0; i < trigger->track_field_count; i++) {
        append_word(words, trigger->track_fields[i].column);
        append_word(words, trigger->track_fields[i].expression);
    }
    for (uint32_t i = 0; i < trigger->computed_field_count; i++) {
        append_word(words, trigger->computed_fields[i].expression);
        append_word(words, trigger->computed_fields[i].filter);
        append_word(words, trigger->computed_fields[i].value);
    }
}

static void
print_table(struct json_writer *json, const struct config *config, const char *table)
{
    struct buffer quoted = {0};
    struct buffer words = {0};
    pg_append_identifier(&quoted, table);
    for (uint32_t i = 0; i < config->trigger_count; i++)
        if (config_table_is(config->triggers[i].table, table))
            append_words(&words, &config->triggers[i]);
    json_object_begin(json);
    json_key(json, "relation");
    json_string(json, table);
    json_key(json, "quoted");
    json_string(json, buffer_string(&quoted));
    json_key(json, "words");
    json_string(json, buffer_string(&words));
    json_object_end(json);
    buffer_free(&quoted);
    buffer_free(&words);
}

/* An entry before it, or a link before it, has the table as well. */
static bool
is_repeated(const struct config *config, uint32_t index, uint32_t link, const char *table)
{
    bool is = false;
    for (uint32_t i = 0; !is && i < index; i++)
        is = source_tables_has(config, i, table);
    if (link > 0)
        is = is || config_table_is(config->triggers[index].table, table);
    for (uint32_t i = 0; !is && i + 1 < link; i++)
        is = config_table_is(config->triggers[index].links[i].table, table);
    return is;
}

/* Link 0 is the entry's own table. */
static void
print_tables(const struct config *config, struct buffer *out)
{
    struct json_writer json;
    json_writer_init(&json, out);
    json_array_begin(&json);
    for (uint32_t i = 0; i < config->trigger_count; i++) {
        const struct config_trigger *trigger = &config->triggers[i];
        for (uint32_t link = 0; link <= trigger->link_count; link++) {
            const char *table = link == 0 ? trigger->table : trigger->links[link - 1].table;
            if (!is_repeated(config, i, link, table))
                print_table(&json, config, table);
        }
    }
    json_array_end(&json);
    CHECK(json.depth == 0);
}

int
source_tables_query(struct pg *pg, const struct config *config, struct pg_result **result,
                    bool *locked, struct error *err)
{
    struct buffer tables = {0};
    print_tables(config, &tables);
    const char *const params[] = {config->producer.name, buffer_string(&tables)};
    *result = NULL;
    int rc = pg_query(pg, query_sql, 2, params, result, err);
    buffer_free(&tables);
    *locked = rc != 0 && strcmp(pg_last_sqlstate(pg), "55P03") == 0; /* lock_not_available */
    if (rc == 0 || *locked)
        return 0;
    return error_wrap(err, rc, "could not find out whether source tables have changed");
}

void
source_tables_row(const struct pg_result *result, int row, struct source_table *table)
{
    *table = (struct source_table){
        .table = pg_text(result, row, TABLE),
        .now = pg_text(result, row, NOW),
        .before = pg_is_null(result, row, BEFORE) ? NULL : pg_text(result, row, BEFORE),
        .reason = pg_is_null(result, row, REASON) ? NULL : pg_text(result, row, REASON),
        .filled = pg_text(result, row, FILLED),
        .exists = pg_boolean(result, row, EXISTS),
    };
}

int
source_tables_save(struct pg *pg, const struct cursor_owner *owner, const char *table,
                   const char *signature, const char *reason, struct error *err)
{
    static const char sql[] = CURSOR_OWNER
        "INSERT INTO bitdex_sources (name, relation, signature, reason) SELECT name, $4, $5::jsonb,"
        " $6 FROM owner ON CONFLICT (name, relation) DO UPDATE SET signature = excluded.signature,"
        " reason = excluded.reason, updated_at = now()" CURSOR_OWNER_END;
    const char *const params[] = {table, signature, reason};
    int rc = cursor_write(pg, owner, sql, params, 3, NULL, err);
    return rc == 0 ? 0 : error_wrap(err, rc, "could not save the signature of table %s", table);
}

int
source_tables_save_reason(struct pg *pg, const struct cursor_owner *owner, const char *table,
                          const char *reason, struct error *err)
{
    static const char sql[] = CURSOR_OWNER
        "UPDATE bitdex_sources s SET reason = $5, updated_at = now() FROM owner o WHERE s.name ="
        " o.name AND s.relation = $4" CURSOR_OWNER_END;
    const char *const params[] = {table, reason};
    CHECK(reason != NULL);
    int rc = cursor_write(pg, owner, sql, params, 2, NULL, err);
    return rc == 0 ? 0 : error_wrap(err, rc, "could not save why table %s is loaded", table);
}
