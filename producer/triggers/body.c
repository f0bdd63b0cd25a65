/* What a generated function does with one changed row. It reads the versions of the row into rows
 * of the view, whose columns keep their names when those of the table change (F91). Then, for each
 * group of roles with one slot:
 *
 *     INSERT   the entity gets what the row says
 *     UPDATE   same entity: what changed. Another entity: the old one is asked for, the new one
 *              gets what the row says
 *     DELETE   the entity loses what the row said
 *
 * and then the requests of the row as a parent, which need no look at the row.
 *
 * The function describes the version of the row that it was called for, and only while this version
 * is still the row. The application's own triggers, and functions that write inside of a statement,
 * can change the row again before: their ops come first, and ours would be the older values (F85).
 * NEW is the row when the view has its ctid. A row that was deleted is gone when the view has none
 * with its slot, or with its slot and value: an index finds it. The same is true of a value that a
 * row had. Where the version is not the row, the entity is asked for, and read at the end of the
 * window. In SERIALIZABLE, a look by key could end the application's transaction, so the entity is
 * asked for at once. In a session with the replication role `replica`, no foreign key acts: rows
 * can outlive what they refer to, as the entity that `delete` would clear.
 *
 * _ops is text in which a comma precedes every op. It is cast to jsonb once, which takes half the
 * time of jsonb_build_object(). The generated text carries no comments, because the names of
 * functions and triggers are a hash of it: a comment could not be improved without replacing every
 * trigger.
 */
#include "producer/triggers/body.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/config/config.h"
#include "producer/triggers/row_ops.h"
#include "producer/triggers/sql.h"

#define LABEL "trigger"
#define EQUALS " OPERATOR(pg_catalog.=) "
#define DIFFERS " OPERATOR(pg_catalog.<>) "
#define CONCAT " OPERATOR(pg_catalog.||) "
#define OPS "('['" CONCAT "pg_catalog.substr(_ops, 2)" CONCAT "']')::pg_catalog.jsonb"
#define SERIALIZABLE "pg_catalog.current_setting('transaction_isolation')" EQUALS "'serializable'"
#define REPLICA "pg_catalog.current_setting('session_replication_role')" EQUALS "'replica'"

/* --- pieces --- */

static void
append_insert(struct buffer *out, const struct row_table *table)
{
    CHECK(table->outbox_schema != NULL);
    buffer_append_text(out, "INSERT INTO ");
    sql_append_name(out, table->outbox_schema);
    buffer_append_text(out, ".\"BitdexOps\" (entity_id, ops)");
}

/* Inserts _ops for the entity in the variable `slot`, if there are any. */
static void
append_emit(struct buffer *out, const struct row_table *table, const char *slot, uint32_t number,
            const char *indent)
{
    buffer_append_format(out, "%sIF _ops" DIFFERS "'' THEN\n%s    ", indent, indent);
    append_insert(out, table);
    buffer_append_format(out, "\n%s    VALUES (%s%u, " OPS ");\n", indent, slot, number);
    buffer_append_format(out, "%sEND IF;\n", indent);
}

/* Only a type of Postgres can be named: another one may be renamed later. The variable of a domain
 * is of its base type. A domain may refuse the null with which a variable begins, or have another
 * collation than the column, and of two that differ "=" knows none. */
static bool
has_variable(const struct entry_table_column *column)
{
    return strncmp(column->type, "pg_catalog.", strlen("pg_catalog.")) == 0;
}

static const struct entry_table_column *
find_key(const struct row_table *table, uint32_t index)
{
    CHECK(index < table->table->partition_key_count);
    return entry_table_find(table->table, text_of(table->table->partition_keys[index]));
}

/* "=" and what a column of the view is compared with. */
static void
append_equals(struct buffer *out, const struct entry_table_column *column, const char *version,
              const char *name, uint32_t number)
{
    CHECK(column != NULL);
    if (has_variable(column)) {
        buffer_append_format(out, EQUALS LABEL ".%s%u", name, number);
        return;
    }
    buffer_append_format(out, EQUALS LABEL ".%s.", version);
    sql_append_name(out, column->name);
}

/* The condition that the version NEW is the row, by its place. Where policies are in force for the
 * owner, nothing is looked for: a policy can raise an error, as row_security = off does (L12). */
