/* A row function has three parts, whatever its kind:
 *
 *     before and after it is the same entity   what changed, as remove(old), set(new)
 *     it was an entity's row                   what the entity loses
 *     it is an entity's row                    what the entity is from now on
 *
 * Each collects ops in _ops and emits them: to the entity's row of the outbox (direct), to a
 * fan-out, or to a row for each child. A join is simpler: values leave, values come.
 */
#include "producer/triggers/body.h"

#include <stdlib.h>
#include <string.h>

#include "producer/triggers/sql.h"

#define HEAD "#variable_conflict use_column\n"

enum { ARGUMENTS_MAX = 50 }; /* of one call; Postgres takes no more than 100 */

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

/* An op on the field of `value`, with the operand that `sql` is. */
static void
append_op_of(struct buffer *out, const char *op, const struct entry_value *value, const char *sql)
{
    buffer_append_format(out, "jsonb_build_object('op', '%s', 'field', '%s', 'value', %s)", op,
                         value->target, sql);
}

static void
append_op(struct buffer *out, const char *op, const struct entry_value *value, const char *row)
{
    struct buffer sql = {0};
    append_value(&sql, value, row);
    append_op_of(out, op, value, buffer_string(&sql));
    buffer_free(&sql);
}

static bool
is_plain_column(const struct entry_value *value)
{
    return value->form == FORM_PLAIN && sql_is_column(value->expression);
}

/* Makes `sql` stand for the value in `row`: the column itself, or `variable`, into which anything
 * longer is put first. */
static void
append_load(struct buffer *out, const struct entry_value *value, const char *row,
            const char *variable, struct buffer *sql)
{
    if (is_plain_column(value)) {
        append_value(sql, value, row);
        return;
    }
    buffer_append_format(out, "        %s := to_jsonb(", variable);
    append_value(out, value, row);
    buffer_append_text(out, ");\n");
    buffer_append_text(sql, variable);
}

/* The op that replaces whatever the field holds. */
static void
append_replacement(struct buffer *out, const struct entry_value *value, const char *row)
{
    bool joins = value->is_multi_value && value->form != FORM_ARRAY &&
                 value->form != FORM_TEXT_ARRAY && value->form != FORM_JSON;
    if (!joins) {
        append_op(out, "set", value, row);
        return;
    }
    buffer_append_format(
        out, "jsonb_build_object('op', 'set', 'field', '%s', 'value', array_remove(ARRAY[",
        value->target);
    append_value(out, value, row);
    buffer_append_text(out, "], NULL))");
}

/* Every field set to what `row` says, null included, as one jsonb; `first`: an op before them. */
static void
append_all_ops(struct buffer *out, const struct entry *entry, const char *row, const char *first,
               const char *indent)
{
    buffer_append_format(out, "jsonb_build_array(%s", first != NULL ? first : "");
    for (uint32_t i = 0; i < entry->value_count; i++) {
        if (i > 0 && i % ARGUMENTS_MAX == 0)
            buffer_append_format(out, ") || jsonb_build_array(\n%s", indent);
        else
            buffer_append_format(out, "%s\n%s", i > 0 || first != NULL ? "," : "", indent);
        append_replacement(out, &entry->values[i], row);
    }
    buffer_append_text(out, ")");
}

