/* A row function does what applies of three things, whatever its kind:
 *
 *     before and after it is the same entity   what changed, as remove(old), set(new)
 *     it was an entity's row                   what the entity loses
 *     it is an entity's row                    what the entity is from now on
 *
 * Each collects ops in _ops and emits them: to the entity's row of the outbox (direct, join), to a
 * fan-out, or to a row for each child. _ops is text, each op behind a comma: jsonb_build_object()
 * takes twice the time of the whole text that is cast once.
 */
#include "producer/triggers/body.h"

#include <stdlib.h>
#include <string.h>

#include "producer/triggers/sql.h"

#define HEAD "#variable_conflict use_column\n"
#define OPS_LIST "'[' || substr(_ops, 2) || ']'"

/* The expression over `row`, in parentheses where it needs them. */
static void
append_source(struct buffer *out, const char *expression, const char *row)
{
    bool bare = sql_is_column(expression);
    buffer_append_text(out, bare ? "" : "(");
    sql_append_expression(out, expression, row);
    buffer_append_text(out, bare ? "" : ")");
}

/* What stands around a source of that form. Nulls of an array are left out, since an op's array has
 * none; a point in time that is infinite becomes a number too large for any field; an object is a
 * text. The source may stand in it more than once. */
static void
append_form(struct buffer *out, enum entry_form form, const char *source)
{
    switch (form) {
    case FORM_PLAIN:
        buffer_append_text(out, source);
        break;
    case FORM_SECONDS:
        buffer_append_format(out,
                             "CASE %s WHEN 'infinity' THEN 9e15 WHEN '-infinity' THEN -9e15"
                             " ELSE floor(extract(epoch FROM %s)) END::bigint",
                             source, source);
        break;
    case FORM_JSON:
        buffer_append_format(out,
                             "CASE jsonb_typeof(%s::jsonb) WHEN 'null' THEN NULL WHEN 'object' THEN"
                             " to_jsonb(%s::text) ELSE %s::jsonb END",
                             source, source, source);
        break;
    case FORM_ARRAY:
        buffer_append_format(out, "jsonb_path_query_array(to_jsonb(%s), '$[*] ? (@ != null)')",
                             source);
        break;
    case FORM_TEXT_ARRAY:
        buffer_append_format(
            out, "jsonb_path_query_array(to_jsonb(%s::text[]), '$[*] ? (@ != null)')", source);
        break;
    case FORM_TEXT:
        buffer_append_format(out, "%s::text", source);
        break;
    }
}

static void
append_value(struct buffer *out, const struct entry_value *value, const char *row)
{
    struct buffer source = {0};
    append_source(&source, value->expression, row);
    append_form(out, value->form, buffer_string(&source));
    buffer_free(&source);
}

/* The value in `row` as JSON, an expression of type text; null when it is null. */
static void
append_json(struct buffer *out, const struct entry_value *value, const char *row)
{
    buffer_append_text(out, "to_json(");
    append_value(out, value, row);
    buffer_append_text(out, ")::text");
}

/* An op behind a comma, as text; null when `json` is null. */
static void
append_op(struct buffer *out, const char *op, const struct entry_value *value, const char *json)
{
    buffer_append_format(out, "',{\"op\": \"%s\", \"field\": \"%s\", \"value\": ' || %s || '}'", op,
                         value->target, json);
}

/* The same, but empty when `json` is null. */
static void
append_op_if_any(struct buffer *out, const char *op, const struct entry_value *value,
                 const char *json)
{
    buffer_append_text(out, "coalesce(");
    append_op(out, op, value, json);
    buffer_append_text(out, ", '')");
}

/* A JSON value for an op that replaces whatever the field holds. */
static void
append_replacement(struct buffer *out, const struct entry_value *value, const char *row)
{
    bool joins = value->is_multi_value && value->form != FORM_ARRAY &&
                 value->form != FORM_TEXT_ARRAY && value->form != FORM_JSON;
    buffer_append_text(out, joins ? "'[' || coalesce(" : "coalesce(");
    append_json(out, value, row);
    buffer_append_text(out, joins ? ", '') || ']'" : ", 'null')");
}

