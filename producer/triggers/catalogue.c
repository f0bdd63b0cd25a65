/* Happy path of an entry: find its tables, set the search_path that the trigger functions have, and
 * let Postgres plan each expression over no rows, which yields the type of the expression or the
 * reason why it is wrong.
 */
#include "producer/triggers/catalogue.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/config/config.h"
#include "producer/triggers/row_sql.h"
#include "producer/triggers/sql.h"

/* What the database says of the type of an expression. */
struct value_type {
    enum entry_form form;
    enum entry_wire wire;
    uint8_t integer_bytes;
    bool is_padded;
    bool has_floats;
};

static const char *const wire_names[] = {
    [WIRE_INTEGER] = "integer",
    [WIRE_BOOLEAN] = "boolean",
    [WIRE_TEXT] = "text",
    [WIRE_JSON] = "json",
};

static const char *const form_names[] = {
    [FORM_PLAIN] = "plain", [FORM_SECONDS] = "seconds",       [FORM_JSON] = "json",
    [FORM_ARRAY] = "array", [FORM_TEXT_ARRAY] = "text array", [FORM_TEXT] = "text",
};

/* The form of a type, and the wire of a plain one, by these names. A domain has those of its base
 * type. A type is plain when jsonb writes it as a number, a boolean or a text, and its "=" compares
 * what is written. */
#define FORM_OF(type)                                                                             \
    "WITH RECURSIVE base AS ("                                                                    \
    " SELECT oid, typtype, typbasetype, typelem, typlen FROM pg_type WHERE oid = " type           \
    " UNION ALL"                                                                                  \
    " SELECT t.oid, t.typtype, t.typbasetype, t.typelem, t.typlen FROM base JOIN pg_type AS t"    \
    " ON base.typtype = 'd' AND t.oid = base.typbasetype"                                         \
    "), plain(oid) AS (VALUES ('bool'::regtype), ('int2'), ('int4'), ('int8'), ('float4'),"       \
    " ('float8'), ('numeric'), ('text'), ('varchar'), ('bpchar'), ('name'), ('uuid'))"            \
    " SELECT CASE"                                                                                \
    " WHEN oid IN ('timestamp'::regtype, 'timestamptz'::regtype, 'date'::regtype) THEN 'seconds'" \
    " WHEN oid IN ('json'::regtype, 'jsonb'::regtype) THEN 'json'"                                \
    " WHEN typtype = 'e' OR oid IN (SELECT oid FROM plain) THEN 'plain'"                          \
    " WHEN typelem <> 0 AND typlen = -1 THEN CASE"                                                \
    "  WHEN typelem IN (SELECT oid FROM plain) OR"                                                \
    "   (SELECT typtype FROM pg_type WHERE oid = base.typelem) = 'e' THEN 'array'"                \
    "  ELSE 'text array' END"                                                                     \
    " ELSE 'text' END AS form,"                                                                   \
    " CASE WHEN oid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) THEN typlen ELSE 0"    \
    " END AS integer_bytes, CASE"                                                                 \
    " WHEN oid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) THEN 'integer'"             \
    " WHEN oid = 'bool'::regtype THEN 'boolean'"                                                  \
    " WHEN typtype = 'e' OR oid IN ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype,"      \
    "  'name'::regtype) THEN 'text'"                                                              \
    " ELSE 'json' END AS wire,"                                                                   \
    " 'float4'::regtype IN (oid, typelem) OR 'float8'::regtype IN (oid, typelem) AS has_floats,"  \
    " oid = 'bpchar'::regtype AS is_padded"                                                       \
    " FROM base WHERE typtype <> 'd'"

static const char *
copy_text(struct arena *arena, const struct pg_result *result, int row, int column)
{
    CHECK(!pg_is_null(result, row, column));
    return arena_strdup(arena, text_of(pg_text(result, row, column)));
}

int
catalogue_find_outbox(struct pg *pg, struct arena *arena, const char **schema, struct error *err)
{
    struct pg_result *result;
    int rc = pg_query(pg,
                      "SELECT nspname FROM pg_class JOIN pg_namespace ON pg_namespace.oid ="
                      " relnamespace WHERE pg_class.oid = to_regclass('\"BitdexOps\"')",
                      0, NULL, &result, err);
    if (rc != 0)
        return error_wrap(err, rc, "cannot find the outbox");
    CHECK(pg_rows(result) <= 1);
    if (pg_rows(result) == 0)
        rc = error_set(err, ERR_FATAL, "table \"BitdexOps\" is missing: run bitdex-producer init");
    else
        *schema = copy_text(arena, result, 0, 0);
    pg_result_clear(result);
    return rc;
}