static void
append_is_row(struct buffer *out, const struct row_table *table)
{
    CHECK(table->view != NULL);
    if (table->table->has_forced_policies) {
        buffer_append_text(out, "false");
        return;
    }
    buffer_append_format(out, "EXISTS (SELECT FROM %s WHERE ctid" EQUALS "NEW.ctid", table->view);
    if (table->table->is_partitioned)
        buffer_append_text(out, " AND tableoid" EQUALS "NEW.tableoid");
    for (uint32_t i = 0; i < table->table->partition_key_count; i++) {
        buffer_append_text(out, " AND ");
        sql_append_name(out, table->table->partition_keys[i]);
        append_equals(out, find_key(table, i), "_new", "_key", i + 1);
    }
    buffer_append_text(out, ")");
}

/* The condition that another row has the slot of OLD, with `role` also its value. */
static void
append_other(struct buffer *out, const struct row_table *table, const struct row_group *group,
             const struct row_role *role)
{
    CHECK(role->is_proved);
    buffer_append_format(out, "EXISTS (SELECT FROM %s WHERE ", table->view);
    sql_append_name(out, group->slot);
    buffer_append_format(out, EQUALS LABEL "._old%u", group->number);
    if (role->kind == ROLE_JOIN) {
        buffer_append_text(out, " AND ");
        sql_append_name(out, row_role_value(role)->name);
        append_equals(out, row_role_value(role), "_old", "_value", role->number);
    }
    buffer_append_text(out, ")");
}

/* The condition that what OLD said may be what another row says: for each proved role of the group,
 * or its joins only. False: no role is proved, so that there is nothing to look for. */
static bool
append_others(struct buffer *out, const struct row_table *table, const struct row_group *group,
              bool joins_only, const char *indent)
{
    size_t begin = out->bytes;
    for (const struct row_role *role = group->roles; role != NULL; role = role->next) {
        if (!role->is_proved || (joins_only && role->kind != ROLE_JOIN))
            continue;
        if (table->table->has_forced_policies) {
            buffer_append_text(out, "true");
            return true;
        }
        if (out->bytes == begin)
            buffer_append_format(out, "%s\n%s    OR %s", SERIALIZABLE, indent, REPLICA);
        buffer_append_format(out, "\n%s    OR ", indent);
        append_other(out, table, group, role);
    }
    return out->bytes > begin;
}

/* _ops of what the row says of an entity that it did not have before. Where it is not the row, the
 * version that is may have been written as an update, which does not ask for what outlived an
 * earlier row of the entity. */
static void
append_enter(struct buffer *out, const struct row_group *group, const char *indent)
{
    CHECK(group->enter != NULL);
    if (!group->describes) {
        buffer_append_format(out, "%s_ops := %s(_new);\n", indent, group->enter);
        return;
    }
    buffer_append_format(out, "%sIF _is_row THEN\n%s    _ops := %s(_new);\n%sELSE\n%s    _ops := ",
                         indent, indent, group->enter, indent, indent);
    row_ops_append_ask_enter(out, group);
    buffer_append_format(out, ";\n%sEND IF;\n", indent);
}

/* The condition that a version of the row failed a filter that takes all of the entity away. */
static void
append_failed(struct buffer *out, const struct row_group *group, const char *separator)
{
    for (const struct row_role *role = group->roles; role != NULL; role = role->next) {
        if (role->kind != ROLE_DIRECT || role->filter == NULL ||
            role->entry->trigger->on_delete != ON_DELETE_SLOT)
            continue;
        buffer_append_format(out, "%s%s(_old) IS NOT TRUE", separator, role->filter);
        separator = " OR ";
    }
}

/* _ops of a request for the entity that the row had, where it is not known to have it still. All of
 * the entity is asked for where `moved` says that the row names another one by now; NULL: that is
 * not so. Likewise where OLD failed its filter: what passes it may have been written as an update
 * that passed already, or as another row, and neither asks for the rest of the entity (F93). */
static void
append_ask_old(struct buffer *out, const struct row_group *group, const char *moved,
               const char *indent)
{
    struct buffer all = {0};
    CHECK(group->roles != NULL);
    if (moved != NULL && group->roles->kind == ROLE_DIRECT)
        buffer_append_text(&all, moved);
    append_failed(&all, group, all.bytes > 0 ? " OR " : "");
    buffer_append_format(out, "%s_ops := ", indent);
    if (all.bytes > 0)
        buffer_append_format(out, "CASE WHEN %s THEN ',{\"op\": \"refresh\"}' ELSE ",
                             buffer_string(&all));
    row_ops_append_ask(out, group);
    buffer_append_text(out, all.bytes > 0 ? " END;\n" : ";\n");
    buffer_free(&all);
}

