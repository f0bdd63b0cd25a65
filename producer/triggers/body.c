/* What a generated function does with one changed row.
 *
 * A row *matches* its entry when it exists, names an entity (its slot is not null) and passes the
 * entry's filter. From that, the function for rows has the same three cases for every kind of
 * entry:
 *
 *     OLD and NEW match, and belong to the same entities: what changed, as remove(old), set(new)
 *     else, if OLD matches: what its entities lose
 *     else, if NEW matches: every value that its entities get, after what others lost
 *
 * Each case collects ops in the variable _ops and then inserts them into the outbox: as one ops row
 * of the entity (direct, join), as one fan-out (fan-out by query), or as one ops row for each child
 * (fan-out per row). _ops is text in which a comma precedes every op. It is cast to jsonb once,
 * which takes half the time of jsonb_build_object().
 *
 * In this file, `row` is the name of a row in the generated SQL: OLD, NEW, or an alias such as
 * _other. The generated text carries no comments, because the names of functions and triggers are
 * a hash of it: a comment could not be improved without replacing every trigger.
 */
#include "producer/triggers/body.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/config/config.h"
#include "producer/triggers/row_sql.h"
#include "producer/triggers/sql.h"

#define HEAD "#variable_conflict use_column\n"
#define OPS_LIST "'[' || substr(_ops, 2) || ']'"

static bool
is_old(const char *row)
{
    bool old = strcmp(row, "OLD") == 0;
    CHECK(old || strcmp(row, "NEW") == 0);
    return old;
}

static bool
is_op(const char *op)
{
    return strcmp(op, "set") == 0 || strcmp(op, "add") == 0 || strcmp(op, "remove") == 0;
}

/* The value in `row` as JSON, an expression of type text; SQL null when the value is null. */
static void
append_json(struct buffer *out, const struct entry_value *value, const char *row)
{
    buffer_append_text(out, "to_json(");
    row_sql_append_value(out, value, row);
    buffer_append_text(out, ")::text");
}

/* A comma and an op, as text; SQL null when the expression `json` is null. */
static void
append_op(struct buffer *out, const char *op, const struct entry_value *value, const char *json)
{
    CHECK(is_op(op));
    CHECK(strpbrk(value->target, "'\"\\") == NULL); /* it is put into a literal as it is */
    buffer_append_format(out, "',{\"op\": \"%s\", \"field\": \"%s\", \"value\": ' || %s || '}'", op,
                         value->target, json);
}

/* As append_op(), but empty text when `json` is null. */
static void
append_op_if_any(struct buffer *out, const char *op, const struct entry_value *value,
                 const char *json)
{
    buffer_append_text(out, "coalesce(");
    append_op(out, op, value, json);
    buffer_append_text(out, ", '')");
}

/* The JSON value of a `set`, which replaces whatever the field holds: a single value of a
 * multi-value field is a list of one. */
static void
append_replacement(struct buffer *out, const struct entry_value *value, const char *row)
{
    CHECK(strcmp(row, "OLD") != 0); /* nothing is set to an old value */
    bool is_item =
        value->is_multi_value && !entry_form_is_array(value->form) && value->form != FORM_JSON;
    buffer_append_text(out, is_item ? "'[' || coalesce(" : "coalesce(");
    append_json(out, value, row);
    buffer_append_text(out, is_item ? ", '') || ']'" : ", 'null')");
}

/* A `set` of every field to its value in `row`, null included, as jsonb, after the op `first` (""
 * for none). */
static void
append_all_ops(struct buffer *out, const struct entry *entry, const char *row, const char *first,
               const char *indent)
{
    CHECK(entry->value_count > 0 || *first != '\0'); /* an ops row has at least one op */
    buffer_append_format(out, "(\n%s'[%s", indent, first);
    for (uint32_t i = 0; i < entry->value_count; i++) {
        buffer_append_format(out, "%s{\"op\": \"set\", \"field\": \"%s\", \"value\": '\n%s|| ",
                             i > 0 || *first != '\0' ? "," : "", entry->values[i].target, indent);
        append_replacement(out, &entry->values[i], row);
        buffer_append_format(out, "\n%s|| '}", indent);
    }
    buffer_append_text(out, "]')::jsonb");
}

