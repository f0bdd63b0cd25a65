#include "producer/triggers/row_function.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/config/config.h"
#include "producer/triggers/digest.h"
#include "producer/triggers/guard.h"
#include "producer/triggers/mark.h"
#include "producer/triggers/object_name.h"
#include "producer/triggers/row_ops.h"
#include "producer/triggers/row_sql.h"
#include "producer/triggers/sql.h"

#define ROW "_row"

/* One function, before it has a name. */
struct definition {
    const char *what; /* a part of the name */
    const char *why;
    bool is_pair;             /* parameters _old and _new instead of _row */
    const char *returns;      /* type */
    bool is_guard;            /* the expression is a literal, a body in PL/pgSQL */
    const char *hashed;       /* for its name; NULL: all of the definition */
    bool is_read;             /* also by loads, with the rights of their role */
    const struct entry *path; /* NULL: resolved in pg_catalog alone */
};

struct builder {
    struct row_table *table;
    struct arena *arena;
    struct trigger_objects *objects;
};

static void
append_path(struct buffer *out, const struct entry *entry)
{
    buffer_append_text(out, "SET LOCAL search_path = ");
    if (entry != NULL)
        row_sql_append_search_path(out, entry);
    else
        buffer_append_text(out, "pg_catalog, pg_temp");
    buffer_append_text(out, ";\n");
}

/* The name of an object of the outbox's schema, quoted. */
static const char *
qualify(struct builder *builder, const char *name)
{
    struct buffer quoted = {0};
    sql_append_name(&quoted, builder->table->outbox_schema);
    buffer_append_text(&quoted, ".");
    sql_append_name(&quoted, name);
    return sql_take(builder->arena, &quoted);
}

/* Names the object from a hash of its definition, and appends it to the list with the statements
 * that `sql` holds after their CREATE. */
static struct trigger_object *
create_object(struct builder *builder, enum trigger_object_kind kind, const char *what,
              const char *why, const char *definition, char hash[DIGEST_HEX_BYTES])
{
    struct buffer text = {0};
    struct trigger_object *object = arena_alloc(builder->arena, sizeof *object);
    *object = (struct trigger_object){.kind = kind, .table = builder->table->table->quoted};
    digest_sha256(text_of(definition), hash);
    object_name_append(&text, builder->table->table->name, what, hash, "");
    object->name = sql_take(builder->arena, &text);
    mark_append(&text, builder->table->outbox_schema, NULL, 0, hash);
    object->mark = sql_take(builder->arena, &text);
    object->why = row_table_describe(builder->table, why, builder->arena);
    return object;
}

static void
append_comment(struct buffer *out, const struct trigger_object *object)
{
    buffer_append_format(out, "COMMENT ON %s IS ", object->identity);
    sql_append_literal(out, object->mark);
    buffer_append_text(out, ";\n");
}

/* Takes `expression`, and returns the name of the function. */
static const char *
add_function(struct builder *builder, struct definition definition, struct buffer *expression)
{
    char hash[DIGEST_HEX_BYTES];
    struct buffer text = {0};
    const char *table = builder->table->table->quoted;
    CHECK(expression->bytes > 0);
    append_path(&text, definition.path);
    buffer_append_format(&text, definition.is_pair ? "(_old %s, _new %s)" : "(" ROW " %s)", table,
                         table);
    buffer_append_format(&text, " RETURNS %s\n    LANGUAGE %s%s;\n", definition.returns,
                         definition.is_guard ? "plpgsql\n    AS " : "sql\n    RETURN ",
                         buffer_string(expression));
    const char *defined = sql_take(builder->arena, &text);
    buffer_free(expression);
    struct trigger_object *object =
        create_object(builder, OBJECT_ROW_FUNCTION, definition.what, definition.why,
                      definition.hashed != NULL ? definition.hashed : defined, hash);
    const char *name = qualify(builder, object->name);
    buffer_append_format(&text, "FUNCTION %s(%s%s%s)", name, table, definition.is_pair ? ", " : "",
                         definition.is_pair ? table : "");
    object->identity = sql_take(builder->arena, &text);
    append_path(&text, definition.path);
    buffer_append_format(&text, "CREATE FUNCTION %s%s", name, strchr(defined, '\n') + 1);
    if (!definition.is_read)
        buffer_append_format(&text, "REVOKE ALL ON %s FROM PUBLIC;\n", object->identity);
    append_comment(&text, object);
    object->sql = sql_take(builder->arena, &text);
    trigger_objects_add(builder->objects, object);
    return name;
}

/* --- expressions of the configuration --- */

/* A function that evaluates `sql`, and gives `otherwise` where that fails (guard.h). */
static const char *
add_guard(struct builder *builder, struct definition definition, const char *sql,
          const char *otherwise)
{
    struct buffer body = {0};
    CHECK(definition.path == NULL);
    guard_append_body(&body, sql, otherwise);
    definition.what = "guard";
    definition.is_guard = true;
    definition.is_read = true;
    return add_function(builder, definition, &body);
}

