#include "producer/triggers/catalogue_table.h"

#include <string.h>

#include "common/base/check.h"
#include "producer/triggers/sql.h"

const char *
catalogue_text_copy(struct arena *arena, const struct pg_result *result, int row, int column)
{
    CHECK(!pg_is_null(result, row, column));
    return arena_strdup(arena, text_of(pg_text(result, row, column)));
}

/* From a row that begins with schema and name. */
static void
fill_table(struct arena *arena, const struct pg_result *result, int row, struct entry_table *table)
{
    struct buffer quoted = {0};
    *table = (struct entry_table){
        .schema = catalogue_text_copy(arena, result, row, 0),
        .name = catalogue_text_copy(arena, result, row, 1),
    };
    sql_append_name(&quoted, table->schema);
    buffer_append_text(&quoted, ".");
    sql_append_name(&quoted, table->name);
    table->quoted = sql_take(arena, &quoted);
}

static int
read_partitions(struct pg *pg, struct arena *arena, struct entry_table *table, struct error *err)
{
    struct pg_result *result;
    CHECK(table->is_partitioned);
    int rc = pg_query(pg,
                      "SELECT nspname, relname FROM pg_partition_tree($1) AS tree JOIN pg_class ON"
                      " pg_class.oid = tree.relid::oid JOIN pg_namespace ON pg_namespace.oid ="
                      " relnamespace WHERE level > 0 ORDER BY level, nspname, relname",
                      1, &table->quoted, &result, err);
    if (rc != 0)
        return rc;
    table->partition_count = (uint32_t)pg_rows(result);
    table->partitions =
        arena_alloc(arena, (table->partition_count + 1) * sizeof *table->partitions);
    for (uint32_t i = 0; i < table->partition_count; i++)
        fill_table(arena, result, (int)i, &table->partitions[i]);
    pg_result_clear(result);
    return 0;
}

/* Of pg_class.relkind, where it is not a table. */
static const char *
kind_name(char kind)
{
    switch (kind) {
    case 'v':
        return "view";
    case 'm':
        return "materialized view";
    case 'f':
        return "foreign table";
    case 'S':
        return "sequence";
    default:
        return "relation of another kind";
    }
}

int
catalogue_table_read(struct pg *pg, struct arena *arena, const struct entry *entry,
                     struct config_place place, const char *setting, const char *name,
                     struct entry_table *table, struct error *err)
{
    struct buffer quoted = {0};
    struct pg_result *result;
    CHECK(table->quoted == NULL);
    pg_append_identifier(&quoted, name);
    const char *param = buffer_string(&quoted);
    int rc = pg_query(pg,
                      "SELECT nspname, relname, relkind, relrowsecurity AND relforcerowsecurity AND"
                      " NOT (rolsuper OR rolbypassrls) FROM pg_class JOIN pg_namespace ON"
                      " pg_namespace.oid = relnamespace JOIN pg_roles ON pg_roles.oid = relowner"
                      " WHERE pg_class.oid = to_regclass($1)::oid",
                      1, &param, &result, err);
    buffer_free(&quoted);
    if (rc != 0)
        return rc;
    CHECK(pg_rows(result) <= 1);
    const char *kind = pg_rows(result) == 1 ? pg_text(result, 0, 2) : "";
    if (*kind == '\0')
        rc = entry_refuse(
            entry, place, setting, err,
            "table %s does not exist; write schema.table for one outside the search_path", name);
    else if (*kind != 'r' && *kind != 'p')
        rc = entry_refuse(entry, place, setting, err,
                          "%s is a %s, and only a table has the triggers that are needed", name,
                          kind_name(*kind));
    else
        fill_table(arena, result, 0, table);
    if (rc == 0)
        table->has_forced_policies = pg_boolean(result, 0, 3);
    if (rc == 0 && *kind == 'p') {
        table->is_partitioned = true;
        rc = read_partitions(pg, arena, table, err);
    }
    pg_result_clear(result);
    CHECK(rc != 0 || table->quoted != NULL);
    return rc;
}

int
catalogue_name_read(struct pg *pg, struct arena *arena, const char *sql, int count,
                    const char *const *params, const char **name, struct error *err)
{
    struct pg_result *result;
    int rc = pg_query(pg, sql, count, params, &result, err);
    if (rc != 0)
        return rc;
    CHECK(pg_rows(result) <= 1);
    bool is_null = pg_rows(result) == 0 || pg_is_null(result, 0, 0);
    *name = is_null ? NULL : catalogue_text_copy(arena, result, 0, 0);
    pg_result_clear(result);
    return 0;
}

int
catalogue_indexes_read(struct pg *pg, const struct entry_table *table, const char *column,
                       bool *has_index, bool *is_unique, struct error *err)
{
    struct pg_result *result;
    const char *const params[] = {table->quoted, column};
    int rc =
        pg_query(pg,
                 "SELECT count(*) > 0, coalesce(bool_or(indisunique AND indnkeyatts = 1), false)"
                 " FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_am ON"
                 " pg_am.oid = relam AND amname = 'btree' JOIN pg_attribute ON attrelid ="
                 " indrelid AND attnum = indkey[0] WHERE indrelid = $1::regclass::oid AND attname ="
                 " $2 AND indisvalid AND indpred IS NULL",
                 2, params, &result, err);
    if (rc != 0)
        return rc;
    CHECK(pg_rows(result) == 1);
    *has_index = pg_boolean(result, 0, 0);
    *is_unique = pg_boolean(result, 0, 1);
    CHECK(*has_index || !*is_unique);
    pg_result_clear(result);
    return 0;
}