/* A `set` of every field to null, as a literal. */
static void
append_no_values(struct buffer *out, const struct entry *entry)
{
    CHECK(entry->value_count > 0);
    buffer_append_text(out, "'[");
    for (uint32_t i = 0; i < entry->value_count; i++)
        buffer_append_format(out, "%s{\"op\": \"set\", \"field\": \"%s\", \"value\": null}",
                             i > 0 ? ", " : "", entry->values[i].target);
    buffer_append_text(out, "]'");
}

static void
append_insert(struct buffer *out, const struct entry *entry)
{
    CHECK(entry->outbox_schema != NULL);
    buffer_append_text(out, "INSERT INTO ");
    sql_append_name(out, entry->outbox_schema);
    buffer_append_text(out, ".\"BitdexOps\" (entity_id, ops)");
}

/* The entity_id of a fan-out's ops row, which names no entity. */
static void
append_source_id(struct buffer *out, const struct entry *entry, const char *row)
{
    CHECK(entry->trigger->kind == TRIGGER_FAN_OUT);
    if (entry->id_column != NULL)
        sql_append_column(out, row, entry->id_column);
    else
        buffer_append_text(out, "0");
}

/* The SELECT list and FROM of a fan-out of `ops` to the entities that the query of `row` matches.
 * `ops` is an SQL expression of type text, a JSON array. The caller closes the subquery. */
static void
append_fan_out(struct buffer *out, const struct entry *entry, const char *row, const char *ops)
{
    CHECK(entry->trigger->kind == TRIGGER_FAN_OUT);
    buffer_append_format(out,
                         "SELECT _fan_out.id, ('[{\"op\": \"queryOpSet\", \"query\": '\n"
                         "                || to_json(_fan_out.query)::text || ', \"ops\": ' || %s"
                         " || '}]')::jsonb\n            FROM (SELECT ",
                         ops);
    append_source_id(out, entry, row);
    buffer_append_text(out, " AS id, ");
    row_sql_append_query(out, entry, row);
    buffer_append_text(out, " AS query");
}

/* The SELECT of an ops row for each child of `row`. */
static void
append_emit_per_row(struct buffer *out, const struct entry *entry, const char *row)
{
    CHECK(entry_child(entry) != NULL);
    CHECK(entry_parent_key(entry) != NULL);
    buffer_append_text(out, "\n            SELECT ");
    sql_append_column(out, "_child", entry_child(entry)->slot);
    buffer_append_format(out, ", _list FROM %s AS _child\n            WHERE ",
                         entry_child_table(entry)->quoted);
    sql_append_column(out, "_child", entry_child(entry)->foreign_key);
    buffer_append_text(out, " = ");
    sql_append_column(out, row, entry_parent_key(entry));
    buffer_append_text(out, " AND ");
    sql_append_column(out, "_child", entry_child(entry)->slot);
    buffer_append_text(out, " IS NOT NULL");
}

/* Inserts _ops for the entities of `row`, if there are any ops. */
static void
append_emit(struct buffer *out, const struct entry *entry, const char *row)
{
    bool is_per_row = entry->trigger->kind == TRIGGER_FAN_OUT_PER_ROW;
    buffer_append_text(out, "        IF _ops <> '' THEN\n            ");
    if (is_per_row)
        buffer_append_text(out, "_list := (" OPS_LIST ")::jsonb;\n            ");
    append_insert(out, entry);
    if (is_per_row) {
        append_emit_per_row(out, entry, row);
    } else if (entry->trigger->kind == TRIGGER_FAN_OUT) {
        buffer_append_text(out, "\n            ");
        append_fan_out(out, entry, row, OPS_LIST);
        buffer_append_text(out, ") AS _fan_out\n            WHERE _fan_out.query IS NOT NULL");
    } else {
        CHECK(entry->trigger->slot_field != NULL);
        buffer_append_text(out, "\n            VALUES (");
        sql_append_column(out, row, entry->trigger->slot_field);
        buffer_append_text(out, ", (" OPS_LIST ")::jsonb)");
    }
    buffer_append_text(out, ";\n        END IF;\n");
}