/* Every field cleared, as a literal. */
static void
append_no_values(struct buffer *out, const struct entry *entry)
{
    buffer_append_text(out, "'[");
    for (uint32_t i = 0; i < entry->value_count; i++)
        buffer_append_format(out, "%s{\"op\": \"set\", \"field\": \"%s\", \"value\": null}",
                             i > 0 ? ", " : "", entry->values[i].target);
    buffer_append_text(out, "]'::jsonb");
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

/* SELECT list and FROM of a fan-out with `ops` to what the query of `row` matches. */
static void
append_fan_out(struct buffer *out, const struct entry *entry, const char *row, const char *ops)
{
    buffer_append_text(out, "SELECT _fan_out.id, jsonb_build_array(jsonb_build_object('op',"
                            " 'queryOpSet',\n                'query', _fan_out.query, 'ops', ");
    buffer_append_format(out, "%s))\n            FROM (SELECT ", ops);
    append_source_id(out, entry, row);
    buffer_append_text(out, " AS id, ");
    append_query(out, entry, row);
    buffer_append_text(out, " AS query");
}

/* Writes _ops to the entities of `row`, if there are any ops. */
static void
append_emit(struct buffer *out, const struct entry *entry, const char *row)
{
    buffer_append_text(out, "        IF _ops <> '[]' THEN\n            ");
    append_insert(out, entry);
    switch (entry->trigger->kind) {
    case TRIGGER_FAN_OUT:
        buffer_append_text(out, "\n            ");
        append_fan_out(out, entry, row, "_ops");
        buffer_append_text(out, ") AS _fan_out\n            WHERE _fan_out.query IS NOT NULL");
        break;
    case TRIGGER_FAN_OUT_PER_ROW:
        buffer_append_text(out, "\n            SELECT ");
        sql_append_column(out, "_child", entry->child->slot);
        buffer_append_format(out, ", _ops FROM %s AS _child\n            WHERE ",
                             entry->child_table.quoted);
        sql_append_column(out, "_child", entry->child->foreign_key);
        buffer_append_text(out, " = ");
        sql_append_column(out, row, entry->parent_key);
        buffer_append_text(out, " AND ");
        sql_append_column(out, "_child", entry->child->slot);
        buffer_append_text(out, " IS NOT NULL");
        break;
    default:
        buffer_append_text(out, " VALUES (");
        sql_append_column(out, row, entry->trigger->slot_field);
        buffer_append_text(out, ", _ops)");
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
append_counts(struct buffer *out, const struct entry *entry, const char *row)
{
    enum config_trigger_kind kind = entry->trigger->kind;
    if (kind == TRIGGER_DIRECT || kind == TRIGGER_JOIN) {
        sql_append_column(out, row, entry->trigger->slot_field);
        buffer_append_text(out, " IS NOT NULL");
    } else {
        buffer_append_format(out, "TG_OP <> '%s'", strcmp(row, "OLD") == 0 ? "INSERT" : "DELETE");
    }
    append_filter(out, entry, row);
}

static void
append_declarations(struct buffer *out, const struct entry *entry)
{
    buffer_append_text(out, HEAD "DECLARE\n    _had boolean := ");
    append_counts(out, entry, "OLD");
    buffer_append_text(out, "; -- the row before counts\n    _has boolean := ");
    append_counts(out, entry, "NEW");
    buffer_append_text(out, "; -- the row after counts\n");
}

/* The columns in the {name} of `text` did not change; true where there are none. */
static void
append_same_columns(struct buffer *out, const char *text)
{
    struct text name;
    buffer_append_text(out, "true");
    while (sql_next_placeholder(&text, &name)) {
        char *column = memory_format("%.*s", TEXT_ARGS(name));
        buffer_append_text(out, " AND to_jsonb(");
        sql_append_column(out, "NEW", column);
        buffer_append_text(out, ") IS NOT DISTINCT FROM to_jsonb(");
        sql_append_column(out, "OLD", column);
        buffer_append_text(out, ")");
        free(column);
    }
}

/* OLD and NEW belong to the same entities. */
static void
append_same(struct buffer *out, const struct entry *entry)
{
    const struct config_trigger *trigger = entry->trigger;
    const char *key = trigger->slot_field;
    if (trigger->kind == TRIGGER_FAN_OUT && trigger->query_source != NULL) {
        append_same_columns(out, trigger->query_source);
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

static void
append_change(struct buffer *out, const struct entry_value *value)
{
    struct buffer old = {0};
    struct buffer new = {0};
    append_load(out, value, "OLD", "_was", &old);
    append_load(out, value, "NEW", "_is", &new);
    const char *was = buffer_string(&old);
    const char *is = buffer_string(&new);
    buffer_append_format(out,
                         "        IF %s IS DISTINCT FROM %s THEN\n"
                         "            IF %s IS NOT NULL THEN\n                _ops := _ops\n"
                         "                    || ",
                         is, was, was);
    append_op_of(out, "remove", value, was);
    buffer_append_text(out,
                       ";\n            END IF;\n            _ops := _ops\n                || ");
    append_op_of(out, "set", value, is);
    buffer_append_text(out, ";\n        END IF;\n");
    buffer_free(&old);
    buffer_free(&new);
}

/* For every value of `row` that is not null, `op` of it. */
static void
append_present(struct buffer *out, const struct entry *entry, const char *op, const char *row)
{
    for (uint32_t i = 0; i < entry->value_count; i++) {
        const struct entry_value *value = &entry->values[i];
        struct buffer sql = {0};
        append_load(out, value, row, "_is", &sql);
        buffer_append_format(out, "        IF %s IS NOT NULL THEN\n            _ops := _ops || ",
                             buffer_string(&sql));
        append_op_of(out, op, value, buffer_string(&sql));
        buffer_append_text(out, ";\n        END IF;\n");
        buffer_free(&sql);
    }
}

/* An entity goes with its row, unless another row is it by now: the row moved to another partition,
 * or the statement gave its key away. */
static void
append_direct_leave(struct buffer *out, const struct entry *entry)
{
    bool deletes = entry->trigger->on_delete == ON_DELETE_SLOT;
    const char *slot = entry->trigger->slot_field;
    if (!deletes && entry->value_count == 0)
        return;
    buffer_append_format(
        out, "    IF _had AND (%sNOT EXISTS (\n        SELECT FROM %s AS _other WHERE ",
        entry->table.is_partitioned ? "" : "TG_OP = 'DELETE' OR ", entry->table.quoted);
    sql_append_column(out, "_other", slot);
    buffer_append_text(out, " = ");
    sql_append_column(out, "OLD", slot);
    append_filter(out, entry, "_other");
    buffer_append_text(out, ")) THEN -- the entity goes\n        ");
    append_insert(out, entry);
    buffer_append_text(out, " VALUES (");
    sql_append_column(out, "OLD", slot);
    buffer_append_text(out, ",\n            ");
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
    buffer_append_text(out, " VALUES (");
    sql_append_column(out, "NEW", entry->trigger->slot_field);
    buffer_append_text(out, ", ");
    append_all_ops(out, entry, "NEW", sets_alive ? "jsonb_build_object('op', 'alive')" : NULL,
                   "            ");
    buffer_append_text(out, ");\n    END IF;\n");
}

static void
append_fan_out_leave(struct buffer *out, const struct entry *entry)
{
    buffer_append_text(out, "    IF _had THEN -- its entities lose what they had from it\n");
    append_present(out, entry, "remove", "OLD");
    append_emit(out, entry, "OLD");
    buffer_append_text(out, "    END IF;\n");
}

static void
append_fan_out_enter(struct buffer *out, const struct entry *entry)
{
    buffer_append_text(out, "    IF _has THEN -- its entities get what it says\n"
                            "        _ops := '[]';\n");
    append_present(out, entry, "set", "NEW");
    append_emit(out, entry, "NEW");
    buffer_append_text(out, "    END IF;\n");
}

/* One value of a join: gone from OLD's entity unless NEW or another row still adds it, come to
 * NEW's unless OLD added it. */
static void
append_join_value(struct buffer *out, const struct entry *entry, const struct entry_value *value)
{
    struct buffer old = {0};
    struct buffer new = {0};
    append_value(&old, value, "OLD");
    append_value(&new, value, "NEW");
    const char *was = buffer_string(&old);
    const char *is = buffer_string(&new);
    buffer_append_format(out, "    IF NOT _same OR %s IS DISTINCT FROM %s THEN\n", is, was);
    buffer_append_format(out, "        IF _had AND %s IS NOT NULL", was);
    if (!entry->value_is_unique || value != entry->values) {
        buffer_append_format(out, " AND NOT EXISTS (\n            SELECT FROM %s AS _other WHERE ",
                             entry->table.quoted);
        sql_append_column(out, "_other", entry->trigger->slot_field);
        buffer_append_text(out, " = ");
        sql_append_column(out, "OLD", entry->trigger->slot_field);
        buffer_append_text(out, " AND ");
        append_value(out, value, "_other");
        buffer_append_format(out, " = %s", was);
        append_filter(out, entry, "_other");
        buffer_append_text(out, ")");
    }
    buffer_append_text(out, " THEN\n            _gone := _gone || ");
    append_op(out, "remove", value, "OLD");
    buffer_append_format(out,
                         ";\n        END IF;\n        IF _has AND %s IS NOT NULL THEN\n"
                         "            _come := _come || ",
                         is);
    append_op(out, "add", value, "NEW");
    buffer_append_text(out, ";\n        END IF;\n    END IF;\n");
    buffer_free(&old);
    buffer_free(&new);
}

static void
append_join_emit(struct buffer *out, const struct entry *entry, const char *row, const char *ops)
{
    buffer_append_format(out, "    IF %s <> '[]' THEN\n        ", ops);
    append_insert(out, entry);
    buffer_append_text(out, " VALUES (");
    sql_append_column(out, row, entry->trigger->slot_field);
    buffer_append_format(out, ", %s);\n    END IF;\n", ops);
}

static void
append_join(struct buffer *out, const struct entry *entry)
{
    append_declarations(out, entry);
    buffer_append_text(out, "    _same boolean := _had AND _has AND ");
    append_same(out, entry);
    buffer_append_text(out, "; -- of one entity\n    _gone jsonb := '[]'; -- from OLD's entity\n"
                            "    _come jsonb := '[]'; -- to NEW's entity\nBEGIN\n");
    for (uint32_t i = 0; i < entry->value_count; i++)
        append_join_value(out, entry, &entry->values[i]);
    buffer_append_text(out,
                       "    IF _same THEN -- one row of ops\n        _come := _gone || _come;\n"
                       "        _gone := '[]';\n    END IF;\n");
    append_join_emit(out, entry, "OLD", "_gone");
    append_join_emit(out, entry, "NEW", "_come");
    buffer_append_text(out, "    RETURN NULL;\nEND");
}

/* Those of append_load(). */
static void
append_variables(struct buffer *out, const struct entry *entry)
{
    for (uint32_t i = 0; i < entry->value_count; i++)
        if (!is_plain_column(&entry->values[i])) {
            buffer_append_text(out, "    _was jsonb;\n    _is jsonb;\n");
            return;
        }
}

void
body_append_row(struct buffer *out, const struct entry *entry)
{
    if (entry->trigger->kind == TRIGGER_JOIN) {
        append_join(out, entry);
        return;
    }
    append_declarations(out, entry);
    append_variables(out, entry);
    buffer_append_text(out, "    _ops jsonb := '[]';\nBEGIN\n    IF _had AND _has AND ");
    append_same(out, entry);
    buffer_append_text(out, " THEN -- only what changed\n");
    for (uint32_t i = 0; i < entry->value_count; i++)
        append_change(out, &entry->values[i]);
    append_emit(out, entry, "NEW");
    buffer_append_text(out, "        RETURN NULL;\n    END IF;\n");
    if (entry->trigger->kind == TRIGGER_DIRECT) {
        append_direct_leave(out, entry);
        append_direct_enter(out, entry);
    } else {
        append_fan_out_leave(out, entry);
        append_fan_out_enter(out, entry);
    }
    buffer_append_text(out, "    RETURN NULL;\nEND");
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
    append_all_ops(out, entry, "_parent", NULL, "            ");
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
    buffer_append_format(out, "    IF TG_OP = 'UPDATE' AND %s AND ", same_slot);
    sql_append_column(out, "NEW", entry->child->foreign_key);
    buffer_append_text(out, " IS NOT DISTINCT FROM ");
    sql_append_column(out, "OLD", entry->child->foreign_key);
    buffer_append_text(out, " THEN\n        RETURN NULL;\n    END IF;\n");
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
append_gone_fan_out(struct buffer *out, const struct entry *entry, const struct entry_table *table,
                    const char *ops)
{
    buffer_append_text(out, "    ");
    append_insert(out, entry);
    buffer_append_text(out, "\n    ");
    append_fan_out(out, entry, "_gone", ops);
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
        buffer_append_text(&ops, "jsonb_build_array(");
        append_op(&ops, "remove", &entry->values[i], "_gone");
        buffer_append_text(&ops, ")");
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
    append_no_values(&ops, entry);
    const char *clears = deletes ? "'[{\"op\": \"delete\"}]'::jsonb" : buffer_string(&ops);
    if (is_child) {
        append_gone_slots(out, entry, table, entry->child->slot, clears);
        buffer_append_text(out, ";\n");
    } else if (entry->trigger->kind == TRIGGER_FAN_OUT) {
        append_gone_fan_out(out, entry, table, clears);
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