/* From a row that begins with schema and name. */
static void
fill_table(struct arena *arena, const struct pg_result *result, int row, struct entry_table *table)
{
    struct buffer quoted = {0};
    *table = (struct entry_table){
        .schema = copy_text(arena, result, row, 0),
        .name = copy_text(arena, result, row, 1),
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
                      " pg_class.oid = tree.relid JOIN pg_namespace ON pg_namespace.oid ="
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

/* `name` is as the configuration has it: table or schema.table. */
static int
read_table(struct pg *pg, struct arena *arena, const struct entry *entry, const char *setting,
           const char *name, struct entry_table *table, struct error *err)
{
    struct buffer quoted = {0};
    struct pg_result *result;
    CHECK(table->quoted == NULL);
    pg_append_identifier(&quoted, name);
    const char *param = buffer_string(&quoted);
    int rc = pg_query(pg,
                      "SELECT nspname, relname, relkind FROM pg_class JOIN pg_namespace ON"
                      " pg_namespace.oid = relnamespace WHERE pg_class.oid = to_regclass($1)",
                      1, &param, &result, err);
    buffer_free(&quoted);
    if (rc != 0)
        return rc;
    CHECK(pg_rows(result) <= 1);
    const char *kind = pg_rows(result) == 1 ? pg_text(result, 0, 2) : "";
    if (*kind == '\0')
        rc = entry_refuse(
            entry, entry->trigger->place, setting, err,
            "table %s does not exist; write schema.table for one outside the search_path", name);
    else if (*kind != 'r' && *kind != 'p')
        rc = entry_refuse(entry, entry->trigger->place, setting, err, "%s is not a table", name);
    else
        fill_table(arena, result, 0, table);
    if (rc == 0 && *kind == 'p') {
        table->is_partitioned = true;
        rc = read_partitions(pg, arena, table, err);
    }
    pg_result_clear(result);
    CHECK(rc != 0 || table->quoted != NULL);
    return rc;
}

static enum entry_form
form_of_name(const char *name)
{
    for (enum entry_form form = FORM_PLAIN; form <= FORM_TEXT; form++)
        if (strcmp(form_names[form], name) == 0)
            return form;
    CHECK(false); /* FORM_OF() yields no other name */
    return FORM_TEXT;
}

static enum entry_wire
wire_of_name(const char *name)
{
    for (enum entry_wire wire = WIRE_INTEGER; wire <= WIRE_JSON; wire++)
        if (strcmp(wire_names[wire], name) == 0)
            return wire;
    CHECK(false); /* FORM_OF() yields no other name */
    return WIRE_JSON;
}

/* From a row of FORM_OF(). */
static void
fill_type(const struct pg_result *result, struct value_type *type)
{
    CHECK(pg_rows(result) == 1);
    *type = (struct value_type){
        .form = form_of_name(pg_text(result, 0, 0)),
        .integer_bytes = (uint8_t)pg_integer(result, 0, 1),
        .has_floats = pg_boolean(result, 0, 3),
        .is_padded = pg_boolean(result, 0, 4),
        .wire = WIRE_JSON,
    };
    if (type->form == FORM_PLAIN)
        type->wire = wire_of_name(pg_text(result, 0, 2));
    else if (type->form == FORM_SECONDS)
        type->wire = WIRE_INTEGER;
    else if (type->form == FORM_TEXT)
        type->wire = WIRE_TEXT;
}

static void
fill_value(struct entry_value *value, const struct value_type *type)
{
    CHECK(type->integer_bytes <= sizeof(int64_t));
    value->form = type->form;
    value->wire = type->wire;
    value->integer_bytes = type->integer_bytes;
    value->is_padded = type->is_padded;
    value->has_floats = type->has_floats;
}

/* Of a type, by its object id. */
static int
read_type(struct pg *pg, int64_t type_id, struct value_type *type, struct error *err)
{
    struct pg_result *result;
    char *oid = memory_format("%lld", (long long)type_id);
    const char *param = oid;
    int rc = pg_query(pg, FORM_OF("$1::oid"), 1, &param, &result, err);
    if (rc == 0 && pg_rows(result) == 0) {
        rc = error_set(err, ERR_FATAL, "type %s was dropped meanwhile: try again", oid);
        pg_result_clear(result);
    }
    free(oid);
    if (rc != 0)
        return rc;
    fill_type(result, type);
    pg_result_clear(result);
    return 0;
}

/* Runs a statement that yields no rows, and gets the type of its first column. What Postgres
 * refuses is reported as a mistake in `setting`. */
static int
read_statement(struct pg *pg, const struct entry *entry, struct config_place place,
               const char *setting, const char *sql, struct value_type *type, struct error *err)
{
    struct pg_result *result;
    int rc = pg_query(pg, sql, 0, NULL, &result, err);
    if (rc == ERR_FATAL) {
        struct error reason = *err;
        return entry_refuse(entry, place, setting, err, "%s", reason.message);
    }
    if (rc != 0)
        return rc;
    CHECK(pg_rows(result) == 0);
    int64_t type_id = pg_column_type(result, 0);
    pg_result_clear(result);
    return read_type(pg, type_id, type, err);
}

/* A row of `table` as one value, so that a column can be named {column} only, as in the trigger
 * function. */
#define ROW "(_rows._row)"
static void
append_rows(struct buffer *out, const struct entry_table *table)
{
    CHECK(table->quoted != NULL);
    buffer_append_format(out, " FROM (SELECT _row FROM %s AS _row) AS _rows", table->quoted);
}

/* The type of an expression over the rows of `table`. */
static int
read_expression(struct pg *pg, const struct entry *entry, const struct entry_table *table,
                struct config_place place, const char *setting, const char *expression,
                struct value_type *type, struct error *err)
{
    struct buffer sql = {0};
    CHECK(*expression != '\0');
    buffer_append_text(&sql, "SELECT (");
    sql_append_expression(&sql, expression, ROW);
    buffer_append_text(&sql, "), to_jsonb("); /* refuses a literal that has no type */
    sql_append_expression(&sql, expression, ROW);
    buffer_append_text(&sql, ")");
    append_rows(&sql, table);
    buffer_append_text(&sql, " LIMIT 0");
    int rc = read_statement(pg, entry, place, setting, buffer_string(&sql), type, err);
    buffer_free(&sql);
    return rc;
}

/* Checks a column that holds ids of entities, which are integers. */
static int
read_slot(struct pg *pg, const struct entry *entry, const struct entry_table *table,
          const char *setting, const char *column, struct error *err)
{
    struct value_type type = {0};
    CHECK(column != NULL);
    char *expression = memory_format("{%s}", column);
    int rc =
        read_expression(pg, entry, table, entry->trigger->place, setting, expression, &type, err);
    free(expression);
    if (rc == 0 && type.integer_bytes == 0)
        rc =
            entry_refuse(entry, entry->trigger->place, setting, err,
                         "column %s is not of an integer type, as ids of entities must be", column);
    return rc;
}

/* Postgres checks that the filter is a condition. */
static int
read_filter(struct pg *pg, const struct entry *entry, struct error *err)
{
    struct value_type type;
    if (entry->trigger->filter == NULL)
        return 0;
    char *condition = memory_format("(%s) IS TRUE", entry->trigger->filter);
    int rc = read_expression(pg, entry, &entry->table, entry->trigger->place, "filter", condition,
                             &type, err);
    free(condition);
    return rc;
}

static int
read_values(struct pg *pg, struct entry *entry, struct error *err)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < entry->value_count; i++) {
        struct entry_value *value = &entry->values[i];
        struct value_type type = {0};
        rc = read_expression(pg, entry, &entry->table, value->place, value->setting,
                             value->expression, &type, err);
        fill_value(value, &type);
    }
    return rc;
}

