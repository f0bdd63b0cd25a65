#include "producer/triggers/row_ops.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/config/config.h"
#include "producer/triggers/concat.h"
#include "producer/triggers/row_sql.h"
#include "producer/triggers/sql.h"

#define ROW "_row"
#define OLD "_old"
#define NEW "_new"

/* --- values --- */

/* The value as the database has it: a column, or what a function makes of the row. */
static void
append_source(struct buffer *out, const struct row_role *role, uint32_t index, const char *row)
{
    const struct entry_value *value = &role->entry->values[index];
    CHECK(index < role->entry->value_count);
    if (role->values[index] != NULL)
        buffer_append_format(out, "%s(%s)", role->values[index], row);
    else
        sql_append_expression(out, value->expression, row);
}

/* As JSON, an expression of type text; null where the field has no value. */
static char *
json_of(const struct row_role *role, uint32_t index, const char *row)
{
    struct buffer source = {0};
    struct buffer json = {0};
    if (role->json_guards[index] != NULL)
        return memory_format("%s(%s)", role->json_guards[index], row);
    append_source(&source, role, index, row);
    row_sql_append_json(&json, &role->entry->values[index], "to_json", buffer_string(&source));
    buffer_free(&source);
    char *text = memory_format("%s", buffer_string(&json));
    buffer_free(&json);
    return text;
}

/* The JSON value of a `set`, which replaces whatever the field holds: a single value of a
 * multi-value field is a list of one. */
static void
concat_replacement(struct concat *concat, const struct row_role *role, uint32_t index,
                   const char *row)
{
    const struct entry_value *value = &role->entry->values[index];
    CHECK(strcmp(row, OLD) != 0); /* nothing is set to an old value */
    bool is_item =
        value->is_multi_value && !entry_form_is_array(value->form) && value->form != FORM_JSON;
    char *json = json_of(role, index, row);
    char *replacement = memory_format("coalesce(%s, '%s')", json, is_item ? "" : "null");
    concat_literal(concat, is_item ? "[" : "");
    concat_sql(concat, replacement);
    concat_literal(concat, is_item ? "]" : "");
    free(replacement);
    free(json);
}

/* A comma and the beginning of an op, up to its value. */
static void
concat_op(struct concat *concat, const char *op, const struct entry_value *value)
{
    CHECK(strpbrk(value->target, "'\"\\") == NULL); /* a field's name is a word */
    concat_literal(concat, ",{\"op\": \"");
    concat_literal(concat, op);
    concat_literal(concat, "\", \"field\": \"");
    concat_literal(concat, value->target);
    concat_literal(concat, "\", \"value\": ");
}

/* An op with the value of `row`, if it has one. */
static void
concat_op_if_any(struct concat *concat, const char *op, const struct row_role *role, uint32_t index,
                 const char *row)
{
    struct concat text = {0};
    struct buffer sql = {0};
    char *json = json_of(role, index, row);
    concat_op(&text, op, &role->entry->values[index]);
    concat_sql(&text, json);
    concat_literal(&text, "}");
    buffer_append_text(&sql, "coalesce(");
    concat_finish(&text, &sql);
    buffer_append_text(&sql, ", '')");
    concat_sql(concat, buffer_string(&sql));
    buffer_free(&sql);
    free(json);
}

/* A `set` of every field to its value, null included. */
static void
concat_all(struct concat *concat, const struct row_role *role, const char *row)
{
    for (uint32_t i = 0; i < role->entry->value_count; i++) {
        concat_op(concat, "set", &role->entry->values[i]);
        concat_replacement(concat, role, i, row);
        concat_literal(concat, "}");
    }
}

static void
concat_nulls(struct concat *concat, const struct row_role *role)
{
    for (uint32_t i = 0; i < role->entry->value_count; i++) {
        concat_op(concat, "set", &role->entry->values[i]);
        concat_literal(concat, "null}");
    }
}

static void
concat_each(struct concat *concat, const char *op, const struct row_role *role, const char *row)
{
    for (uint32_t i = 0; i < role->entry->value_count; i++)
        concat_op_if_any(concat, op, role, i, row);
}

static void
concat_request(struct concat *concat, const char *request)
{
    concat_literal(concat, ",");
    concat_literal(concat, request);
    concat_literal(concat, "}");
}

/* --- conditions --- */