static const char *
add_filter(struct builder *builder, const struct entry *entry)
{
    struct buffer expression = {0};
    if (entry->trigger->filter == NULL)
        return NULL;
    buffer_append_text(&expression, "(");
    sql_append_expression(&expression, entry->trigger->filter, ROW);
    buffer_append_text(&expression, ") IS TRUE");
    const char *filter = add_function(
        builder,
        (struct definition){
            .what = "filter", .why = "the filter", .returns = "pg_catalog.bool", .path = entry},
        &expression);
    if (entry->filter_guard == NULL)
        return filter;
    char *call = memory_format("%s(" ROW ")", filter);
    filter = add_guard(builder,
                       (struct definition){.why = "the filter; null where it fails",
                                           .returns = "pg_catalog.bool",
                                           .hashed = guard_define_filter(entry, builder->arena)},
                       call, "NULL");
    CHECK(strcmp(filter, entry->filter_guard) == 0);
    free(call);
    return filter;
}

/* For sums: the value, null where it fails. */
static void
add_value_guard(struct builder *builder, const struct entry *entry, const struct entry_value *value,
                const char *call)
{
    const char *guard =
        add_guard(builder,
                  (struct definition){.why = "an expression; null where it fails",
                                      .returns = value->type,
                                      .hashed = guard_define(entry, value, false, builder->arena)},
                  call, "NULL");
    CHECK(strcmp(guard, value->guard) == 0);
}

/* For triggers and loads: the value as JSON; where it fails, an invalid value with the reason. */
static void
add_json_guard(struct builder *builder, const struct entry *entry, const struct entry_value *value,
               const char *call)
{
    struct buffer json = {0};
    row_sql_append_json(&json, value, "pg_catalog.to_json", call);
    const char *guard = add_guard(
        builder,
        (struct definition){.why = "an expression; an invalid value where it fails",
                            .returns = "pg_catalog.text",
                            .hashed = guard_define(entry, value, true, builder->arena)},
        buffer_string(&json),
        "'{\"invalid\": '::pg_catalog.text || pg_catalog.to_json(SQLERRM)::pg_catalog.text"
        " || '}'::pg_catalog.text");
    CHECK(strcmp(guard, value->json_guard) == 0);
    buffer_free(&json);
}

static void
add_values(struct builder *builder, struct row_role *role)
{
    const struct entry *entry = role->entry;
    const char **names = arena_alloc(builder->arena, (entry->value_count + 1) * sizeof *names);
    for (uint32_t i = 0; i < entry->value_count; i++) {
        const struct entry_value *value = &entry->values[i];
        struct buffer expression = {0};
        names[i] = NULL;
        if (sql_is_column(value->expression) || (role->kind == ROLE_PARENT && value->guard == NULL))
            continue;
        CHECK(value->type != NULL);
        buffer_append_text(&expression, "(");
        sql_append_expression(&expression, value->expression, ROW);
        buffer_append_text(&expression, ")");
        names[i] = add_function(
            builder,
            (struct definition){
                .what = "value", .why = "an expression", .returns = value->type, .path = entry},
            &expression);
        if (value->guard == NULL)
            continue;
        char *call = memory_format("%s(" ROW ")", names[i]);
        add_value_guard(builder, entry, value, call);
        add_json_guard(builder, entry, value, call);
        free(call);
    }
    role->values = names;
}

static void
add_role(struct builder *builder, struct row_role *role)
{
    bool is_own = role->kind != ROLE_CHILD && role->level == 0;
    if (!is_own)
        return;
    role->filter = add_filter(builder, role->entry);
    add_values(builder, role);
}

/* --- what triggers ask of a row --- */

/* A column as a function of its own type, or of another. */
static const char *
add_column(struct builder *builder, const char *what, const char *column, const char *type)
{
    struct buffer expression = {0};
    const struct entry_table_column *found =
        entry_table_find(builder->table->table, text_of(column));
    CHECK(found != NULL);
    sql_append_column(&expression, ROW, column);
    return add_function(builder,
                        (struct definition){.what = what,
                                            .why = "a column",
                                            .returns = type != NULL ? type : found->type},
                        &expression);
}

/* The column as what another one is compared with. A domain may have another collation than the
 * column, and of two that differ "=" knows none. */
static const char *
add_key(struct builder *builder, const char *column)
{
    const struct entry_table_column *found =
        entry_table_find(builder->table->table, text_of(column));
    CHECK(found != NULL);
    bool is_domain = strncmp(found->type, "pg_catalog.", strlen("pg_catalog.")) != 0;
    return add_column(builder, "key", column,
                      is_domain && found->identity == IDENTITY_TEXT ? "pg_catalog.text" : NULL);
}

static bool
has_proved_join(const struct row_group *group)
{
    for (const struct row_role *role = group->roles; role != NULL; role = role->next)
        if (role->kind == ROLE_JOIN && role->is_proved)
            return true;
    return false;
}

