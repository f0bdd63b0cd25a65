/* The query itself reads the catalogue in the snapshot of the transaction; what the functions
 * to_regclass(), pg_relation_filenode() and pg_partition_tree() say is committed now. A file that
 * differs was exchanged in between. What happens between the reading and this look is reported as
 * well, which costs a reading and no more.
 */
#include "producer/refresh/table_guard.h"

#include "common/base/check.h"

/* Of the roots, their columns and their indexes. */
#define COLUMNS_OF(roots)                                                                      \
    "(SELECT string_agg(pg_catalog.concat_ws(':', attrelid, attname, atttypid), ',' ORDER BY " \
    "attrelid,"                                                                                \
    " attnum) FROM pg_attribute WHERE attrelid " roots " AND attnum > 0 AND NOT attisdropped)"
#define INDEXES_OF(roots)                                                                     \
    "(SELECT string_agg(pg_catalog.concat_ws(':', indexrelid, indisunique, indisvalid), ',' " \
    "ORDER BY indexrelid)"                                                                    \
    " FROM pg_index WHERE indrelid " roots ")"

#define OF_ROOT COLUMNS_OF("= root") ", " INDEXES_OF("= root")
#define OF_ALL \
    COLUMNS_OF("IN (SELECT root FROM root)") ", " INDEXES_OF("IN (SELECT root FROM root)")

/* Without partitioned tables, at half the cost. */
static const char plain_query[] =
    "SELECT COALESCE(bool_and(pg_class.oid IS NOT NULL AND nullif(relfilenode, '0') IS NOT DISTINCT"
    " FROM pg_relation_filenode(root)), true),"
    " md5(string_agg(pg_catalog.concat_ws(' ', root, " OF_ROOT "), ' ' ORDER BY number))"
    " FROM (SELECT number, to_regclass(name)::oid AS root FROM pg_catalog.unnest($1::text[])"
    " WITH ORDINALITY AS named(name, number)) AS roots LEFT JOIN pg_class ON pg_class.oid = root";

static const char query[] =
    "WITH RECURSIVE root AS (SELECT number, to_regclass(name)::oid AS root FROM"
    " pg_catalog.unnest($1::text[]) WITH ORDINALITY AS named(name, number)),"
    " tree AS (SELECT root, pg_class.oid AS relid, relkind, relfilenode FROM root JOIN pg_class ON"
    " pg_class.oid = root UNION SELECT root, pg_class.oid, pg_class.relkind, pg_class.relfilenode"
    " FROM tree JOIN pg_inherits ON inhparent = relid JOIN pg_class ON pg_class.oid = inhrelid"
    " WHERE tree.relkind = 'p')"
    " SELECT COALESCE(bool_and(root IS NOT NULL AND root IN (SELECT root FROM tree)), true) AND "
    "NOT EXISTS"
    " (SELECT FROM tree WHERE nullif(relfilenode, '0') IS DISTINCT FROM"
    " pg_relation_filenode(relid))"
    " AND NOT EXISTS (SELECT FROM root JOIN pg_class ON pg_class.oid = root WHERE relkind = 'p' AND"
    " ARRAY(SELECT relid FROM tree WHERE tree.root = root.root ORDER BY 1) OPERATOR(pg_catalog.<>)"
    " ARRAY(SELECT relid::oid FROM pg_partition_tree(root.root) ORDER BY 1)),"
    " md5(pg_catalog.concat_ws(' ', (SELECT string_agg(pg_catalog.concat_ws(':', root, relid), ',' "
    "ORDER BY root, relid)"
    " FROM tree), " OF_ALL ")) FROM root";

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

/* Appends the tables. Returns whether none of them is partitioned. */
static bool
append_tables(struct buffer *array, const struct load_source *sources, uint32_t count)
{
    bool is_plain = true;
    for (uint32_t i = 0; i < count; i++) {
        const struct entry *entry = sources[i].entry;
        CHECK(entry->table.quoted != NULL);
        append_table(array, &entry->table);
        is_plain = is_plain && !entry->table.is_partitioned;
        for (uint32_t j = 0; j < entry->link_count; j++) {
            append_table(array, &entry->links[j].table);
            is_plain = is_plain && !entry->links[j].table.is_partitioned;
        }
    }
    return is_plain;
}

int
table_guard_check(struct pg *pg, const struct load_plan *plan, bool *is_whole,
                  struct buffer *signature, struct error *err)
{
    struct buffer tables = {0};
    struct pg_result *result;
    buffer_append_text(&tables, "{");
    bool has_plain_ranges = append_tables(&tables, plan->ranges, plan->range_count);
    bool has_plain_passes = append_tables(&tables, plan->passes, plan->pass_count);
    buffer_append_text(&tables, "}");
    const char *param = buffer_string(&tables);
    bool is_plain = has_plain_ranges && has_plain_passes;
    int rc = pg_query(pg, is_plain ? plain_query : query, 1, &param, &result, err);
    buffer_free(&tables);
    if (rc != 0)
        return error_wrap(err, rc, "could not look at the tables of requests");
    CHECK(pg_rows(result) == 1);
    *is_whole = pg_boolean(result, 0, 0);
    buffer_append_text(signature, pg_text(result, 0, 1));
    pg_result_clear(result);
    return 0;
}