/* Every field set to what `row` says, null included, as jsonb; `first`: JSON before them. */
static void
append_all_ops(struct buffer *out, const struct entry *entry, const char *row, const char *first,
               const char *indent)
{
    buffer_append_format(out, "(\n%s'[%s", indent, first);
    for (uint32_t i = 0; i < entry->value_count; i++) {
        buffer_append_format(out, "%s{\"op\": \"set\", \"field\": \"%s\", \"value\": '\n%s|| ",
                             i > 0 || *first != '\0' ? "," : "", entry->values[i].target, indent);
        append_replacement(out, &entry->values[i], row);
        buffer_append_format(out, "\n%s|| '}", indent);
    }
    buffer_append_text(out, "]')::jsonb");
}

/* Every field cleared, as a literal. */
static void
append_no_values(struct buffer *out, const struct entry *entry)
{
    buffer_append_text(out, "'[");
    for (uint32_t i = 0; i < entry->value_count; i++)
        buffer_append_format(out, "%s{\"op\": \"set\", \"field\": \"%s\", \"value\": null}",
                             i > 0 ? ", " : "", entry->values[i].target);
    buffer_append_text(out, "]'");
}

static void
append_insert(struct buffer *out, const struct entry *entry)
{
    buffer_append_text(out, "INSERT INTO ");
    sql_append_name(out, entry->outbox_schema);
    buffer_append_text(out, ".\"BitdexOps\" (entity_id, ops)");
}

/* A placeholder of a fan-out's query as the text that its grammar takes; null leaves the whole
 * query null. What jsonb prints is what the grammar reads: numbers, "texts", [lists]. */
static void
append_placeholder(struct buffer *out, const struct entry_placeholder *placeholder, const char *row)
{
    struct buffer source = {0};
    bool is_list = placeholder->form == FORM_ARRAY || placeholder->form == FORM_TEXT_ARRAY ||
                   (placeholder->form == FORM_JSON && placeholder->context != CONTEXT_VALUE);
    sql_append_column(&source, row, placeholder->name);
    if (is_list && placeholder->form == FORM_JSON)
        buffer_append_text(&source, "::jsonb");
    const char *text = buffer_string(&source);
    if (!is_list) {
        buffer_append_text(out,
                           placeholder->context == CONTEXT_LIST ? "'[' || to_jsonb(" : "to_jsonb(");
        append_form(out, placeholder->form, text);
        buffer_append_text(out,
                           placeholder->context == CONTEXT_LIST ? ")::text || ']'" : ")::text");
    } else {
        bool is_item = placeholder->context == CONTEXT_ITEM;
        buffer_append_text(out, is_item ? "btrim(nullif(" : "nullif(");
        append_form(out, placeholder->form == FORM_JSON ? FORM_ARRAY : placeholder->form, text);
        buffer_append_text(out, is_item ? ", '[]')::text, '[]')" : ", '[]')::text");
    }
    buffer_free(&source);
}

/* The fan-out's query for `row`, an expression of type text. */
static void
append_query(struct buffer *out, const struct entry *entry, const char *row)
{
    const char *source = entry->trigger->query_source;
    buffer_append_text(out, source != NULL ? "(SELECT " : "");
    for (uint32_t i = 0; i < entry->placeholder_count; i++) {
        sql_append_literal(out, entry->placeholders[i].before);
        buffer_append_text(out, " || ");
        append_placeholder(out, &entry->placeholders[i], source != NULL ? "_source" : row);
        if (i + 1 < entry->placeholder_count)
            buffer_append_text(out, " || ");
    }
    if (*entry->query_end != '\0') {
        buffer_append_text(out, entry->placeholder_count > 0 ? " || " : "");
        sql_append_literal(out, entry->query_end);
    }
    if (source == NULL)
        return;
    buffer_append_text(out, " FROM (");
    sql_append_expression(out, source, row);
    buffer_append_text(out, ") AS _source LIMIT 1)");
}