/* Which of the columns that the entry reads can be compared with "=". */
static int
read_columns(struct pg *pg, const struct entry *entry, struct error *err)
{
    struct pg_result *result;
    int rc = pg_query(
        pg,
        "SELECT attname, form IN ('plain', 'seconds') FROM pg_attribute,"
        " LATERAL (" FORM_OF("atttypid") ") AS forms"
                                         " WHERE attrelid = $1::regclass AND NOT attisdropped",
        1, &entry->table.quoted, &result, err);
    if (rc != 0)
        return rc;
    for (int i = 0; i < pg_rows(result); i++) {
        struct entry_column *column = entry_find_column(entry, text_of(pg_text(result, i, 0)));
        if (column != NULL)
            column->is_comparable = pg_boolean(result, i, 1);
    }
    pg_result_clear(result);
    return 0;
}

static int
read_placeholder(struct pg *pg, const struct entry *entry, struct entry_placeholder *placeholder,
                 struct error *err)
{
    struct value_type type = {0};
    const char *source = entry->trigger->query_source;
    struct buffer sql = {0};
    CHECK(entry->trigger->kind == TRIGGER_FAN_OUT);
    buffer_append_text(&sql, "SELECT ");
    sql_append_column(&sql, source != NULL ? "_source" : ROW, placeholder->name);
    append_rows(&sql, &entry->table);
    if (source != NULL) {
        buffer_append_text(&sql, ", LATERAL (");
        sql_append_expression(&sql, source, ROW);
        buffer_append_text(&sql, ") AS _source");
    }
    buffer_append_text(&sql, " LIMIT 0");
    int rc =
        read_statement(pg, entry, entry->trigger->place, source != NULL ? "query_source" : "query",
                       buffer_string(&sql), &type, err);
    buffer_free(&sql);
    placeholder->form = type.form;
    bool is_list = entry_form_is_array(placeholder->form);
    if (rc == 0 && is_list && placeholder->context == CONTEXT_VALUE)
        rc = entry_refuse(entry, entry->trigger->place, "query", err,
                          "{%s} is an array: write \"in {%s}\" instead of \"eq {%s}\"",
                          placeholder->name, placeholder->name, placeholder->name);
    return rc;
}