/* The condition that `row`, OLD or NEW, matches. */
static void
append_match(struct buffer *out, const struct entry *entry, const char *row, bool is_update)
{
    enum config_trigger_kind kind = entry->trigger->kind;
    bool old = is_old(row);
    if (kind == TRIGGER_DIRECT || kind == TRIGGER_JOIN) {
        CHECK(entry->trigger->slot_field != NULL);
        sql_append_column(out, row, entry->trigger->slot_field);
        buffer_append_text(out, " IS NOT NULL");
    } else if (is_update) {
        buffer_append_text(out, "true");
    } else {
        buffer_append_format(out, "TG_OP = '%s'", old ? "DELETE" : "INSERT");
    }
    row_sql_append_filter(out, entry, row);
}

/* Does an UPDATE compare values that are more than a column of a plain type? */
static bool
needs_variables(const struct entry *entry)
{
    for (uint32_t i = 0; i < entry->value_count; i++)
        if (entry->values[i].form != FORM_PLAIN || !sql_is_column(entry->values[i].expression))
            return true;
    return false;
}

static void
append_declarations(struct buffer *out, const struct entry *entry, bool is_update)
{
    buffer_append_text(out, HEAD "DECLARE\n    _old_matches boolean := ");
    append_match(out, entry, "OLD", is_update);
    buffer_append_text(out, ";\n    _new_matches boolean := ");
    append_match(out, entry, "NEW", is_update);
    buffer_append_text(out, ";\n");
    if (is_update && needs_variables(entry))
        buffer_append_text(out, "    _old_value text;\n    _new_value text;\n");
    if (is_update || entry->trigger->kind != TRIGGER_DIRECT)
        buffer_append_text(out, "    _ops text := '';\n");
    if (entry->trigger->kind == TRIGGER_FAN_OUT_PER_ROW)
        buffer_append_text(out, "    _list jsonb;\n");
    buffer_append_text(out, "BEGIN\n");
}

/* The condition that the column changed. */
static void
append_column_change(struct buffer *out, const struct entry_column *column)
{
    CHECK(column != NULL);
    sql_append_column(out, "NEW", column->name);
    buffer_append_text(out, column->is_comparable ? "" : "::text");
    buffer_append_text(out, " IS DISTINCT FROM ");
    sql_append_column(out, "OLD", column->name);
    buffer_append_text(out, column->is_comparable ? "" : "::text");
}

/* The condition that a column changed whose {name} is in `text`. */
static void
append_columns_change(struct buffer *out, const struct entry *entry, const char *text)
{
    struct text name;
    const char *separator = "";
    while (sql_next_placeholder(&text, &name)) {
        buffer_append_text(out, separator);
        append_column_change(out, entry_find_column(entry, name));
        separator = " OR ";
    }
    if (*separator == '\0')
        buffer_append_text(out, "false");
}