static void
append_source_id(struct buffer *out, const struct entry *entry, const char *row)
{
    if (entry->id_column != NULL)
        sql_append_column(out, row, entry->id_column);
    else
        buffer_append_text(out, "0");
}

/* SELECT list and FROM of a fan-out to what the query of `row` matches; `ops`: JSON as text. */
static void
append_fan_out(struct buffer *out, const struct entry *entry, const char *row, const char *ops)
{
    buffer_append_format(out,
                         "SELECT _fan_out.id, ('[{\"op\": \"queryOpSet\", \"query\": '\n"
                         "                || to_json(_fan_out.query)::text || ', \"ops\": ' || %s"
                         " || '}]')::jsonb\n            FROM (SELECT ",
                         ops);
    append_source_id(out, entry, row);
    buffer_append_text(out, " AS id, ");
    append_query(out, entry, row);
    buffer_append_text(out, " AS query");
}

/* A row of ops for each child of `row`. */
static void
append_emit_per_row(struct buffer *out, const struct entry *entry, const char *row)
{
    buffer_append_text(out, "\n            SELECT ");
    sql_append_column(out, "_child", entry->child->slot);
    buffer_append_format(out, ", _list FROM %s AS _child\n            WHERE ",
                         entry->child_table.quoted);
    sql_append_column(out, "_child", entry->child->foreign_key);
    buffer_append_text(out, " = ");
    sql_append_column(out, row, entry->parent_key);
    buffer_append_text(out, " AND ");
    sql_append_column(out, "_child", entry->child->slot);
    buffer_append_text(out, " IS NOT NULL");
}

/* Writes _ops to the entities of `row`, if there are any ops. */
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
        buffer_append_text(out, "\n            VALUES (");
        sql_append_column(out, row, entry->trigger->slot_field);
        buffer_append_text(out, ", (" OPS_LIST ")::jsonb)");
    }
    buffer_append_text(out, ";\n        END IF;\n");
}

/* " AND `row` meets the filter", if there is one. */
static void
append_filter(struct buffer *out, const struct entry *entry, const char *row)
{
    if (entry->trigger->filter == NULL)
        return;
    buffer_append_text(out, " AND (");
    sql_append_expression(out, entry->trigger->filter, row);
    buffer_append_text(out, ") IS TRUE");
}

/* Does `row` count: is it there, has it an entity, does it meet the filter? */
static void
append_counts(struct buffer *out, const struct entry *entry, const char *row, bool is_update)
{
    enum config_trigger_kind kind = entry->trigger->kind;
    if (kind == TRIGGER_DIRECT || kind == TRIGGER_JOIN) {
        sql_append_column(out, row, entry->trigger->slot_field);
        buffer_append_text(out, " IS NOT NULL");
    } else if (is_update) {
        buffer_append_text(out, "true");
    } else {
        buffer_append_format(out, "TG_OP = '%s'", strcmp(row, "OLD") == 0 ? "DELETE" : "INSERT");
    }
    append_filter(out, entry, row);
}

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
    buffer_append_text(out, HEAD "DECLARE\n    _had boolean := ");
    append_counts(out, entry, "OLD", is_update);
    buffer_append_text(out, "; -- the row before counts\n    _has boolean := ");
    append_counts(out, entry, "NEW", is_update);
    buffer_append_text(out, "; -- the row after counts\n");
    if (is_update && needs_variables(entry))
        buffer_append_text(out, "    _was text;\n    _is text;\n");
    if (is_update || entry->trigger->kind != TRIGGER_DIRECT)
        buffer_append_text(out, "    _ops text := '';\n");
    if (entry->trigger->kind == TRIGGER_FAN_OUT_PER_ROW)
        buffer_append_text(out, "    _list jsonb;\n");
    buffer_append_text(out, "BEGIN\n");
}