void
row_ops_append_change(struct buffer *out, const struct entry_table_column *column, const char *new,
                      const char *old)
{
    struct buffer values[2] = {0};
    CHECK(column->identity <= IDENTITY_TEXT);
    sql_append_column(&values[0], new, column->name);
    sql_append_column(&values[1], old, column->name);
    const char *first = buffer_string(&values[0]);
    const char *second = buffer_string(&values[1]);
    if (column->identity == IDENTITY_IMAGE)
        buffer_append_format(out, "pg_catalog.record_image_ne(ROW(%s), ROW(%s))", first, second);
    else
        buffer_append_format(out, "%s%s IS DISTINCT FROM %s", first,
                             column->identity == IDENTITY_TEXT ? " COLLATE pg_catalog.\"C\"" : "",
                             second);
    buffer_free(&values[0]);
    buffer_free(&values[1]);
}

/* The condition that the named column of the table changed. */
static void
append_named_change(struct buffer *out, const struct entry_table *table, struct text name)
{
    const struct entry_table_column *column = entry_table_find(table, name);
    CHECK(column != NULL);
    row_ops_append_change(out, column, NEW, OLD);
}

/* The condition that a column changed whose {name} is in `text`. */
static void
append_columns_change(struct buffer *out, const struct entry_table *table, const char *text)
{
    struct text name;
    const char *separator = "";
    while (sql_next_placeholder(&text, &name)) {
        buffer_append_text(out, separator);
        append_named_change(out, table, name);
        separator = " OR ";
    }
    if (*separator == '\0')
        buffer_append_text(out, "false");
}

/* The condition that the value changed. A column that changed need not change what is made of it.
 */
static void
append_value_change(struct buffer *out, const struct row_role *role, uint32_t index)
{
    const struct entry_value *value = &role->entry->values[index];
    append_columns_change(out, &role->entry->table, value->expression);
    if (value->form == FORM_PLAIN && role->values[index] == NULL)
        return;
    char *old = json_of(role, index, OLD);
    char *new = json_of(role, index, NEW);
    struct buffer columns = {0};
    buffer_append_format(
        &columns, ") AND %s COLLATE pg_catalog.\"C\"\n            IS DISTINCT FROM %s", new, old);
    buffer_append_text(out, buffer_string(&columns));
    buffer_free(&columns);
    free(old);
    free(new);
}

/* CASE WHEN the value changed THEN `then` ELSE '' END; frees `then`. */
static void
concat_if_changed(struct concat *concat, const struct row_role *role, uint32_t index,
                  struct concat *then)
{
    const struct entry_value *value = &role->entry->values[index];
    bool is_column = value->form == FORM_PLAIN && role->values[index] == NULL;
    struct buffer sql = {0};
    buffer_append_text(&sql, is_column ? "CASE WHEN " : "CASE WHEN (");
    append_value_change(&sql, role, index);
    buffer_append_text(&sql, "\n        THEN ");
    concat_finish(then, &sql);
    buffer_append_text(&sql, " ELSE '' END");
    concat_sql(concat, buffer_string(&sql));
    buffer_free(&sql);
}

/* CASE WHEN `row` passes the role's filter THEN `then` ELSE `otherwise` END; frees both. Without a
 * filter, only `then`. */
static void
concat_if_passes(struct concat *concat, const struct row_role *role, const char *row,
                 struct concat *then, struct concat *otherwise)
{
    struct buffer sql = {0};
    if (role->filter != NULL)
        buffer_append_format(&sql, "CASE WHEN %s(%s) THEN ", role->filter, row);
    concat_finish(then, &sql);
    struct buffer other = {0};
    concat_finish(otherwise, &other);
    if (role->filter != NULL)
        buffer_append_format(&sql, "\n        ELSE %s END", buffer_string(&other));
    buffer_free(&other);
    concat_sql(concat, buffer_string(&sql));
    buffer_free(&sql);
}

/* Where the filter fails, the row does not pass, and the first field of the entry says why. */
static void
concat_filter_failure(struct concat *concat, const struct row_role *role, const char *row)
{
    struct buffer sql = {0};
    struct concat then = {0};
    if (role->entry->filter_guard == NULL || role->entry->value_count == 0)
        return;
    buffer_append_format(&sql, "CASE WHEN %s(%s) IS NULL THEN ", role->filter, row);
    concat_op(&then, role->kind == ROLE_JOIN ? "add" : "set", &role->entry->values[0]);
    concat_literal(&then, "{\"invalid\": \"the filter cannot be evaluated for this row\"}}");
    concat_finish(&then, &sql);
    buffer_append_text(&sql, " ELSE '' END");
    concat_sql(concat, buffer_string(&sql));
    buffer_free(&sql);
}