/* The text that a query yields in at most one row; NULL: no row, or null. */
static int
read_name(struct pg *pg, struct arena *arena, const char *sql, int count, const char *const *params,
          const char **name, struct error *err)
{
    struct pg_result *result;
    int rc = pg_query(pg, sql, count, params, &result, err);
    if (rc != 0)
        return rc;
    CHECK(pg_rows(result) <= 1);
    bool is_null = pg_rows(result) == 0 || pg_is_null(result, 0, 0);
    *name = is_null ? NULL : copy_text(arena, result, 0, 0);
    pg_result_clear(result);
    return 0;
}

/* The column that a foreign key of the child's column refers to, else the primary key. */
static int
read_parent_key(struct pg *pg, struct arena *arena, struct entry *entry, struct error *err)
{
    CHECK(entry->child != NULL);
    CHECK(entry->child_table.quoted != NULL);
    const char *const params[] = {entry->table.quoted, entry->child_table.quoted,
                                  entry->child->foreign_key};
    int rc = read_name(
        pg, arena,
        "SELECT attname FROM (SELECT confkey AS key, 1 AS choice FROM pg_constraint JOIN"
        " pg_attribute ON attrelid = conrelid AND attname = $3 WHERE contype = 'f' AND confrelid ="
        " $1::regclass AND conrelid = $2::regclass AND conkey = ARRAY[attnum] UNION ALL SELECT"
        " conkey, 2 FROM pg_constraint WHERE contype = 'p' AND conrelid = $1::regclass AND"
        " cardinality(conkey) = 1 ORDER BY choice LIMIT 1) AS keys JOIN pg_attribute ON attrelid ="
        " $1::regclass AND attnum = key[1]",
        3, params, &entry->parent_key, err);
    if (rc == 0 && entry->parent_key == NULL)
        rc = entry_refuse(entry, entry->trigger->place, "table", err,
                          "table %s has no primary key of one column that child rows could refer"
                          " to",
                          entry->trigger->table);
    return rc;
}

static const char *
child_setting(const struct entry *entry)
{
    return entry->trigger->kind == TRIGGER_FAN_OUT ? "children" : "rows_from";
}