/* Did the column change? */
static void
append_column_change(struct buffer *out, const struct entry_column *column)
{
    sql_append_column(out, "NEW", column->name);
    buffer_append_text(out, column->is_comparable ? "" : "::text");
    buffer_append_text(out, " IS DISTINCT FROM ");
    sql_append_column(out, "OLD", column->name);
    buffer_append_text(out, column->is_comparable ? "" : "::text");
}

/* Did a column in the {name} of `text` change? */
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

/* OLD and NEW belong to the same entities. */
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
        append_query(out, entry, "NEW");
        buffer_append_text(out, "\n        IS NOT DISTINCT FROM ");
        append_query(out, entry, "OLD");
        return;
    }
    if (trigger->kind == TRIGGER_FAN_OUT_PER_ROW)
        key = entry->parent_key;
    sql_append_column(out, "NEW", key);
    buffer_append_text(out, " = ");
    sql_append_column(out, "OLD", key);
}

/* The op that takes the value of OLD, which is `json`, away, if any: not from a join's entity while
 * another row still adds it. */
static void
append_remove(struct buffer *out, const struct entry *entry, const struct entry_value *value,
              const char *json)
{
    bool is_last =
        entry->trigger->kind != TRIGGER_JOIN || (entry->value_is_unique && value == entry->values);
    if (!is_last) {
        buffer_append_format(out,
                             "CASE WHEN EXISTS (\n                SELECT FROM %s AS _other WHERE ",
                             entry->table.quoted);
        sql_append_column(out, "_other", entry->trigger->slot_field);
        buffer_append_text(out, " = ");
        sql_append_column(out, "OLD", entry->trigger->slot_field);
        buffer_append_text(out, " AND ");
        append_value(out, value, "_other");
        buffer_append_text(out, " = ");
        append_value(out, value, "OLD");
        append_filter(out, entry, "_other");
        buffer_append_text(out, ") THEN '' ELSE ");
    }
    append_op_if_any(out, "remove", value, json);
    buffer_append_text(out, is_last ? "" : " END");
}

/* The ops of a value that changed from `was` to `is`, as JSON. */
static void
append_change_ops(struct buffer *out, const struct entry *entry, const struct entry_value *value,
                  const char *was, const char *is, const char *indent)
{
    buffer_append_format(out, "%s_ops := _ops || ", indent);
    append_remove(out, entry, value, was);
    buffer_append_format(out, "\n%s    || ", indent);
    if (entry->trigger->kind == TRIGGER_JOIN) {
        append_op_if_any(out, "add", value, is);
    } else {
        char *or_null = memory_format("coalesce(%s, 'null')", is);
        append_op(out, "set", value, or_null);
        free(or_null);
    }
    buffer_append_text(out, ";\n");
}

/* What is more than a column is put into variables, once a column of it has changed. */
static void
append_change(struct buffer *out, const struct entry *entry, const struct entry_value *value)
{
    struct buffer was = {0};
    struct buffer is = {0};
    append_json(&was, value, "OLD");
    append_json(&is, value, "NEW");
    buffer_append_text(out, "        IF ");
    append_columns_change(out, entry, value->expression);
    buffer_append_text(out, " THEN\n");
    if (value->form == FORM_PLAIN && sql_is_column(value->expression)) {
        append_change_ops(out, entry, value, buffer_string(&was), buffer_string(&is),
                          "            ");
    } else {
        buffer_append_format(out,
                             "            "
                             "_was := %s;\n"
                             "            "
                             "_is := %s;\n"
                             "            "
                             "IF _is IS DISTINCT FROM _was THEN\n",
                             buffer_string(&was), buffer_string(&is));
        append_change_ops(out, entry, value, "_was", "_is", "                ");
        buffer_append_text(out, "            "
                                "END IF;\n");
    }
    buffer_append_text(out, "        END IF;\n");
    buffer_free(&was);
    buffer_free(&is);
}

