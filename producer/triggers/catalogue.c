/* Happy path of an entry: find its tables, set the search_path that the trigger functions have, and
 * let Postgres plan each expression over no rows, which yields the type of the expression or the
 * reason why it is wrong.
 */
#include "producer/triggers/catalogue.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/config/config.h"
#include "producer/triggers/catalogue_columns.h"
#include "producer/triggers/catalogue_dependence.h"
#include "producer/triggers/catalogue_links.h"
#include "producer/triggers/catalogue_table.h"
#include "producer/triggers/catalogue_value.h"
#include "producer/triggers/guard.h"
#include "producer/triggers/row_sql.h"
#include "producer/triggers/sql.h"

int
catalogue_find_outbox(struct pg *pg, struct arena *arena, const char **schema, struct error *err)
{
    struct pg_result *result;
    int rc = pg_query(pg,
                      "SELECT nspname FROM pg_class JOIN pg_namespace ON pg_namespace.oid ="
                      " relnamespace WHERE pg_class.oid = to_regclass('\"BitdexOps\"')::oid",
                      0, NULL, &result, err);
    if (rc != 0)
        return error_wrap(err, rc, "cannot find the outbox");
    CHECK(pg_rows(result) <= 1);
    if (pg_rows(result) == 0)
        rc = error_set(err, ERR_FATAL, "table \"BitdexOps\" is missing: run bitdex-producer init");
    else
        *schema = catalogue_text_copy(arena, result, 0, 0);
    pg_result_clear(result);
    return rc;
}

/* Postgres checks that the filter is a condition. */
static int
read_filter(struct pg *pg, const struct entry *entry, struct error *err)
{
    struct catalogue_type type;
    if (entry->trigger->filter == NULL)
        return 0;
    char *condition = memory_format("(%s) IS TRUE", entry->trigger->filter);
    int rc = catalogue_expression_read(pg, entry, &entry->table, entry->trigger->place, "filter",
                                       condition, &type, err);
    free(condition);
    return rc;
}

static int
read_values(struct pg *pg, struct arena *arena, struct entry *entry, struct error *err)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < entry->value_count; i++) {
        struct entry_value *value = &entry->values[i];
        struct catalogue_type type = {0};
        rc = catalogue_expression_read(pg, entry, &entry->table, value->place, value->setting,
                                       value->expression, &type, err);
        catalogue_value_fill(value, &type);
        if (rc == 0 && !sql_is_column(value->expression))
            rc = catalogue_type_name(pg, arena, type.id, &value->type, err);
    }
    return rc;
}