static void
append_head(struct buffer *out)
{
    buffer_append_text(out, "#variable_conflict use_column\n<<" LABEL
                            ">>\nDECLARE\n    _ops pg_catalog.text;\n");
}

/* --- versions of the row --- */

/* How a trigger function sees a version of its row: as a row of the view. */
struct version {
    const char *row;      /* OLD or NEW */
    const char *variable; /* the same as a row of the view; the slots have numbers at its end */
};

static const struct version old_version = {"OLD", "_old"};
static const struct version new_version = {"NEW", "_new"};

static void
append_version_declaration(struct buffer *out, const struct row_table *table,
                           const struct version *version)
{
    if (version == NULL)
        return;
    buffer_append_format(out, "    %s %s;\n", version->variable, table->view);
    for (const struct row_group *group = table->groups; group != NULL; group = group->next)
        buffer_append_format(out, "    %s%u bigint;\n", version->variable, group->number);
}

/* The names of today are read by the statement that `renamed` returns; NULL: they are those of the
 * view. */
static void
append_version_reading(struct buffer *out, const struct row_table *table,
                       const struct version *version, bool is_renamed)
{
    if (is_renamed) {
        buffer_append_format(out, "        EXECUTE _renamed INTO %s USING %s;\n", version->variable,
                             version->row);
        return;
    }
    buffer_append_format(out, "        %s := ROW(NULL, NULL", version->variable);
    for (uint32_t i = 0; i < table->seen_count; i++) {
        buffer_append_text(out, ", ");
        sql_append_column(out, version->row, table->seen[i]->name);
    }
    buffer_append_format(out, ")::%s;\n", table->view);
}

static void
append_version_slots(struct buffer *out, const struct row_table *table,
                     const struct version *version)
{
    const struct row_group *group = version != NULL ? table->groups : NULL;
    for (; group != NULL; group = group->next) {
        buffer_append_format(out, "    %s%u := ", version->variable, group->number);
        sql_append_column(out, version->variable, group->slot);
        buffer_append_text(out, ";\n");
    }
}

/* Can NEW be looked for before its columns are read? */
static bool
looks_first(const struct row_table *table)
{
    return table->describes && !table->table->has_forced_policies &&
           table->table->partition_key_count == 0;
}

/* The statement has to name the view, for otherwise its plan is kept when a column is renamed. */
static void
append_check(struct buffer *out, const struct row_table *table, bool looks)
{
    CHECK(table->renamed != NULL);
    if (looks) {
        buffer_append_format(out, "    SELECT %s(), ", table->renamed);
        append_is_row(out, table);
        buffer_append_text(out, " INTO _renamed, _is_row;\n");
    } else if (table->table->has_forced_policies) {
        char *call = memory_format("SELECT %s()", table->renamed);
        buffer_append_text(out, "    EXECUTE ");
        sql_append_literal(out, call);
        buffer_append_text(out, " INTO _renamed;\n");
        free(call);
    } else {
        buffer_append_format(out,
                             "    SELECT %s() INTO _renamed WHERE NOT EXISTS (SELECT FROM %s WHERE"
                             " false);\n",
                             table->renamed, table->view);
    }
}

/* A variable that a column of the view is compared with, if it has one: its declaration, or how it
 * gets its value. */
static void
append_lookup(struct buffer *out, const struct entry_table_column *column,
              const struct version *version, const char *name, uint32_t number, bool declares)
{
    CHECK(column != NULL);
    CHECK(number > 0);
    if (!has_variable(column))
        return;
    buffer_append_format(out, "    %s%u ", name, number);
    if (declares) {
        buffer_append_text(out, column->type);
    } else {
        buffer_append_text(out, ":= ");
        sql_append_column(out, version->variable, column->name);
    }
    buffer_append_text(out, ";\n");
}

/* By what rows are looked for: the values that OLD had, and the place of NEW. */
static void
append_lookups(struct buffer *out, const struct row_table *table, const struct version *old,
               const struct version *new, bool declares)
{
    for (const struct row_group *group = table->groups; old != NULL && group != NULL;
         group = group->next)
        for (const struct row_role *role = group->roles; role != NULL; role = role->next)
            if (role->number > 0)
                append_lookup(out, row_role_value(role), old, "_value", role->number, declares);
    if (new == NULL || !table->describes)
        return;
    for (uint32_t i = 0; i < table->table->partition_key_count; i++)
        append_lookup(out, find_key(table, i), new, "_key", i + 1, declares);
    if (declares) {
        buffer_append_text(out, "    _is_row boolean;\n");
    } else if (!looks_first(table)) {
        buffer_append_text(out, "    _is_row := ");
        append_is_row(out, table);
        buffer_append_text(out, ";\n");
    }
}