static void
add_group(struct builder *builder, struct row_group *group)
{
    struct buffer text = {0};
    for (struct row_role *role = group->roles; role != NULL; role = role->next)
        add_role(builder, role);
    group->slot_function = add_column(builder, "slot", group->slot, "pg_catalog.int8");
    row_ops_append_enter(&text, group);
    group->enter =
        add_function(builder,
                     (struct definition){
                         .what = "enter", .why = "what a row says", .returns = "pg_catalog.text"},
                     &text);
    row_ops_append_leave(&text, group);
    group->leave = add_function(builder,
                                (struct definition){.what = "leave",
                                                    .why = "what goes with a row",
                                                    .returns = "pg_catalog.text"},
                                &text);
    row_ops_append_update(&text, builder->table, group);
    group->update = add_function(builder,
                                 (struct definition){.what = "update",
                                                     .why = "what changed in a row",
                                                     .is_pair = true,
                                                     .returns = "pg_catalog.text"},
                                 &text);
    if (!has_proved_join(group))
        return;
    row_ops_append_left(&text, group);
    group->left = add_function(builder,
                               (struct definition){.what = "left",
                                                   .why = "values that a row had",
                                                   .is_pair = true,
                                                   .returns = "pg_catalog.text"},
                               &text);
}

static void
add_parents(struct builder *builder)
{
    struct buffer text = {0};
    struct row_table *table = builder->table;
    for (struct row_role *role = table->parents; role != NULL; role = role->next)
        add_role(builder, role);
    if (table->parents == NULL)
        return;
    row_ops_append_keys(&text, table);
    table->keys = add_function(builder,
                               (struct definition){.what = "keys",
                                                   .why = "requests of a parent",
                                                   .returns = "pg_catalog.text"},
                               &text);
    row_ops_append_moves(&text, table);
    table->moves = add_function(builder,
                                (struct definition){.what = "moves",
                                                    .why = "requests of a parent that changed",
                                                    .is_pair = true,
                                                    .returns = "pg_catalog.text"},
                                &text);
    if (table->table->id_column != NULL)
        table->id = add_column(builder, "id", table->table->id_column, "pg_catalog.int8");
}

/* --- the view --- */

static void
append_view_column(struct buffer *out, const char *column, const char *prefix, uint32_t number)
{
    buffer_append_text(out, ", ");
    sql_append_name(out, column);
    buffer_append_format(out, " AS %s%u", prefix, number);
}

/* The columns by which the trigger looks for a row: of a partitioned table those that choose the
 * partition, of a group the slot, and the values of its proved joins. */
static void
append_view_columns(struct buffer *out, const struct row_table *table)
{
    for (uint32_t i = 0; i < table->table->partition_key_count; i++)
        append_view_column(out, table->table->partition_keys[i], "_k", i + 1);
    for (const struct row_group *group = table->groups; group != NULL; group = group->next) {
        if (!group->describes)
            continue;
        append_view_column(out, group->slot, "_s", group->number);
        for (const struct row_role *role = group->roles; role != NULL; role = role->next)
            if (role->lookup != NULL)
                append_view_column(out, row_role_value(role)->name, "_v", role->number);
    }
}

static void
add_view(struct builder *builder)
{
    char hash[DIGEST_HEX_BYTES];
    struct buffer text = {0};
    const struct entry_table *table = builder->table->table;
    buffer_append_text(&text, " AS SELECT ctid, tableoid");
    append_view_columns(&text, builder->table);
    buffer_append_format(&text, "\n    FROM %s%s", table->is_partitioned ? "" : "ONLY ",
                         table->quoted);
    const char *defined = sql_take(builder->arena, &text);
    struct trigger_object *object =
        create_object(builder, OBJECT_VIEW, "row", "the rows that exist", defined, hash);
    builder->table->view = qualify(builder, object->name);
    buffer_append_format(&text, "VIEW %s", builder->table->view);
    object->identity = sql_take(builder->arena, &text);
    append_path(&text, NULL);
    buffer_append_format(&text, "CREATE %s%s;\n", object->identity, defined);
    append_comment(&text, object);
    object->sql = sql_take(builder->arena, &text);
    trigger_objects_add(builder->objects, object);
}

/* The values of proved joins get functions and numbers in the view. */
static void
add_lookups(struct builder *builder)
{
    uint32_t number = 1;
    for (struct row_group *group = builder->table->groups; group != NULL; group = group->next)
        for (struct row_role *role = group->roles; role != NULL; role = role->next)
            if (role->kind == ROLE_JOIN && role->is_proved) {
                role->number = number++;
                role->lookup = add_key(builder, row_role_value(role)->name);
            }
}

static void
add_partition_keys(struct builder *builder)
{
    const struct entry_table *table = builder->table->table;
    const char **functions =
        arena_alloc(builder->arena, (table->partition_key_count + 1) * sizeof *functions);
    for (uint32_t i = 0; i < table->partition_key_count; i++)
        functions[i] = add_key(builder, table->partition_keys[i]);
    builder->table->partition_keys = functions;
}

void
row_function_add(struct row_table *table, struct arena *arena, struct trigger_objects *objects)
{
    struct builder builder = {table, arena, objects};
    CHECK(table->view == NULL);
    for (struct row_group *group = table->groups; group != NULL; group = group->next)
        add_group(&builder, group);
    add_parents(&builder);
    if (!table->describes)
        return;
    add_lookups(&builder);
    add_partition_keys(&builder);
    add_view(&builder);
}