/* The condition that OLD and NEW, which both match, belong to the same entities. */
static void
append_same(struct buffer *out, const struct entry *entry)
{
    const struct config_trigger *trigger = entry->trigger;
    const char *key = trigger->slot_field;
    if (trigger->kind == TRIGGER_FAN_OUT && trigger->query_source != NULL) {
        buffer_append_text(out, "NOT (");
        append_columns_change(out, entry, trigger->query_source);
        buffer_append_text(out, ")");
        return;
    }
    if (trigger->kind == TRIGGER_FAN_OUT) {
        row_sql_append_query(out, entry, "NEW");
        buffer_append_text(out, "\n        IS NOT DISTINCT FROM ");
        row_sql_append_query(out, entry, "OLD");
        return;
    }
    if (trigger->kind == TRIGGER_FAN_OUT_PER_ROW)
        key = entry_parent_key(entry);
    CHECK(key != NULL);
    sql_append_column(out, "NEW", key);
    buffer_append_text(out, " = ");
    sql_append_column(out, "OLD", key);
}

/* The beginning of the condition that another row has the entity of OLD. The caller adds terms to
 * its WHERE clause and closes it. */
static void
append_other(struct buffer *out, const struct entry *entry)
{
    CHECK(entry->trigger->slot_field != NULL);
    buffer_append_format(out, "EXISTS (\n        SELECT FROM %s AS _other WHERE ",
                         entry->table.quoted);
    sql_append_column(out, "_other", entry->trigger->slot_field);
    buffer_append_text(out, " = ");
    sql_append_column(out, "OLD", entry->trigger->slot_field);
}

/* The condition that another row of a join still adds the value of OLD to the same entity. */
static void
append_still_added(struct buffer *out, const struct entry *entry, const struct entry_value *value)
{
    CHECK(entry->trigger->kind == TRIGGER_JOIN);
    append_other(out, entry);
    buffer_append_text(out, " AND ");
    row_sql_append_value(out, value, "_other");
    buffer_append_text(out, " = ");
    row_sql_append_value(out, value, "OLD");
    row_sql_append_filter(out, entry, "_other");
    buffer_append_text(out, ")");
}

/* The op that removes the value of OLD, whose JSON is the expression `json`; empty text where the
 * value is null, or where another row of a join still adds it. */
static void
append_remove(struct buffer *out, const struct entry *entry, const struct entry_value *value,
              const char *json)
{
    CHECK(value >= entry->values && value < entry->values + entry->value_count);
    bool is_unique = entry->value_is_unique && value == entry->values;
    bool may_be_shared = entry->trigger->kind == TRIGGER_JOIN && !is_unique;
    if (may_be_shared) {
        buffer_append_text(out, "CASE WHEN ");
        append_still_added(out, entry, value);
        buffer_append_text(out, " THEN '' ELSE ");
    }
    append_op_if_any(out, "remove", value, json);
    buffer_append_text(out, may_be_shared ? " END" : "");
}

/* The ops of a value that changed; `old` and `new` are expressions of its JSON. */
static void
append_change_ops(struct buffer *out, const struct entry *entry, const struct entry_value *value,
                  const char *old, const char *new, const char *indent)
{
    CHECK(strcmp(old, new) != 0);
    buffer_append_format(out, "%s_ops := _ops || ", indent);
    append_remove(out, entry, value, old);
    buffer_append_format(out, "\n%s    || ", indent);
    if (entry->trigger->kind == TRIGGER_JOIN) {
        append_op_if_any(out, "add", value, new);
    } else {
        char *or_null = memory_format("coalesce(%s, 'null')", new);
        append_op(out, "set", value, or_null);
        free(or_null);
    }
    buffer_append_text(out, ";\n");
}

/* Anything more than a plain column is computed once, into variables, and only after a column of it
 * has changed. */
static void
append_change(struct buffer *out, const struct entry *entry, const struct entry_value *value)
{
    struct buffer old = {0};
    struct buffer new = {0};
    append_json(&old, value, "OLD");
    append_json(&new, value, "NEW");
    buffer_append_text(out, "        IF ");
    append_columns_change(out, entry, value->expression);
    buffer_append_text(out, " THEN\n");
    if (value->form == FORM_PLAIN && sql_is_column(value->expression)) {
        append_change_ops(out, entry, value, buffer_string(&old), buffer_string(&new),
                          "            ");
    } else {
        buffer_append_format(out,
                             "            "
                             "_old_value := %s;\n"
                             "            "
                             "_new_value := %s;\n"
                             "            "
                             "IF _new_value IS DISTINCT FROM _old_value THEN\n",
                             buffer_string(&old), buffer_string(&new));
        append_change_ops(out, entry, value, "_old_value", "_new_value", "                ");
        buffer_append_text(out, "            "
                                "END IF;\n");
    }
    buffer_append_text(out, "        END IF;\n");
    buffer_free(&old);
    buffer_free(&new);
}

