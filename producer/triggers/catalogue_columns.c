#include "producer/triggers/catalogue_columns.h"

#include <string.h>

#include "common/base/check.h"
#include "producer/triggers/catalogue_table.h"

/* A domain is compared, printed and looked up as its base type, but for one over an enum, to which
 * "=" of enums does not apply. Numerics and dates are not total:
 * to compare them with floats and timestamps takes a cast that can fail. */
static const char columns_sql[] =
    "WITH RECURSIVE base(attnum, oid) AS ("
    " SELECT attnum, atttypid FROM pg_attribute WHERE attrelid = $1::regclass::oid AND attnum > 0 "
    "AND"
    "  NOT attisdropped"
    " UNION ALL SELECT attnum, typbasetype FROM base JOIN pg_type USING (oid) WHERE typtype = 'd'"
    ") SELECT attname, quote_ident(nspname) || '.' || quote_ident(type.typname),"
    " CASE WHEN type.typtype = 'e' AND type.oid = atttypid OR type.oid IN ('int2'::regtype::oid, "
    "'int4'::regtype::oid,"
    "  'int8'::regtype::oid, 'bool'::regtype::oid, 'uuid'::regtype::oid, 'timestamp'::regtype::oid,"
    "  'timestamptz'::regtype::oid, 'date'::regtype::oid) THEN 'equal'"
    " WHEN type.oid IN ('text'::regtype::oid, 'varchar'::regtype::oid, 'name'::regtype::oid) THEN "
    "'text'"
    " ELSE 'image' END,"
    " type.oid IN ('int2'::regtype::oid, 'int4'::regtype::oid, 'int8'::regtype::oid),"
    " type.typtype = 'e' OR type.oid IN ('text'::regtype::oid, 'varchar'::regtype::oid, "
    "'name'::regtype::oid,"
    "  'bpchar'::regtype::oid, 'uuid'::regtype::oid),"
    " type.typtype = 'e' AND type.oid = atttypid OR type.typnamespace = "
    "'pg_catalog'::regnamespace::oid,"
    " type.typtype = 'e' OR type.oid IN ('int2'::regtype::oid, 'int4'::regtype::oid,"
    "  'int8'::regtype::oid, 'float4'::regtype::oid, 'float8'::regtype::oid,"
    "  'bool'::regtype::oid, 'uuid'::regtype::oid, 'timestamp'::regtype::oid,"
    "  'timestamptz'::regtype::oid,"
    "  'text'::regtype::oid, 'varchar'::regtype::oid, 'bpchar'::regtype::oid,"
    "  'name'::regtype::oid, 'json'::regtype::oid, 'jsonb'::regtype::oid),"
    " column_.attcollation::bigint"
    " FROM base JOIN pg_type AS type ON type.oid = base.oid AND type.typtype <> 'd'"
    " JOIN pg_attribute AS column_ ON attrelid = $1::regclass::oid AND column_.attnum = base.attnum"
    " JOIN pg_namespace ON pg_namespace.oid = type.typnamespace ORDER BY base.attnum";

static enum entry_identity
identity_of(const char *name)
{
    if (strcmp(name, "equal") == 0)
        return IDENTITY_EQUAL;
    bool is_text = strcmp(name, "text") == 0;
    CHECK(is_text || strcmp(name, "image") == 0);
    return is_text ? IDENTITY_TEXT : IDENTITY_IMAGE;
}

static int
read_columns(struct pg *pg, struct arena *arena, struct entry_table *table, struct error *err)
{
    struct pg_result *result;
    CHECK(table->quoted != NULL);
    int rc = pg_query(pg, columns_sql, 1, &table->quoted, &result, err);
    if (rc != 0)
        return rc;
    uint32_t count = (uint32_t)pg_rows(result);
    struct entry_table_column *columns = arena_alloc(arena, (count + 1) * sizeof *columns);
    for (int i = 0; i < (int)count; i++)
        columns[i] = (struct entry_table_column){
            .name = catalogue_text_copy(arena, result, i, 0),
            .type = catalogue_text_copy(arena, result, i, 1),
            .identity = identity_of(pg_text(result, i, 2)),
            .is_integer = pg_boolean(result, i, 3),
            .is_text = pg_boolean(result, i, 4),
            .is_builtin = pg_boolean(result, i, 5),
            .is_total = pg_boolean(result, i, 6),
            .collation = pg_integer(result, i, 7),
        };
    table->columns = columns;
    table->column_count = count;
    pg_result_clear(result);
    return 0;
}

/* Names in the first column of what `sql` yields for the table. */
static int
read_names(struct pg *pg, struct arena *arena, const struct entry_table *table, const char *sql,
           const char *const **names, uint32_t *count, struct error *err)
{
    struct pg_result *result;
    CHECK(table->quoted != NULL);
    int rc = pg_query(pg, sql, 1, &table->quoted, &result, err);
    if (rc != 0)
        return rc;
    *count = (uint32_t)pg_rows(result);
    const char **copies = arena_alloc(arena, (*count + 1) * sizeof *copies);
    for (uint32_t i = 0; i < *count; i++)
        copies[i] = catalogue_text_copy(arena, result, (int)i, 0);
    *names = copies;
    pg_result_clear(result);
    return 0;
}

/* Keeps the keys by which a row can be looked for. */
static void
keep_builtin_keys(struct entry_table *table, struct arena *arena)
{
    const char **keys = arena_alloc(arena, (table->partition_key_count + 1) * sizeof *keys);
    uint32_t count = 0;
    for (uint32_t i = 0; i < table->partition_key_count; i++) {
        const char *name = table->partition_keys[i];
        const struct entry_table_column *column = entry_table_find(table, text_of(name));
        CHECK(column != NULL);
        if (column->is_builtin)
            keys[count++] = name;
    }
    table->partition_keys = keys;
    table->partition_key_count = count;
}

int
catalogue_columns_read(struct pg *pg, struct arena *arena, struct entry_table *table,
                       struct error *err)
{
    int rc = read_columns(pg, arena, table, err);
    if (rc == 0)
        rc = catalogue_name_read(
            pg, arena,
            "SELECT attname FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid AND"
            " attnum = conkey[1] WHERE contype = 'p' AND conrelid = $1::regclass::oid AND"
            " pg_catalog.cardinality(conkey) = 1 AND atttypid IN ('int2'::regtype::oid, "
            "'int4'::regtype::oid,"
            " 'int8'::regtype::oid)",
            1, &table->quoted, &table->id_column, err);
    if (rc == 0)
        rc = read_names(
            pg, arena, table,
            "SELECT attname FROM pg_partitioned_table, pg_catalog.unnest(partattrs) WITH"
            " ORDINALITY AS key(number, place) JOIN pg_attribute ON attnum = number"
            " WHERE partrelid = $1::regclass::oid AND attrelid = partrelid ORDER BY place",
            &table->partition_keys, &table->partition_key_count, err);
    if (rc == 0)
        keep_builtin_keys(table, arena);
    return rc;
}
