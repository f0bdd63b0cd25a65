#include "producer/triggers/catalogue_value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "producer/triggers/catalogue_table.h"
#include "producer/triggers/sql.h"

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

static enum entry_form
form_of_name(const char *name)
{
    for (enum entry_form form = FORM_PLAIN; form <= FORM_TEXT; form++)
        if (strcmp(form_names[form], name) == 0)
            return form;
    CHECK(false); /* CATALOGUE_FORM_OF() yields no other name */
    return FORM_TEXT;
}

static enum entry_wire
wire_of_name(const char *name)
{
    for (enum entry_wire wire = WIRE_INTEGER; wire <= WIRE_JSON; wire++)
        if (strcmp(wire_names[wire], name) == 0)
            return wire;
    CHECK(false); /* CATALOGUE_FORM_OF() yields no other name */
    return WIRE_JSON;
}

/* From a row of CATALOGUE_FORM_OF(). */
static void
fill_type(const struct pg_result *result, struct catalogue_type *type)
{
    CHECK(pg_rows(result) == 1);
    *type = (struct catalogue_type){
        .form = form_of_name(pg_text(result, 0, 0)),
        .integer_bytes = (uint8_t)pg_integer(result, 0, 1),
        .has_floats = pg_boolean(result, 0, 3),
        .is_padded = pg_boolean(result, 0, 4),
        .wire = WIRE_JSON,
    };
    snprintf(type->name, sizeof type->name, "%s", pg_text(result, 0, 5));
    if (type->form == FORM_PLAIN)
        type->wire = wire_of_name(pg_text(result, 0, 2));
    else if (type->form == FORM_SECONDS)
        type->wire = WIRE_INTEGER;
    else if (type->form == FORM_TEXT)
        type->wire = WIRE_TEXT;
}

void
catalogue_value_fill(struct entry_value *value, const struct catalogue_type *type)
{
    CHECK(type->integer_bytes <= sizeof(int64_t));
    value->form = type->form;
    value->wire = type->wire;
    value->integer_bytes = type->integer_bytes;
    value->is_padded = type->is_padded;
    value->has_floats = type->has_floats;
    memcpy(value->type_name, type->name, sizeof value->type_name);
}

int
catalogue_type_read(struct pg *pg, int64_t type_id, struct catalogue_type *type, struct error *err)
{
    struct pg_result *result;
    char *oid = memory_format("%lld", (long long)type_id);
    const char *param = oid;
    int rc = pg_query(pg, CATALOGUE_FORM_OF("$1::oid"), 1, &param, &result, err);
    if (rc == 0 && pg_rows(result) == 0) {
        rc = error_set(err, ERR_FATAL, "type %s was dropped meanwhile: try again", oid);
        pg_result_clear(result);
    }
    free(oid);
    if (rc != 0)
        return rc;
    fill_type(result, type);
    type->id = type_id;
    pg_result_clear(result);
    return 0;
}

int
catalogue_type_name(struct pg *pg, struct arena *arena, int64_t type_id, const char **name,
                    struct error *err)
{
    char *oid = memory_format("%lld", (long long)type_id);
    const char *param = oid;
    CHECK(type_id > 0);
    int rc = catalogue_name_read(pg, arena,
                                 "SELECT quote_ident(nspname) || '.' || quote_ident(typname) FROM"
                                 " pg_type JOIN pg_namespace ON pg_namespace.oid = typnamespace"
                                 " WHERE pg_type.oid = $1::oid",
                                 1, &param, name, err);
    if (rc == 0 && *name == NULL)
        rc = error_set(err, ERR_FATAL, "type %s was dropped meanwhile: try again", oid);
    free(oid);
    return rc;
}

int
catalogue_statement_read(struct pg *pg, const struct entry *entry, struct config_place place,
                         const char *setting, const char *sql, struct catalogue_type *type,
                         struct error *err)
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
    return catalogue_type_read(pg, type_id, type, err);
}

void
catalogue_rows_append(struct buffer *out, const struct entry_table *table)
{
    CHECK(table->quoted != NULL);
    buffer_append_format(out, " FROM (SELECT NULL::%s AS _row) AS _rows", table->quoted);
}

int
catalogue_expression_read(struct pg *pg, const struct entry *entry, const struct entry_table *table,
                          struct config_place place, const char *setting, const char *expression,
                          struct catalogue_type *type, struct error *err)
{
    struct buffer sql = {0};
    CHECK(*expression != '\0');
    buffer_append_text(&sql, "SELECT (");
    sql_append_expression(&sql, expression, CATALOGUE_ROW);
    buffer_append_text(&sql, "), pg_catalog.to_jsonb("); /* refuses a literal that has no type */
    sql_append_expression(&sql, expression, CATALOGUE_ROW);
    buffer_append_text(&sql, ")");
    catalogue_rows_append(&sql, table);
    buffer_append_text(&sql, " LIMIT 0");
    int rc = catalogue_statement_read(pg, entry, place, setting, buffer_string(&sql), type, err);
    buffer_free(&sql);
    return rc;
}

int
catalogue_slot_read(struct pg *pg, const struct entry *entry, const struct entry_table *table,
                    struct config_place place, const char *setting, const char *column,
                    struct error *err)
{
    struct catalogue_type type = {0};
    CHECK(column != NULL);
    char *expression = memory_format("{%s}", column);
    int rc = catalogue_expression_read(pg, entry, table, place, setting, expression, &type, err);
    free(expression);
    if (rc == 0 && type.integer_bytes == 0)
        rc =
            entry_refuse(entry, place, setting, err,
                         "column %s is not of an integer type, as ids of entities must be", column);
    return rc;
}