static void
append_readings(struct buffer *out, const struct row_table *table, const struct version *old,
                const struct version *new, bool is_renamed)
{
    CHECK(old != NULL || new != NULL);
    if (old != NULL)
        append_version_reading(out, table, old, is_renamed);
    if (new != NULL)
        append_version_reading(out, table, new, is_renamed);
}

/* The declarations and the beginning of the body, up to what the variables hold. NULL: the event
 * has no such version of the row. */
static void
append_versions(struct buffer *out, const struct row_table *table, const struct version *old,
                const struct version *new)
{
    buffer_append_text(out, "    _renamed pg_catalog.text;\n");
    append_version_declaration(out, table, old);
    append_version_declaration(out, table, new);
    append_lookups(out, table, old, new, true);
    buffer_append_text(out, "BEGIN\n");
    append_check(out, table, new != NULL &&looks_first(table));
    buffer_append_text(out, "    IF _renamed IS NULL THEN\n");
    append_readings(out, table, old, new, false);
    buffer_append_text(out, "    ELSE\n");
    append_readings(out, table, old, new, true);
    buffer_append_text(out, "    END IF;\n");
    append_version_slots(out, table, old);
    append_version_slots(out, table, new);
    append_lookups(out, table, old, new, false);
}

/* Requests of a parent go to every partition, in an ops row of their own that names no entity. */
static void
append_parents(struct buffer *out, const struct row_table *table, const char *function,
               const char *rows, const struct version *version)
{
    if (table->parents == NULL)
        return;
    CHECK(function != NULL);
    buffer_append_format(out, "    _ops := %s(%s);\n    IF _ops" DIFFERS "'' THEN\n        ",
                         function, rows);
    append_insert(out, table);
    buffer_append_text(out, "\n        VALUES (");
    if (table->table->id_column != NULL)
        sql_append_column(out, version->variable, table->table->id_column);
    else
        buffer_append_text(out, "0");
    buffer_append_text(out, ", " OPS ");\n    END IF;\n");
}

static void
append_end(struct buffer *out)
{
    buffer_append_text(out, "    RETURN NULL;\nEND");
}

/* --- INSERT --- */

static void
append_entering(struct buffer *out, const struct row_table *table, const struct row_group *group)
{
    buffer_append_format(out, "    IF _new%u IS NOT NULL THEN\n", group->number);
    append_enter(out, group, "        ");
    append_emit(out, table, "_new", group->number, "        ");
    buffer_append_text(out, "    END IF;\n");
}

void
body_append_insert(struct buffer *out, const struct row_table *table)
{
    append_head(out);
    append_versions(out, table, NULL, &new_version);
    for (const struct row_group *group = table->groups; group != NULL; group = group->next)
        append_entering(out, table, group);
    append_parents(out, table, table->keys, "_new", &new_version);
    append_end(out);
}

/* --- UPDATE --- */

/* The entity is the same: what changed, after the values that the row had. */
static void
append_same(struct buffer *out, const struct row_table *table, const struct row_group *group)
{
    buffer_append_format(out, "        _ops := %s(_old, _new);\n", group->update);
    if (group->left != NULL) {
        buffer_append_format(
            out, "        _left := %s(_old, _new);\n        IF _left" DIFFERS "'' THEN\n",
            group->left);
        buffer_append_text(out, "            IF ");
        append_others(out, table, group, true, "            ");
        buffer_append_text(out, " THEN\n                _left := ");
        row_ops_append_ask(out, group);
        buffer_append_text(out, ";\n            END IF;\n            _ops := _left" CONCAT "_ops;\n"
                                "        END IF;\n");
    }
    append_emit(out, table, "_new", group->number, "        ");
}

/* The row names another entity, or is not the row. */
static void
append_moving(struct buffer *out, const struct row_table *table, const struct row_group *group)
{
    uint32_t number = group->number;
    buffer_append_format(out, "        IF _old%u IS NOT NULL THEN\n", number);
    append_ask_old(out, group, "_is_row", "            ");
    append_emit(out, table, "_old", number, "            ");
    buffer_append_format(out,
                         "        END IF;\n        IF _new%u IS NOT NULL AND"
                         " (_new%u" EQUALS "_old%u) IS NOT TRUE THEN\n",
                         number, number, number);
    append_enter(out, group, "            ");
    append_emit(out, table, "_new", number, "            ");
    buffer_append_text(out, "        END IF;\n");
}