/* OLD matched: its entity is deleted, or loses the values of this entry, unless another row is that
 * entity by now: the row may have moved to another partition, or the statement may have given its
 * key to another row. */
static void
append_direct_leave(struct buffer *out, const struct entry *entry, bool is_update)
{
    bool deletes = entry->trigger->on_delete == ON_DELETE_SLOT;
    CHECK(entry->trigger->kind == TRIGGER_DIRECT);
    if (!deletes && entry->value_count == 0)
        return;
    buffer_append_text(out, "    IF _old_matches");
    if (is_update || entry->table.is_partitioned) {
        buffer_append_text(out, " AND NOT ");
        append_other(out, entry);
        row_sql_append_filter(out, entry, "_other");
        buffer_append_text(out, ")");
    }
    buffer_append_text(out, " THEN\n        ");
    append_insert(out, entry);
    buffer_append_text(out, "\n        VALUES (");
    sql_append_column(out, "OLD", entry->trigger->slot_field);
    buffer_append_text(out, ", ");
    if (deletes)
        buffer_append_text(out, "'[{\"op\": \"delete\"}]'");
    else
        append_no_values(out, entry);
    buffer_append_text(out, ");\n    END IF;\n");
}

/* NEW matches: its entity gets all values, whatever the index held of it before. */
static void
append_direct_enter(struct buffer *out, const struct entry *entry)
{
    bool sets_alive = entry->trigger->sets_alive;
    CHECK(entry->trigger->kind == TRIGGER_DIRECT);
    if (!sets_alive && entry->value_count == 0)
        return;
    buffer_append_text(out, "    IF _new_matches THEN\n        ");
    append_insert(out, entry);
    buffer_append_text(out, "\n        VALUES (");
    sql_append_column(out, "NEW", entry->trigger->slot_field);
    buffer_append_text(out, ", ");
    append_all_ops(out, entry, "NEW", sets_alive ? "{\"op\": \"alive\"}" : "", "            ");
    buffer_append_text(out, ");\n    END IF;\n");
}

/* An op for each value that is not null: entities lose those of OLD and get those of NEW. */
static void
append_all_present(struct buffer *out, const struct entry *entry, const char *row)
{
    bool old = is_old(row);
    const char *gain = entry->trigger->kind == TRIGGER_JOIN ? "add" : "set";
    CHECK(entry->value_count > 0);
    for (uint32_t i = 0; i < entry->value_count; i++) {
        const struct entry_value *value = &entry->values[i];
        struct buffer json = {0};
        append_json(&json, value, row);
        buffer_append_text(out, i == 0 ? "        _ops := " : "\n            || ");
        if (old)
            append_remove(out, entry, value, buffer_string(&json));
        else
            append_op_if_any(out, gain, value, buffer_string(&json));
        buffer_free(&json);
    }
    buffer_append_text(out, ";\n");
    append_emit(out, entry, row);
}

static void
append_leave(struct buffer *out, const struct entry *entry, bool is_update)
{
    if (entry->trigger->kind == TRIGGER_DIRECT) {
        append_direct_leave(out, entry, is_update);
        return;
    }
    buffer_append_text(out, "    IF _old_matches THEN\n");
    append_all_present(out, entry, "OLD");
    buffer_append_text(out, "    END IF;\n");
}