/* Checks that "=" compares the child's column with the key of its parent. */
static int
read_child_comparison(struct pg *pg, const struct entry *entry, struct error *err)
{
    struct value_type type;
    struct buffer sql = {0};
    CHECK(entry->parent_key != NULL);
    buffer_append_text(&sql, "SELECT ");
    sql_append_column(&sql, "_child", entry->child->foreign_key);
    buffer_append_text(&sql, " = ");
    sql_append_column(&sql, "_parent", entry->parent_key);
    buffer_append_format(&sql, " FROM %s AS _child, %s AS _parent LIMIT 0",
                         entry->child_table.quoted, entry->table.quoted);
    int rc = read_statement(pg, entry, entry->trigger->place, child_setting(entry),
                            buffer_string(&sql), &type, err);
    buffer_free(&sql);
    return rc;
}

/* Whether an index finds the rows of `table` by `column`, and whether it proves that no two of them
 * have the same value. Committed rows also keep a deferred constraint. */
static int
read_indexes(struct pg *pg, const struct entry_table *table, const char *column, bool *has_index,
             bool *is_unique, struct error *err)
{
    struct pg_result *result;
    const char *const params[] = {table->quoted, column};
    int rc =
        pg_query(pg,
                 "SELECT count(*) > 0, coalesce(bool_or(indisunique AND indnkeyatts = 1), false)"
                 " FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_am ON"
                 " pg_am.oid = relam AND amname = 'btree' JOIN pg_attribute ON attrelid ="
                 " indrelid AND attnum = indkey[0] WHERE indrelid = $1::regclass AND attname ="
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

/* Of the table that has the slots. */
static int
read_slot_indexes(struct pg *pg, struct entry *entry, const struct entry_table *table,
                  const char *column, struct error *err)
{
    return read_indexes(pg, table, column, &entry->slot_has_index, &entry->slot_is_unique, err);
}

static int
read_child(struct pg *pg, struct arena *arena, struct entry *entry, struct error *err)
{
    bool is_unique;
    if (entry->child == NULL)
        return 0;
    int rc =
        read_slot(pg, entry, &entry->child_table, child_setting(entry), entry->child->slot, err);
    if (rc == 0)
        rc = read_slot_indexes(pg, entry, &entry->child_table, entry->child->slot, err);
    if (rc == 0)
        rc = read_indexes(pg, &entry->child_table, entry->child->foreign_key,
                          &entry->parent_has_index, &is_unique, err);
    if (rc == 0)
        rc = read_parent_key(pg, arena, entry, err);
    return rc != 0 ? rc : read_child_comparison(pg, entry, err);
}

/* The column whose value a fan-out's ops row carries as its entity_id. */
static int
read_id_column(struct pg *pg, struct arena *arena, struct entry *entry, struct error *err)
{
    CHECK(entry->trigger->kind == TRIGGER_FAN_OUT);
    return read_name(pg, arena,
                     "SELECT attname FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid"
                     " AND attnum = conkey[1] WHERE contype = 'p' AND conrelid = $1::regclass AND"
                     " cardinality(conkey) = 1 AND atttypid IN ('int2'::regtype, 'int4'::regtype,"
                     " 'int8'::regtype)",
                     1, &entry->table.quoted, &entry->id_column, err);
}

/* Is there a unique index on entity and value that is checked row by row? */
static int
read_uniqueness(struct pg *pg, struct entry *entry, struct error *err)
{
    struct pg_result *result;
    CHECK(entry->trigger->kind == TRIGGER_JOIN);
    const char *const params[] = {entry->table.quoted, entry->trigger->slot_field,
                                  entry->trigger->value_field};
    int rc = pg_query(pg,
                      "SELECT EXISTS (SELECT FROM pg_index WHERE indrelid = $1::regclass AND"
                      " indisunique AND indimmediate AND indisvalid AND indpred IS NULL AND"
                      " indexprs IS NULL AND NOT EXISTS (SELECT FROM"
                      " unnest(indkey[0:indnkeyatts - 1]) AS key JOIN pg_attribute ON attrelid ="
                      " indrelid AND attnum = key WHERE attname NOT IN ($2, $3)))",
                      3, params, &result, err);
    if (rc != 0)
        return rc;
    CHECK(pg_rows(result) == 1);
    entry->value_is_unique = pg_boolean(result, 0, 0);
    pg_result_clear(result);
    return 0;
}

static int
read_key_columns(struct pg *pg, struct arena *arena, struct entry *entry, struct error *err)
{
    struct pg_result *result;
    int rc =
        pg_query(pg,
                 "SELECT attname FROM pg_constraint, unnest(conkey) WITH ORDINALITY AS key(number,"
                 " place) JOIN pg_attribute ON attnum = number WHERE contype = 'p' AND conrelid"
                 " = $1::regclass AND attrelid = conrelid ORDER BY place",
                 1, &entry->table.quoted, &result, err);
    if (rc != 0)
        return rc;
    uint32_t count = (uint32_t)pg_rows(result);
    const char **columns = arena_alloc(arena, (count + 1) * sizeof *columns);
    for (uint32_t i = 0; i < count; i++)
        columns[i] = copy_text(arena, result, (int)i, 0);
    entry->key_columns = columns;
    entry->key_column_count = count;
    pg_result_clear(result);
    return 0;
}

static int
set_search_path(struct pg *pg, const struct entry *entry, struct error *err)
{
    struct buffer sql = {0};
    buffer_append_text(&sql, "SET search_path = ");
    row_sql_append_search_path(&sql, entry);
    int rc = pg_exec(pg, buffer_string(&sql), err);
    buffer_free(&sql);
    return rc;
}

static int
read_by_kind(struct pg *pg, struct arena *arena, struct entry *entry, struct error *err)
{
    int rc = 0;
    const struct config_trigger *trigger = entry->trigger;
    switch (trigger->kind) {
    case TRIGGER_DIRECT:
        rc = read_slot(pg, entry, &entry->table, "slot_field", trigger->slot_field, err);
        if (rc == 0)
            rc = read_slot_indexes(pg, entry, &entry->table, trigger->slot_field, err);
        return rc;
    case TRIGGER_JOIN:
        rc = read_slot(pg, entry, &entry->table, "slot_field", trigger->slot_field, err);
        if (rc == 0)
            rc = read_slot_indexes(pg, entry, &entry->table, trigger->slot_field, err);
        return rc != 0 ? rc : read_uniqueness(pg, entry, err);
    case TRIGGER_FAN_OUT:
        rc = read_id_column(pg, arena, entry, err);
        if (rc == 0 && entry->child == NULL)
            rc = read_key_columns(pg, arena, entry, err);
        for (uint32_t i = 0; rc == 0 && i < entry->placeholder_count; i++)
            rc = read_placeholder(pg, entry, &entry->placeholders[i], err);
        return rc != 0 ? rc : read_child(pg, arena, entry, err);
    case TRIGGER_FAN_OUT_PER_ROW:
        CHECK(entry->child != NULL);
        return read_child(pg, arena, entry, err);
    default:
        CHECK(false);
        return 0;
    }
}

int
catalogue_read(struct pg *pg, struct arena *arena, struct entry *entry, struct error *err)
{
    CHECK(entry->table.quoted == NULL);
    CHECK(entry->outbox_schema != NULL);
    int rc = pg_exec(pg, "RESET search_path", err);
    if (rc == 0)
        rc = read_table(pg, arena, entry, "table", entry->trigger->table, &entry->table, err);
    if (rc == 0 && entry->child != NULL)
        rc = read_table(pg, arena, entry, child_setting(entry), entry->child->table,
                        &entry->child_table, err);
    if (rc == 0)
        rc = set_search_path(pg, entry, err);
    if (rc == 0)
        rc = read_filter(pg, entry, err);
    if (rc == 0)
        rc = read_values(pg, entry, err);
    if (rc == 0)
        rc = read_by_kind(pg, arena, entry, err);
    if (rc == 0)
        rc = read_columns(pg, entry, err);
    if (rc != 0 && rc != ERR_USAGE) /* which names the setting already */
        return error_wrap(err, rc, "cannot read the catalogue for triggers[%u], table %s",
                          entry->index, entry->trigger->table);
    if (rc == 0)
        entry_check(entry);
    return rc;
}

int
catalogue_read_type(struct pg *pg, int64_t type_id, struct entry_value *value, bool *is_integer,
                    struct error *err)
{
    struct value_type type = {0};
    CHECK(type_id > 0);
    int rc = read_type(pg, type_id, &type, err);
    fill_value(value, &type);
    *is_integer = type.integer_bytes > 0;
    return rc;
}