/* Where the filter fails for a row that goes, nobody knows whether it was in the index: it is asked
 * for. */
static void
concat_ask_on_failure(struct concat *concat, const struct row_role *role, const char *row)
{
    struct buffer sql = {0};
    struct concat request = {0};
    if (role->entry->filter_guard == NULL)
        return;
    buffer_append_format(&sql, "CASE WHEN %s(%s) IS NULL THEN ", role->filter, row);
    concat_request(&request, role->request);
    concat_finish(&request, &sql);
    buffer_append_text(&sql, " ELSE '' END");
    concat_sql(concat, buffer_string(&sql));
    buffer_free(&sql);
}

/* --- direct --- */

static void
concat_direct_values(struct concat *concat, const struct row_role *role, const char *row)
{
    if (role->entry->trigger->sets_alive)
        concat_literal(concat, ",{\"op\": \"alive\"}");
    concat_all(concat, role, row);
}

/* Requests for what `delete` of an earlier row with this id took from the entity. */
static void
concat_outliving(struct concat *concat, const struct row_role *role)
{
    CHECK(role->outliving_count == 0 || role->kind == ROLE_DIRECT);
    for (uint32_t i = 0; i < role->outliving_count; i++)
        concat_request(concat, role->outliving[i]);
}

static void
concat_direct_enter(struct concat *concat, const struct row_role *role)
{
    struct concat then = {0};
    struct concat otherwise = {0};
    CHECK(role->kind == ROLE_DIRECT);
    concat_direct_values(&then, role, ROW);
    concat_outliving(&then, role);
    concat_if_passes(concat, role, ROW, &then, &otherwise);
    concat_filter_failure(concat, role, ROW);
}

/* The row goes, or does not pass the filter any more. */
static void
concat_direct_gone(struct concat *concat, const struct row_role *role)
{
    CHECK(role->kind == ROLE_DIRECT);
    if (!role->is_proved)
        concat_request(concat, role->request);
    else if (role->entry->trigger->on_delete == ON_DELETE_SLOT)
        concat_literal(concat, ",{\"op\": \"delete\"}");
    else
        concat_nulls(concat, role);
}

static void
concat_direct_change(struct concat *concat, const struct row_role *role)
{
    for (uint32_t i = 0; i < role->entry->value_count; i++) {
        struct concat ops = {0};
        concat_op_if_any(&ops, "remove", role, i, OLD);
        concat_op(&ops, "set", &role->entry->values[i]);
        concat_replacement(&ops, role, i, NEW);
        concat_literal(&ops, "}");
        concat_if_changed(concat, role, i, &ops);
    }
}

/* CASE over the filter's verdicts of both versions; frees what it is made of. */
static void
concat_verdicts(struct concat *concat, const struct row_role *role, struct concat *both,
                struct concat *old_only, struct concat *new_only)
{
    struct buffer sql = {0};
    CHECK(role->filter != NULL);
    buffer_append_format(&sql, "CASE WHEN %s(" OLD ") THEN CASE WHEN %s(" NEW ") THEN\n        ",
                         role->filter, role->filter);
    concat_finish(both, &sql);
    buffer_append_text(&sql, "\n        ELSE ");
    concat_finish(old_only, &sql);
    buffer_append_format(&sql, " END\n        WHEN %s(" NEW ") THEN ", role->filter);
    concat_finish(new_only, &sql);
    buffer_append_text(&sql, "\n        ELSE '' END");
    concat_sql(concat, buffer_string(&sql));
    buffer_free(&sql);
}

/* An entity that meets its filter again lacks what the other roles and tables say of it (F93). */
static void
concat_direct_update(struct concat *concat, const struct row_role *role)
{
    struct concat both = {0};
    struct concat old_only = {0};
    struct concat new_only = {0};
    CHECK(role->kind == ROLE_DIRECT);
    if (role->filter == NULL) {
        concat_direct_change(concat, role);
        return;
    }
    concat_direct_change(&both, role);
    concat_direct_gone(&old_only, role);
    concat_direct_values(&new_only, role, NEW);
    concat_literal(&new_only, ",{\"op\": \"refresh\"}");
    concat_verdicts(concat, role, &both, &old_only, &new_only);
    concat_filter_failure(concat, role, NEW);
    concat_ask_on_failure(concat, role, OLD);
}