static void
append_enter(struct buffer *out, const struct entry *entry)
{
    if (entry->trigger->kind == TRIGGER_DIRECT) {
        append_direct_enter(out, entry);
        return;
    }
    buffer_append_text(out, "    IF _new_matches THEN\n");
    append_all_present(out, entry, "NEW");
    buffer_append_text(out, "    END IF;\n");
}

void
body_append_row(struct buffer *out, const struct entry *entry, bool is_update)
{
    CHECK(entry->value_count > 0 || entry->trigger->kind == TRIGGER_DIRECT);
    append_declarations(out, entry, is_update);
    if (is_update) {
        buffer_append_text(out, "    IF _old_matches AND _new_matches AND ");
        append_same(out, entry);
        buffer_append_text(out, " THEN\n");
        for (uint32_t i = 0; i < entry->value_count; i++)
            append_change(out, entry, &entry->values[i]);
        append_emit(out, entry, "NEW");
        buffer_append_text(out, "        RETURN NULL;\n    END IF;\n");
    }
    append_leave(out, entry, is_update);
    append_enter(out, entry);
    buffer_append_text(out, "    RETURN NULL;\nEND");
}

static void
append_child_when(struct buffer *out, const struct config_link *child)
{
    CHECK(child != NULL);
    append_column_change(out, &(struct entry_column){child->slot, true, NULL});
    buffer_append_text(out, "\n        OR ");
    append_column_change(out, &(struct entry_column){child->foreign_key, true, NULL});
}

void
body_append_when(struct buffer *out, const struct entry *entry, bool is_child)
{
    size_t begin = out->bytes;
    if (is_child) {
        append_child_when(out, entry_child(entry));
        return;
    }
    if (entry->trigger->kind == TRIGGER_FAN_OUT_PER_ROW) {
        append_column_change(out, &(struct entry_column){entry_parent_key(entry), true, NULL});
        buffer_append_text(out, entry->columns != NULL ? "\n        OR " : "");
    }
    const struct entry_column *column = entry->columns;
    for (; column != NULL; column = column->next) {
        append_column_change(out, column);
        buffer_append_text(out, column->next != NULL ? "\n        OR " : "");
    }
    if (out->bytes == begin) /* neither the query nor a value reads a column */
        buffer_append_text(out, "false");
}

/* The INSERT of an ops row for the entity of `row`, a row of the child table, up to its ops. */
static void
append_child_insert(struct buffer *out, const struct entry *entry, const char *row)
{
    CHECK(entry_child(entry) != NULL);
    append_insert(out, entry);
    buffer_append_text(out, " VALUES (");
    sql_append_column(out, row, entry_child(entry)->slot);
    buffer_append_text(out, ", ");
}

/* The entity of NEW gets the values of its parent. Where the parent does not exist or does not pass
 * the filter, an entity that had another parent loses its values. */
static void
append_child_lookup(struct buffer *out, const struct entry *entry)
{
    CHECK(entry_parent_key(entry) != NULL);
    buffer_append_format(out, "    SELECT * INTO _parent FROM %s AS _parent WHERE ",
                         entry->table.quoted);
    sql_append_column(out, "_parent", entry_parent_key(entry));
    buffer_append_text(out, " = ");
    sql_append_column(out, "NEW", entry_child(entry)->foreign_key);
    row_sql_append_filter(out, entry, "_parent");
    buffer_append_text(out, " FOR SHARE;\n    IF FOUND THEN\n        ");
    append_child_insert(out, entry, "NEW");
    append_all_ops(out, entry, "_parent", "", "            ");
    buffer_append_text(out, ");\n    ELSIF TG_OP = 'UPDATE' THEN\n        ");
    append_child_insert(out, entry, "NEW");
    append_no_values(out, entry);
    buffer_append_text(out, ");\n    END IF;\n");
}