/* An entity goes with its row, unless another row is it by now: the row moved to another partition,
 * or the statement gave its key away. */
static void
append_direct_leave(struct buffer *out, const struct entry *entry, bool is_update)
{
    bool deletes = entry->trigger->on_delete == ON_DELETE_SLOT;
    const char *slot = entry->trigger->slot_field;
    if (!deletes && entry->value_count == 0)
        return;
    buffer_append_text(out, "    IF _had");
    if (is_update || entry->table.is_partitioned) {
        buffer_append_format(out, " AND NOT EXISTS (\n        SELECT FROM %s AS _other WHERE ",
                             entry->table.quoted);
        sql_append_column(out, "_other", slot);
        buffer_append_text(out, " = ");
        sql_append_column(out, "OLD", slot);
        append_filter(out, entry, "_other");
        buffer_append_text(out, ")");
    }
    buffer_append_text(out, " THEN -- the entity goes\n        ");
    append_insert(out, entry);
    buffer_append_text(out, "\n        VALUES (");
    sql_append_column(out, "OLD", slot);
    buffer_append_text(out, ", ");
    if (deletes)
        buffer_append_text(out, "'[{\"op\": \"delete\"}]'");
    else
        append_no_values(out, entry);
    buffer_append_text(out, ");\n    END IF;\n");
}

static void
append_direct_enter(struct buffer *out, const struct entry *entry)
{
    bool sets_alive = entry->trigger->sets_alive;
    if (!sets_alive && entry->value_count == 0)
        return;
    buffer_append_text(out, "    IF _has THEN -- all that the entity is\n        ");
    append_insert(out, entry);
    buffer_append_text(out, "\n        VALUES (");
    sql_append_column(out, "NEW", entry->trigger->slot_field);
    buffer_append_text(out, ", ");
    append_all_ops(out, entry, "NEW", sets_alive ? "{\"op\": \"alive\"}" : "", "            ");
    buffer_append_text(out, ");\n    END IF;\n");
}