/* --- join --- */

static void
concat_join_enter(struct concat *concat, const struct row_role *role)
{
    struct concat then = {0};
    struct concat otherwise = {0};
    CHECK(role->kind == ROLE_JOIN);
    concat_each(&then, "add", role, ROW);
    concat_if_passes(concat, role, ROW, &then, &otherwise);
    concat_filter_failure(concat, role, ROW);
}

static void
concat_join_leave(struct concat *concat, const struct row_role *role)
{
    struct concat then = {0};
    struct concat otherwise = {0};
    CHECK(role->kind == ROLE_JOIN);
    if (role->is_proved)
        concat_each(&then, "remove", role, ROW);
    else
        concat_request(&then, role->request);
    concat_if_passes(concat, role, ROW, &then, &otherwise);
    concat_ask_on_failure(concat, role, ROW);
}

/* Both versions pass the filter. */
static void
concat_join_change(struct concat *concat, const struct row_role *role)
{
    for (uint32_t i = 0; i < role->entry->value_count; i++) {
        struct concat ops = {0};
        if (!role->is_proved)
            concat_request(&ops, role->request);
        concat_op_if_any(&ops, "add", role, i, NEW);
        concat_if_changed(concat, role, i, &ops);
    }
}

/* The row fails the filter that it passed. A value that changed meanwhile is one that left. */
static void
concat_join_fail(struct concat *concat, const struct row_role *role)
{
    CHECK(role->kind == ROLE_JOIN);
    if (!role->is_proved) {
        concat_request(concat, role->request);
        return;
    }
    struct buffer sql = {0};
    struct concat removal = {0};
    buffer_append_text(&sql, "CASE WHEN ");
    append_columns_change(&sql, &role->entry->table, role->entry->values[0].expression);
    buffer_append_text(&sql, " THEN '' ELSE ");
    concat_each(&removal, "remove", role, OLD);
    concat_finish(&removal, &sql);
    buffer_append_text(&sql, " END");
    concat_sql(concat, buffer_string(&sql));
    buffer_free(&sql);
}

static void
concat_join_update(struct concat *concat, const struct row_role *role)
{
    struct concat both = {0};
    struct concat old_only = {0};
    struct concat new_only = {0};
    if (role->filter == NULL) {
        concat_join_change(concat, role);
        return;
    }
    concat_join_change(&both, role);
    concat_join_fail(&old_only, role);
    concat_each(&new_only, "add", role, NEW);
    concat_verdicts(concat, role, &both, &old_only, &new_only);
    concat_filter_failure(concat, role, NEW);
    concat_ask_on_failure(concat, role, OLD);
}

/* --- child --- */

/* A row that names no parent adds nothing to its entity, and takes nothing from it. */
static void
concat_child(struct concat *concat, const struct row_role *role)
{
    struct buffer sql = {0};
    struct concat request = {0};
    CHECK(role->kind == ROLE_CHILD);
    buffer_append_text(&sql, "CASE WHEN ");
    sql_append_column(&sql, ROW, role->foreign_key);
    buffer_append_text(&sql, " IS NULL THEN '' ELSE ");
    concat_request(&request, role->request);
    concat_finish(&request, &sql);
    buffer_append_text(&sql, " END");
    concat_sql(concat, buffer_string(&sql));
    buffer_free(&sql);
}

/* An entity that is deleted with the row has no parents any more. */
static void
concat_child_leave(struct concat *concat, const struct row_role *role,
                   const struct row_role *deleter)
{
    struct concat none = {0};
    struct concat otherwise = {0};
    if (deleter == NULL) {
        concat_child(concat, role);
    } else if (deleter->filter != NULL) {
        concat_child(&otherwise, role);
        concat_if_passes(concat, deleter, ROW, &none, &otherwise);
    }
}

static void
concat_child_update(struct concat *concat, const struct row_role *role,
                    const struct entry_table *table)
{
    struct buffer sql = {0};
    struct concat request = {0};
    CHECK(role->kind == ROLE_CHILD);
    buffer_append_text(&sql, "CASE WHEN ");
    append_named_change(&sql, table, text_of(role->foreign_key));
    buffer_append_text(&sql, " THEN ");
    concat_request(&request, role->request);
    concat_finish(&request, &sql);
    buffer_append_text(&sql, " ELSE '' END");
    concat_sql(concat, buffer_string(&sql));
    buffer_free(&sql);
}