/* The entity of OLD loses the values of its parent, unless NEW has the same entity. */
static void
append_child_leave(struct buffer *out, const struct entry *entry)
{
    CHECK(!entry->deletes_with_child);
    buffer_append_text(out, "    IF ");
    sql_append_column(out, "OLD", entry_child(entry)->slot);
    buffer_append_text(out, " IS NOT NULL AND NOT (");
    sql_append_column(out, "NEW", entry_child(entry)->slot);
    buffer_append_text(out, " IS NOT DISTINCT FROM ");
    sql_append_column(out, "OLD", entry_child(entry)->slot);
    buffer_append_text(out, ") THEN\n        ");
    append_child_insert(out, entry, "OLD");
    append_no_values(out, entry);
    buffer_append_text(out, ");\n    END IF;\n");
}

/* An entity that is deleted with its child row needs no ops, and neither does one whose id an
 * UPDATE changes: it is deleted under its old id. */
void
body_append_child(struct buffer *out, const struct entry *entry)
{
    CHECK(entry_child(entry) != NULL);
    buffer_append_format(out, HEAD "DECLARE\n    _parent %s%%ROWTYPE;\nBEGIN\n",
                         entry->table.quoted);
    if (!entry->deletes_with_child)
        append_child_leave(out, entry);
    buffer_append_text(out, "    IF ");
    sql_append_column(out, "NEW", entry_child(entry)->slot);
    buffer_append_text(out, " IS NULL THEN\n        RETURN NULL;\n    END IF;\n");
    append_child_lookup(out, entry);
    buffer_append_text(out, "    RETURN NULL;\nEND");
}

/* The INSERT ... SELECT of `ops`, an expression of type jsonb, for each row of `table`, whose
 * entities are in the column `slot`. The caller may add conditions, and ends the statement. */
static void
append_gone_slots(struct buffer *out, const struct entry *entry, const struct entry_table *table,
                  const char *slot, const char *ops)
{
    CHECK(slot != NULL);
    buffer_append_text(out, "    ");
    append_insert(out, entry);
    buffer_append_text(out, "\n    SELECT ");
    sql_append_column(out, "_row", slot);
    buffer_append_format(out, ", %s FROM %s AS _row\n    WHERE ", ops, table->quoted);
    sql_append_column(out, "_row", slot);
    buffer_append_text(out, " IS NOT NULL");
}

static void
append_gone_fan_out(struct buffer *out, const struct entry *entry, const struct entry_table *table)
{
    buffer_append_text(out, "    ");
    append_insert(out, entry);
    buffer_append_text(out, "\n    ");
    struct buffer ops = {0};
    append_no_values(&ops, entry);
    append_fan_out(out, entry, "_row", buffer_string(&ops));
    buffer_free(&ops);
    buffer_append_format(out, " FROM %s AS _row WHERE true", table->quoted);
    row_sql_append_filter(out, entry, "_row");
    buffer_append_text(out, ") AS _fan_out\n    WHERE _fan_out.query IS NOT NULL;\n");
}

static void
append_gone_per_row(struct buffer *out, const struct entry *entry, const struct entry_table *table,
                    const char *ops)
{
    CHECK(entry_parent_key(entry) != NULL);
    append_gone_slots(out, entry, entry_child_table(entry), entry_child(entry)->slot, ops);
    buffer_append_text(out, " AND ");
    sql_append_column(out, "_row", entry_child(entry)->foreign_key);
    buffer_append_text(out, " IN (SELECT ");
    sql_append_column(out, "_parent", entry_parent_key(entry));
    buffer_append_format(out, " FROM %s AS _parent);\n", table->quoted);
}