static void
append_changing(struct buffer *out, const struct row_table *table, const struct row_group *group)
{
    buffer_append_format(out, "    IF %s_old%u" EQUALS "_new%u THEN\n",
                         group->describes ? "_is_row AND " : "", group->number, group->number);
    append_same(out, table, group);
    buffer_append_text(out, "    ELSE\n");
    append_moving(out, table, group);
    buffer_append_text(out, "    END IF;\n");
}

static bool
has_left(const struct row_table *table)
{
    const struct row_group *group = table->groups;
    while (group != NULL && group->left == NULL)
        group = group->next;
    return group != NULL;
}

void
body_append_update(struct buffer *out, const struct row_table *table)
{
    append_head(out);
    buffer_append_text(out, has_left(table) ? "    _left pg_catalog.text;\n" : "");
    append_versions(out, table, &old_version, &new_version);
    for (const struct row_group *group = table->groups; group != NULL; group = group->next)
        append_changing(out, table, group);
    append_parents(out, table, table->moves, "_old, _new", &new_version);
    append_end(out);
}

/* --- DELETE --- */

static void
append_leaving(struct buffer *out, const struct row_table *table, const struct row_group *group)
{
    struct buffer others = {0};
    uint32_t number = group->number;
    buffer_append_format(out, "    IF _old%u IS NOT NULL THEN\n", number);
    bool looks = append_others(&others, table, group, false, "        ");
    if (looks) {
        buffer_append_format(out, "        IF %s THEN\n", buffer_string(&others));
        append_ask_old(out, group, NULL, "            ");
        buffer_append_format(out, "        ELSE\n            _ops := %s(_old);\n        END IF;\n",
                             group->leave);
    } else {
        buffer_append_format(out, "        _ops := %s(_old);\n", group->leave);
    }
    buffer_free(&others);
    append_emit(out, table, "_old", number, "        ");
    buffer_append_text(out, "    END IF;\n");
}

void
body_append_delete(struct buffer *out, const struct row_table *table)
{
    append_head(out);
    append_versions(out, table, &old_version, NULL);
    for (const struct row_group *group = table->groups; group != NULL; group = group->next)
        append_leaving(out, table, group);
    append_parents(out, table, table->keys, "_old", &old_version);
    append_end(out);
}

/* --- TRUNCATE --- */

/* The entry of a child row that is its entity has no say: the direct entry has. */
static bool
roles_emit(const struct row_role *role)
{
    bool emits = true;
    for (; role != NULL; role = role->next)
        if (role->kind != ROLE_CHILD || !role->entry->deletes_with_child)
            emits = emits && role->entry->trigger->on_truncate == ON_TRUNCATE_EMIT;
    return emits;
}

bool
body_truncate_emits(const struct row_table *table)
{
    bool emits = roles_emit(table->parents);
    CHECK(table->groups != NULL || table->parents != NULL);
    for (const struct row_group *group = table->groups; group != NULL; group = group->next)
        emits = emits && roles_emit(group->roles);
    return emits;
}

static void
append_refusal(struct buffer *out, const struct entry_table *table)
{
    struct buffer message = {0};
    CHECK(table->quoted != NULL);
    buffer_append_format(&message,
                         "TRUNCATE of %s names no rows, so the index would keep them: use DELETE,"
                         " or set on_truncate: emit in the table's entries of triggers",
                         table->quoted);
    buffer_append_text(out, "    RAISE EXCEPTION USING MESSAGE = ");
    sql_append_literal(out, buffer_string(&message));
    buffer_append_text(out, ";\n");
    buffer_free(&message);
}

void
body_append_truncate(struct buffer *out, const struct row_table *table,
                     const struct entry_table *truncated)
{
    if (!body_truncate_emits(table)) {
        buffer_append_text(out, "BEGIN\n");
        append_refusal(out, truncated);
        buffer_append_text(out, "END");
        return;
    }
    buffer_append_text(out, "DECLARE\n    _ops pg_catalog.text;\nBEGIN\n    _ops := ");
    row_ops_append_all(out, table);
    buffer_append_text(out, ";\n    ");
    append_insert(out, table);
    buffer_append_text(out, "\n    VALUES (0, " OPS ");\n");
    append_end(out);
}