/* --- groups --- */

void
row_ops_append_enter(struct buffer *out, const struct row_group *group)
{
    struct concat concat = {0};
    for (const struct row_role *role = group->roles; role != NULL; role = role->next)
        if (role->kind == ROLE_DIRECT)
            concat_direct_enter(&concat, role);
        else if (role->kind == ROLE_JOIN)
            concat_join_enter(&concat, role);
        else
            concat_child(&concat, role);
    concat_finish(&concat, out);
}

static void
concat_direct_leave(struct concat *concat, const struct row_role *role)
{
    struct concat then = {0};
    struct concat otherwise = {0};
    concat_direct_gone(&then, role);
    concat_if_passes(concat, role, ROW, &then, &otherwise);
    concat_ask_on_failure(concat, role, ROW);
}

void
row_ops_append_leave(struct buffer *out, const struct row_group *group)
{
    struct concat concat = {0};
    const struct row_role *deleter = row_group_deleter(group);
    for (const struct row_role *role = group->roles; role != NULL; role = role->next)
        if (role->kind == ROLE_DIRECT)
            concat_direct_leave(&concat, role);
        else if (role->kind == ROLE_JOIN)
            concat_join_leave(&concat, role);
        else
            concat_child_leave(&concat, role, deleter);
    concat_finish(&concat, out);
}

void
row_ops_append_update(struct buffer *out, const struct row_table *table,
                      const struct row_group *group)
{
    struct concat concat = {0};
    for (const struct row_role *role = group->roles; role != NULL; role = role->next)
        if (role->kind == ROLE_DIRECT)
            concat_direct_update(&concat, role);
        else if (role->kind == ROLE_JOIN)
            concat_join_update(&concat, role);
        else
            concat_child_update(&concat, role, table->table);
    concat_finish(&concat, out);
}

void
row_ops_append_left(struct buffer *out, const struct row_group *group)
{
    struct concat concat = {0};
    for (const struct row_role *role = group->roles; role != NULL; role = role->next) {
        struct concat passed = {0};
        struct concat removal = {0};
        struct concat otherwise = {0};
        if (role->kind != ROLE_JOIN || !role->is_proved)
            continue;
        concat_each(&removal, "remove", role, OLD);
        concat_if_changed(&passed, role, 0, &removal);
        concat_if_passes(&concat, role, OLD, &passed, &otherwise);
    }
    concat_finish(&concat, out);
}

void
row_ops_append_ask(struct buffer *out, const struct row_group *group)
{
    struct concat concat = {0};
    CHECK(group->roles != NULL);
    for (const struct row_role *role = group->roles; role != NULL; role = role->next)
        concat_request(&concat, role->request);
    concat_finish(&concat, out);
}

void
row_ops_append_ask_enter(struct buffer *out, const struct row_group *group)
{
    struct concat concat = {0};
    CHECK(group->roles != NULL);
    for (const struct row_role *role = group->roles; role != NULL; role = role->next) {
        concat_request(&concat, role->request);
        concat_outliving(&concat, role);
    }
    concat_finish(&concat, out);
}

/* --- parents --- */

/* The key of `row` as JSON, an expression of type text; null where a column of it is null. */
static void
append_key(struct buffer *out, const struct row_role *role, const struct entry_table *table,
           const char *row)
{
    struct concat list = {0};
    CHECK(role->key_count > 0);
    concat_literal(&list, role->key_count > 1 ? "[" : "");
    for (uint32_t i = 0; i < role->key_count; i++) {
        const struct entry_table_column *column = entry_table_find(table, text_of(role->keys[i]));
        struct buffer json = {0};
        CHECK(column != NULL);
        buffer_append_text(&json, "to_json(");
        sql_append_column(&json, row, column->name);
        buffer_append_text(&json, column->is_integer ? ")::text" : "::text)::text");
        concat_literal(&list, i > 0 ? ", " : "");
        concat_sql(&list, buffer_string(&json));
        buffer_free(&json);
    }
    concat_literal(&list, role->key_count > 1 ? "]" : "");
    buffer_append_text(out, role->key_count > 1 ? "to_json(" : "");
    concat_finish(&list, out);
    buffer_append_text(out, role->key_count > 1 ? ")::text" : "");
}