/* What entities lose with OLD, or get with NEW: an op for each value that is not null. */
static void
append_all_present(struct buffer *out, const struct entry *entry, const char *row)
{
    const char *come = entry->trigger->kind == TRIGGER_JOIN ? "add" : "set";
    for (uint32_t i = 0; i < entry->value_count; i++) {
        const struct entry_value *value = &entry->values[i];
        struct buffer json = {0};
        append_json(&json, value, row);
        buffer_append_text(out, i == 0 ? "        _ops := " : "\n            || ");
        if (strcmp(row, "OLD") == 0)
            append_remove(out, entry, value, buffer_string(&json));
        else
            append_op_if_any(out, come, value, buffer_string(&json));
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
    buffer_append_text(out, "    IF _had THEN -- what its entities had from it goes\n");
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
    buffer_append_text(out, "    IF _has THEN -- what its entities get from it comes\n");
    append_all_present(out, entry, "NEW");
    buffer_append_text(out, "    END IF;\n");
}

void
body_append_row(struct buffer *out, const struct entry *entry, bool is_update)
{
    append_declarations(out, entry, is_update);
    if (is_update) {
        buffer_append_text(out, "    IF _had AND _has AND ");
        append_same(out, entry);
        buffer_append_text(out, " THEN -- only what changed\n");
        for (uint32_t i = 0; i < entry->value_count; i++)
            append_change(out, entry, &entry->values[i]);
        append_emit(out, entry, "NEW");
        buffer_append_text(out, "        RETURN NULL;\n    END IF;\n");
    }
    append_leave(out, entry, is_update);
    append_enter(out, entry);
    buffer_append_text(out, "    RETURN NULL;\nEND");
}

void
body_append_when(struct buffer *out, const struct entry *entry, bool is_child)
{
    if (is_child) {
        append_column_change(out, &(struct entry_column){entry->child->slot, true, NULL});
        buffer_append_text(out, "\n        OR ");
        append_column_change(out, &(struct entry_column){entry->child->foreign_key, true, NULL});
        return;
    }
    if (entry->trigger->kind == TRIGGER_FAN_OUT_PER_ROW) {
        append_column_change(out, &(struct entry_column){entry->parent_key, true, NULL});
        buffer_append_text(out, entry->columns != NULL ? "\n        OR " : "");
    }
    const struct entry_column *column = entry->columns;
    for (; column != NULL; column = column->next) {
        append_column_change(out, column);
        buffer_append_text(out, column->next != NULL ? "\n        OR " : "");
    }
}

/* INSERT of a row for `row`'s entity, up to its ops. */
static void
append_child_insert(struct buffer *out, const struct entry *entry, const char *row)
{
    append_insert(out, entry);
    buffer_append_text(out, " VALUES (");
    sql_append_column(out, row, entry->child->slot);
    buffer_append_text(out, ", ");
}

static void
append_child_lookup(struct buffer *out, const struct entry *entry)
{
    buffer_append_format(out, "    SELECT * INTO _parent FROM %s AS _parent WHERE ",
                         entry->table.quoted);
    sql_append_column(out, "_parent", entry->parent_key);
    buffer_append_text(out, " = ");
    sql_append_column(out, "NEW", entry->child->foreign_key);
    append_filter(out, entry, "_parent");
    buffer_append_text(out, " FOR SHARE;\n    IF FOUND THEN\n        ");
    append_child_insert(out, entry, "NEW");
    append_all_ops(out, entry, "_parent", "", "            ");
    buffer_append_text(out, ");\n    ELSIF TG_OP = 'UPDATE' THEN\n        ");
    append_child_insert(out, entry, "NEW");
    append_no_values(out, entry);
    buffer_append_text(out, ");\n    END IF;\n");
}

/* A deleted entity needs no clearing, and neither does an entity that moves within UPDATE: it was
 * deleted under its old id. */
void
body_append_child(struct buffer *out, const struct entry *entry)
{
    struct buffer same = {0};
    sql_append_column(&same, "NEW", entry->child->slot);
    buffer_append_text(&same, " IS NOT DISTINCT FROM ");
    sql_append_column(&same, "OLD", entry->child->slot);
    const char *same_slot = buffer_string(&same);
    buffer_append_format(out, HEAD "DECLARE\n    _parent %s%%ROWTYPE;\nBEGIN\n",
                         entry->table.quoted);
    if (!entry->deletes_with_child) {
        buffer_append_text(out, "    IF ");
        sql_append_column(out, "OLD", entry->child->slot);
        buffer_append_format(out,
                             " IS NOT NULL AND NOT (%s) THEN -- it has no parent any more\n"
                             "        ",
                             same_slot);
        append_child_insert(out, entry, "OLD");
        append_no_values(out, entry);
        buffer_append_text(out, ");\n    END IF;\n");
    }
    buffer_append_text(out, "    IF ");
    sql_append_column(out, "NEW", entry->child->slot);
    buffer_append_text(out, " IS NULL THEN -- a row that went, or belongs to no entity\n"
                            "        RETURN NULL;\n    END IF;\n");
    append_child_lookup(out, entry);
    buffer_append_text(out, "    RETURN NULL;\nEND");
    buffer_free(&same);
}

/* INSERT ... SELECT of `ops` for the rows of `table`, whose entities are in column `slot`. */
static void
append_gone_slots(struct buffer *out, const struct entry *entry, const struct entry_table *table,
                  const char *slot, const char *ops)
{
    buffer_append_text(out, "    ");
    append_insert(out, entry);
    buffer_append_text(out, "\n    SELECT ");
    sql_append_column(out, "_gone", slot);
    buffer_append_format(out, ", %s FROM %s AS _gone\n    WHERE ", ops, table->quoted);
    sql_append_column(out, "_gone", slot);
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
    append_fan_out(out, entry, "_gone", buffer_string(&ops));
    buffer_free(&ops);
    buffer_append_format(out, " FROM %s AS _gone WHERE true", table->quoted);
    append_filter(out, entry, "_gone");
    buffer_append_text(out, ") AS _fan_out\n    WHERE _fan_out.query IS NOT NULL;\n");
}

static void
append_gone_per_row(struct buffer *out, const struct entry *entry, const struct entry_table *table,
                    const char *ops)
{
    append_gone_slots(out, entry, &entry->child_table, entry->child->slot, ops);
    buffer_append_text(out, " AND ");
    sql_append_column(out, "_gone", entry->child->foreign_key);
    buffer_append_text(out, " IN (SELECT ");
    sql_append_column(out, "_parent", entry->parent_key);
    buffer_append_format(out, " FROM %s AS _parent);\n", table->quoted);
}

static void
append_gone_join(struct buffer *out, const struct entry *entry, const struct entry_table *table)
{
    for (uint32_t i = 0; i < entry->value_count; i++) {
        struct buffer ops = {0};
        buffer_append_format(&ops, "('[{\"op\": \"remove\", \"field\": \"%s\", \"value\": ' || ",
                             entry->values[i].target);
        append_json(&ops, &entry->values[i], "_gone");
        buffer_append_text(&ops, " || '}]')::jsonb");
        append_gone_slots(out, entry, table, entry->trigger->slot_field, buffer_string(&ops));
        buffer_append_text(out, " AND ");
        append_value(out, &entry->values[i], "_gone");
        buffer_append_text(out, " IS NOT NULL");
        append_filter(out, entry, "_gone");
        buffer_append_text(out, ";\n");
        buffer_free(&ops);
    }
}

static void
append_gone(struct buffer *out, const struct entry *entry, const struct entry_table *table,
            bool is_child)
{
    struct buffer ops = {0};
    bool deletes =
        entry->trigger->kind == TRIGGER_DIRECT && entry->trigger->on_delete == ON_DELETE_SLOT;
    if (deletes)
        buffer_append_text(&ops, "'[{\"op\": \"delete\"}]'");
    else
        append_no_values(&ops, entry);
    buffer_append_text(&ops, "::jsonb");
    const char *clears = buffer_string(&ops);
    if (is_child) {
        append_gone_slots(out, entry, table, entry->child->slot, clears);
        buffer_append_text(out, ";\n");
    } else if (entry->trigger->kind == TRIGGER_FAN_OUT) {
        append_gone_fan_out(out, entry, table);
    } else if (entry->trigger->kind == TRIGGER_FAN_OUT_PER_ROW) {
        append_gone_per_row(out, entry, table, clears);
    } else if (entry->trigger->kind == TRIGGER_JOIN) {
        append_gone_join(out, entry, table);
    } else {
        append_gone_slots(out, entry, table, entry->trigger->slot_field, clears);
        append_filter(out, entry, "_gone");
        buffer_append_text(out, ";\n");
    }
    buffer_free(&ops);
}

void
body_append_truncate(struct buffer *out, const struct entry *entry, const struct entry_table *table,
                     bool is_child)
{
    buffer_append_text(out, HEAD "BEGIN\n");
    if (entry->trigger->on_truncate == ON_TRUNCATE_EMIT) {
        append_gone(out, entry, table, is_child);
        buffer_append_text(out, "    RETURN NULL;\nEND");
        return;
    }
    struct buffer message = {0};
    buffer_append_format(&message,
                         "TRUNCATE of %s would not reach the index: use DELETE, or let its entry of"
                         " triggers say on_truncate: emit",
                         table->quoted);
    buffer_append_text(out, "    RAISE EXCEPTION USING MESSAGE = ");
    sql_append_literal(out, buffer_string(&message));
    buffer_append_text(out, ";\nEND");
    buffer_free(&message);
}