static int
read_placeholder(struct pg *pg, const struct entry *entry, struct entry_placeholder *placeholder,
                 struct error *err)
{
    struct catalogue_type type = {0};
    const char *source = entry->trigger->query_source;
    struct buffer sql = {0};
    CHECK(entry->trigger->kind == TRIGGER_FAN_OUT);
    buffer_append_text(&sql, "SELECT ");
    sql_append_column(&sql, source != NULL ? "_source" : CATALOGUE_ROW, placeholder->name);
    catalogue_rows_append(&sql, &entry->table);
    if (source != NULL) {
        buffer_append_text(&sql, ", LATERAL (");
        sql_append_expression(&sql, source, CATALOGUE_ROW);
        buffer_append_text(&sql, ") AS _source");
    }
    buffer_append_text(&sql, " LIMIT 0");
    int rc = catalogue_statement_read(pg, entry, entry->trigger->place,
                                      source != NULL ? "query_source" : "query",
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

/* The column whose value a fan-out's ops row carries as its entity_id. */
static int
read_id_column(struct pg *pg, struct arena *arena, struct entry *entry, struct error *err)
{
    CHECK(entry->trigger->kind == TRIGGER_FAN_OUT);
    return catalogue_name_read(
        pg, arena,
        "SELECT attname FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid"
        " AND attnum = conkey[1] WHERE contype = 'p' AND conrelid = $1::regclass::oid AND"
        " pg_catalog.cardinality(conkey) = 1 AND atttypid IN ('int2'::regtype::oid, "
        "'int4'::regtype::oid,"
        " 'int8'::regtype::oid)",
        1, &entry->table.quoted, &entry->id_column, err);
}

/* Is there a unique index on the entity, or on entity and `value`, that is checked row by row? A
 * deferrable one lets a row come before another transaction deletes the one that it replaces. */
static int
read_uniqueness(struct pg *pg, const struct entry *entry, const char *value, bool *is_unique,
                struct error *err)
{
    struct pg_result *result;
    const char *slot = entry->trigger->slot_field;
    CHECK(slot != NULL);
    const char *const params[] = {entry->table.quoted, slot, value != NULL ? value : slot};
    int rc = pg_query(
        pg,
        "SELECT EXISTS (SELECT FROM pg_index WHERE indrelid = $1::regclass::oid AND"
        " indisunique AND indimmediate AND indisvalid AND indpred IS NULL AND"
        " indexprs IS NULL AND NOT EXISTS (SELECT FROM"
        " pg_catalog.unnest(indkey[0:indnkeyatts - 1]) AS key JOIN pg_attribute ON attrelid ="
        " indrelid AND attnum = key WHERE attname NOT IN ($2, $3)))",
        3, params, &result, err);
    if (rc != 0)
        return rc;
    CHECK(pg_rows(result) == 1);
    *is_unique = pg_boolean(result, 0, 0);
    pg_result_clear(result);
    return 0;
}

static int
read_key_columns(struct pg *pg, struct arena *arena, struct entry *entry, struct error *err)
{
    struct pg_result *result;
    int rc =
        pg_query(pg,
                 "SELECT attname FROM pg_constraint, pg_catalog.unnest(conkey) WITH ORDINALITY AS "
                 "key(number,"
                 " place) JOIN pg_attribute ON attnum = number WHERE contype = 'p' AND conrelid"
                 " = $1::regclass::oid AND attrelid = conrelid ORDER BY place",
                 1, &entry->table.quoted, &result, err);
    if (rc != 0)
        return rc;
    uint32_t count = (uint32_t)pg_rows(result);
    const char **columns = arena_alloc(arena, (count + 1) * sizeof *columns);
    for (uint32_t i = 0; i < count; i++)
        columns[i] = catalogue_text_copy(arena, result, (int)i, 0);
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
read_slot_indexes(struct pg *pg, struct entry *entry, struct error *err)
{
    CHECK(entry->link_count == 0);
    return catalogue_indexes_read(pg, &entry->table, entry->trigger->slot_field,
                                  &entry->slot_has_index, &entry->slot_is_unique, err);
}

static int
read_by_kind(struct pg *pg, struct arena *arena, struct entry *entry, struct error *err)
{
    int rc = 0;
    const struct config_trigger *trigger = entry->trigger;
    switch (trigger->kind) {
    case TRIGGER_DIRECT:
        rc = catalogue_slot_read(pg, entry, &entry->table, trigger->place, "slot_field",
                                 trigger->slot_field, err);
        if (rc == 0)
            rc = read_slot_indexes(pg, entry, err);
        return rc != 0 ? rc : read_uniqueness(pg, entry, NULL, &entry->slot_is_immediate, err);
    case TRIGGER_JOIN:
        rc = catalogue_slot_read(pg, entry, &entry->table, trigger->place, "slot_field",
                                 trigger->slot_field, err);
        if (rc == 0)
            rc = read_slot_indexes(pg, entry, err);
        return rc != 0
                   ? rc
                   : read_uniqueness(pg, entry, trigger->value_field, &entry->value_is_unique, err);
    case TRIGGER_FAN_OUT:
        rc = read_id_column(pg, arena, entry, err);
        if (rc == 0 && entry->link_count == 0)
            rc = read_key_columns(pg, arena, entry, err);
        for (uint32_t i = 0; rc == 0 && i < entry->placeholder_count; i++)
            rc = read_placeholder(pg, entry, &entry->placeholders[i], err);
        return rc != 0 ? rc : catalogue_links_read(pg, arena, entry, err);
    case TRIGGER_FAN_OUT_PER_ROW:
        return catalogue_links_read(pg, arena, entry, err);
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
        rc = catalogue_table_read(pg, arena, entry, entry->trigger->place, "table",
                                  entry->trigger->table, &entry->table, err);
    if (rc == 0)
        rc = catalogue_columns_read(pg, arena, &entry->table, err);
    if (rc == 0)
        rc = catalogue_links_find(pg, arena, entry, err);
    if (rc == 0)
        rc = set_search_path(pg, entry, err);
    if (rc == 0)
        rc = read_filter(pg, entry, err);
    if (rc == 0)
        rc = read_values(pg, arena, entry, err);
    if (rc == 0)
        rc = read_by_kind(pg, arena, entry, err);
    if (rc == 0)
        rc = catalogue_dependence_read(pg, arena, entry, err);
    if (rc != 0 && rc != ERR_USAGE) /* which names the setting already */
        return error_wrap(err, rc, "cannot read the catalogue for triggers[%u], table %s",
                          entry->index, entry->trigger->table);
    if (rc != 0)
        return rc;
    guard_fill(entry, arena);
    entry_check(entry);
    return 0;
}

int
catalogue_read_type(struct pg *pg, int64_t type_id, struct entry_value *value, bool *is_integer,
                    struct error *err)
{
    struct catalogue_type type = {0};
    CHECK(type_id > 0);
    int rc = catalogue_type_read(pg, type_id, &type, err);
    catalogue_value_fill(value, &type);
    *is_integer = type.integer_bytes > 0;
    return rc;
}