/* The request for the entities of the parent `row`: empty where the filter excludes it, or where it
 * is on no way to a parent, so that no entity shows anything of it. */
static void
append_request(struct buffer *out, const struct row_role *role, const struct entry_table *table,
               const char *row)
{
    struct concat request = {0};
    struct buffer key = {0};
    bool is_conditional = role->filter != NULL || role->foreign_key != NULL;
    CHECK(role->kind == ROLE_PARENT);
    CHECK(role->filter == NULL || role->foreign_key == NULL);
    append_key(&key, role, table, row);
    concat_literal(&request, ",");
    concat_literal(&request, role->request);
    concat_literal(&request, ", \"key\": ");
    concat_sql(&request, buffer_string(&key));
    concat_literal(&request, "}");
    buffer_free(&key);
    if (role->filter != NULL) /* where it fails, nobody knows what the entities show */
        buffer_append_format(out, "CASE WHEN %s(%s)%s THEN ", role->filter, row,
                             role->entry->filter_guard != NULL ? " IS NOT FALSE" : "");
    if (role->foreign_key != NULL) {
        buffer_append_text(out, "CASE WHEN ");
        sql_append_column(out, row, role->foreign_key);
        buffer_append_text(out, " IS NOT NULL THEN ");
    }
    buffer_append_text(out, "coalesce(");
    concat_finish(&request, out);
    buffer_append_text(out, is_conditional ? ", '') ELSE '' END" : ", '')");
}

void
row_ops_append_keys(struct buffer *out, const struct row_table *table)
{
    struct concat concat = {0};
    CHECK(table->parents != NULL);
    for (const struct row_role *role = table->parents; role != NULL; role = role->next) {
        struct buffer request = {0};
        append_request(&request, role, table->table, ROW);
        concat_sql(&concat, buffer_string(&request));
        buffer_free(&request);
    }
    concat_finish(&concat, out);
}

/* The condition that a column changed which the role reads. */
static void
append_parent_change(struct buffer *out, const struct row_role *role,
                     const struct entry_table *table)
{
    const char *separator = "";
    const struct entry_column *column = role->level == 0 ? role->entry->columns : NULL;
    for (; column != NULL; column = column->next) {
        buffer_append_text(out, separator);
        append_named_change(out, table, text_of(column->name));
        separator = " OR ";
    }
    for (uint32_t i = 0; i < role->key_count; i++) {
        buffer_append_text(out, separator);
        append_named_change(out, table, text_of(role->keys[i]));
        separator = " OR ";
    }
    if (role->foreign_key == NULL)
        return;
    buffer_append_text(out, " OR ");
    append_named_change(out, table, text_of(role->foreign_key));
}

void
row_ops_append_moves(struct buffer *out, const struct row_table *table)
{
    struct concat concat = {0};
    CHECK(table->parents != NULL);
    for (const struct row_role *role = table->parents; role != NULL; role = role->next) {
        struct buffer old = {0};
        struct buffer new = {0};
        struct buffer sql = {0};
        append_request(&old, role, table->table, OLD);
        append_request(&new, role, table->table, NEW);
        buffer_append_text(&sql, "CASE WHEN ");
        append_parent_change(&sql, role, table->table);
        buffer_append_format(&sql,
                             "\n        THEN %s || CASE WHEN %s = %s THEN '' ELSE %s END ELSE ''"
                             " END",
                             buffer_string(&old), buffer_string(&new), buffer_string(&old),
                             buffer_string(&new));
        concat_sql(&concat, buffer_string(&sql));
        buffer_free(&old);
        buffer_free(&new);
        buffer_free(&sql);
    }
    concat_finish(&concat, out);
}

static void
concat_all_request(struct concat *concat, const struct row_role *role)
{
    concat_literal(concat, ",");
    concat_literal(concat, role->whole);
    concat_literal(concat, ", \"all\": true}");
}

void
row_ops_append_all(struct buffer *out, const struct row_table *table)
{
    struct concat concat = {0};
    for (const struct row_group *group = table->groups; group != NULL; group = group->next)
        for (const struct row_role *role = group->roles; role != NULL; role = role->next)
            concat_all_request(&concat, role);
    for (const struct row_role *role = table->parents; role != NULL; role = role->next)
        concat_all_request(&concat, role);
    concat_finish(&concat, out);
}
