/* The query itself reads the catalogue in the snapshot of the transaction; what the functions
 * to_regclass(), pg_relation_filenode() and pg_partition_tree() say is committed now. A file that
 * differs was exchanged in between. What happens between the reading and this look is reported as
 * well, which costs a reading and no more.
 */
#include "producer/refresh/table_guard.h"

#include "common/base/check.h"

static const char query[] =
    "WITH RECURSIVE root AS (SELECT number, to_regclass(name)::oid AS root FROM"
    " unnest($1::text[]) WITH ORDINALITY AS named(name, number)),"
    " tree AS (SELECT root, pg_class.oid AS relid, relkind, relfilenode FROM root JOIN pg_class ON"
    " pg_class.oid = root UNION SELECT root, pg_class.oid, pg_class.relkind, pg_class.relfilenode"
    " FROM tree JOIN pg_inherits ON inhparent = relid JOIN pg_class ON pg_class.oid = inhrelid"
    " WHERE tree.relkind = 'p')"
    " SELECT COALESCE(bool_and(root IS NOT NULL AND root IN (SELECT root FROM tree)), true) AND "
    "NOT EXISTS"
    " (SELECT FROM tree WHERE nullif(relfilenode, 0) IS DISTINCT FROM pg_relation_filenode(relid))"
    " AND NOT EXISTS (SELECT FROM root JOIN pg_class ON pg_class.oid = root WHERE relkind = 'p' AND"
    " ARRAY(SELECT relid FROM tree WHERE tree.root = root.root ORDER BY 1) <>"
    " ARRAY(SELECT relid::oid FROM pg_partition_tree(root.root) ORDER BY 1)),"
    " md5(concat_ws(' ', (SELECT string_agg(root || ':' || relid, ',' ORDER BY root, relid) FROM"
    " tree), (SELECT string_agg(attrelid || ':' || attname || ':' || atttypid, ',' ORDER BY"
    " attrelid, attnum) FROM pg_attribute WHERE attrelid IN (SELECT root FROM root) AND attnum > 0"
    " AND NOT attisdropped), (SELECT string_agg(indexrelid || ':' || indisunique || indisvalid,"
    " ',' ORDER BY indexrelid) FROM pg_index WHERE indrelid IN (SELECT root FROM root))))"
    " FROM root";

static void
append_table(struct buffer *array, const struct entry_table *table)
{
    buffer_append_text(array, array->bytes > 1 ? ",\"" : "\"");
    for (const char *at = table->quoted; *at != '\0'; at++) {
        if (*at == '"' || *at == '\\')
            buffer_append_text(array, "\\");
        buffer_append(array, at, 1);
    }
    buffer_append_text(array, "\"");
}

static void
append_tables(struct buffer *array, const struct load_source *sources, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct entry *entry = sources[i].entry;
        CHECK(entry->table.quoted != NULL);
        append_table(array, &entry->table);
        for (uint32_t j = 0; j < entry->link_count; j++)
            append_table(array, &entry->links[j].table);
    }
}

int
table_guard_check(struct pg *pg, const struct load_plan *plan, bool *is_whole,
                  struct buffer *signature, struct error *err)
{
    struct buffer tables = {0};
    struct pg_result *result;
    buffer_append_text(&tables, "{");
    append_tables(&tables, plan->ranges, plan->range_count);
    append_tables(&tables, plan->passes, plan->pass_count);
    buffer_append_text(&tables, "}");
    const char *param = buffer_string(&tables);
    int rc = pg_query(pg, query, 1, &param, &result, err);
    buffer_free(&tables);
    if (rc != 0)
        return error_wrap(err, rc, "could not look at the tables of requests");
    CHECK(pg_rows(result) == 1);
    *is_whole = pg_boolean(result, 0, 0);
    buffer_append_text(signature, pg_text(result, 0, 1));
    pg_result_clear(result);
    return 0;
}