static void
append_gone_join(struct buffer *out, const struct entry *entry, const struct entry_table *table)
{
    CHECK(entry->trigger->kind == TRIGGER_JOIN);
    CHECK(entry->value_count > 0);
    for (uint32_t i = 0; i < entry->value_count; i++) {
        struct buffer ops = {0};
        buffer_append_format(&ops, "('[{\"op\": \"remove\", \"field\": \"%s\", \"value\": ' || ",
                             entry->values[i].target);
        append_json(&ops, &entry->values[i], "_row");
        buffer_append_text(&ops, " || '}]')::jsonb");
        append_gone_slots(out, entry, table, entry->trigger->slot_field, buffer_string(&ops));
        buffer_append_text(out, " AND ");
        row_sql_append_value(out, &entry->values[i], "_row");
        buffer_append_text(out, " IS NOT NULL");
        row_sql_append_filter(out, entry, "_row");
        buffer_append_text(out, ";\n");
        buffer_free(&ops);
    }
}

/* What entities lose with all rows of `table`, by the entry's kind; `ops` is what each of them
 * loses. */
static void
append_gone_by_kind(struct buffer *out, const struct entry *entry, const struct entry_table *table,
                    const char *ops)
{
    switch (entry->trigger->kind) {
    case TRIGGER_DIRECT:
        append_gone_slots(out, entry, table, entry->trigger->slot_field, ops);
        row_sql_append_filter(out, entry, "_row");
        buffer_append_text(out, ";\n");
        break;
    case TRIGGER_JOIN:
        append_gone_join(out, entry, table);
        break;
    case TRIGGER_FAN_OUT:
        append_gone_fan_out(out, entry, table);
        break;
    case TRIGGER_FAN_OUT_PER_ROW:
        append_gone_per_row(out, entry, table, ops);
        break;
    default:
        CHECK(false);
    }
}

static void
append_gone(struct buffer *out, const struct entry *entry, const struct entry_table *table,
            bool is_child)
{
    struct buffer ops = {0};
    CHECK(!is_child || !entry->deletes_with_child);
    bool deletes =
        entry->trigger->kind == TRIGGER_DIRECT && entry->trigger->on_delete == ON_DELETE_SLOT;
    if (!deletes && entry->value_count == 0)
        return; /* an ops row has at least one op */
    if (deletes)
        buffer_append_text(&ops, "'[{\"op\": \"delete\"}]'");
    else
        append_no_values(&ops, entry);
    buffer_append_text(&ops, "::jsonb");
    if (is_child) {
        append_gone_slots(out, entry, table, entry_child(entry)->slot, buffer_string(&ops));
        buffer_append_text(out, ";\n");
    } else {
        append_gone_by_kind(out, entry, table, buffer_string(&ops));
    }
    buffer_free(&ops);
}

/* Is it the entry's table, with `is_child` its child table, or one of their partitions? */
static bool
is_table_of(const struct entry *entry, const struct entry_table *table, bool is_child)
{
    const struct entry_table *root = is_child ? entry_child_table(entry) : &entry->table;
    if (table == root)
        return true;
    return table >= root->partitions && table < root->partitions + root->partition_count;
}

static void
append_refusal(struct buffer *out, const struct entry_table *table)
{
    struct buffer message = {0};
    CHECK(table->quoted != NULL);
    buffer_append_format(&message,
                         "TRUNCATE of %s names no rows, so the index would keep them: use DELETE,"
                         " or set on_truncate: emit in the table's entry of triggers",
                         table->quoted);
    buffer_append_text(out, "    RAISE EXCEPTION USING MESSAGE = ");
    sql_append_literal(out, buffer_string(&message));
    buffer_append_text(out, ";\n");
    buffer_free(&message);
}

void
body_append_truncate(struct buffer *out, const struct entry *entry, const struct entry_table *table,
                     bool is_child)
{
    CHECK(!is_child || entry_child(entry) != NULL);
    CHECK(is_table_of(entry, table, is_child));
    buffer_append_text(out, HEAD "BEGIN\n");
    if (entry->trigger->on_truncate == ON_TRUNCATE_EMIT) {
        append_gone(out, entry, table, is_child);
        buffer_append_text(out, "    RETURN NULL;\n");
    } else {
        append_refusal(out, table);
    }
    buffer_append_text(out, "END");
}
