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
    const char *hashed;       /* of a guard for loads: what its name is a hash of; its row is one of
                                 the table, not of the view */
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

/* `defined`: the search_path, and in the next lines what follows the name in CREATE FUNCTION.
 * `arguments`: their types, as DROP takes them. Returns the name of the function. */
static const char *
create_function(struct builder *builder, const struct definition *definition, const char *arguments,
                const char *defined)
{
    char hash[DIGEST_HEX_BYTES];
    struct buffer text = {0};
    bool is_load = definition->hashed != NULL;
    struct trigger_object *object =
        create_object(builder, OBJECT_ROW_FUNCTION, definition->what, definition->why,
                      is_load ? definition->hashed : defined, hash);
    const char *name = qualify(builder, object->name);
    const char *rest = strchr(defined, '\n') + 1;
    buffer_append_format(&text, "FUNCTION %s(%s)", name, arguments);
    object->identity = sql_take(builder->arena, &text);
    buffer_append(&text, defined, (size_t)(rest - defined));
    buffer_append_format(&text, "CREATE FUNCTION %s%s", name, rest);
    if (!is_load)
        buffer_append_format(&text, "REVOKE ALL ON %s FROM PUBLIC;\n", object->identity);
    append_comment(&text, object);
    object->sql = sql_take(builder->arena, &text);
    trigger_objects_add(builder->objects, object);
    return name;
}

/* Takes `expression`, and returns the name of the function. */
static const char *
add_function(struct builder *builder, struct definition definition, struct buffer *expression)
{
    struct buffer text = {0};
    struct buffer arguments = {0};
    const char *row =
        definition.hashed != NULL ? builder->table->table->quoted : builder->table->view;
    CHECK(row != NULL);
    CHECK(expression->bytes > 0);
    buffer_append_format(&arguments, definition.is_pair ? "%s, %s" : "%s", row, row);
    append_path(&text, definition.path);
    buffer_append_format(&text, definition.is_pair ? "(_old %s, _new %s)" : "(" ROW " %s)", row,
                         row);
    buffer_append_format(&text, " RETURNS %s\n    LANGUAGE %s%s;\n", definition.returns,
                         definition.is_guard ? "plpgsql\n    AS " : "sql\n    RETURN ",
                         buffer_string(expression));
    const char *name = create_function(builder, &definition, buffer_string(&arguments),
                                       sql_take(builder->arena, &text));
    buffer_free(&arguments);
    buffer_free(expression);
    return name;
}

/* --- expressions of the configuration --- */

#define INVALID                                                                         \
    "'{\"invalid\": '::pg_catalog.text || pg_catalog.to_json(SQLERRM)::pg_catalog.text" \
    " || '}'::pg_catalog.text"

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
    return add_function(builder, definition, &body);
}

/* The same for loads, by the name that the catalogue has chosen. Their session resolves the
 * expression, as it does all others. */
static void
add_load_guard(struct builder *builder, struct definition definition, const char *name,
               const char *sql, const char *otherwise)
{
    CHECK(definition.hashed != NULL);
    const char *guard = add_guard(builder, definition, sql, otherwise);
    CHECK(strcmp(guard, name) == 0);
}

static char *
expression_of(const char *template)
{
    struct buffer text = {0};
    buffer_append_text(&text, "(");
    sql_append_expression(&text, template, ROW);
    buffer_append_text(&text, ")");
    char *expression = memory_format("%s", buffer_string(&text));
    buffer_free(&text);
    return expression;
}

static const char *
add_filter(struct builder *builder, const struct entry *entry)
{
    struct buffer text = {0};
    if (entry->trigger->filter == NULL)
        return NULL;
    char *expression = expression_of(entry->trigger->filter);
    buffer_append_format(&text, "%s IS TRUE", expression);
    const char *filter = add_function(
        builder,
        (struct definition){
            .what = "filter", .why = "the filter", .returns = "pg_catalog.bool", .path = entry},
        &text);
    if (entry->filter_guard != NULL) {
        struct definition definition = {.why = "the filter; null where it fails",
                                        .returns = "pg_catalog.bool"};
        char *call = memory_format("%s(" ROW ")", filter);
        filter = add_guard(builder, definition, call, "NULL");
        free(call);
        definition.hashed = guard_define_filter(entry, builder->arena);
        add_load_guard(builder, definition, entry->filter_guard, expression, "NULL");
    }
    free(expression);
    return filter;
}

/* The value as JSON; where the expression fails, an invalid value with the reason. Returns the name
 * of the function for triggers, if `value_function` is not NULL. */
static const char *
add_json_guards(struct builder *builder, const struct entry *entry, const struct entry_value *value,
                const char *value_function, const char *expression)
{
    const char *guard = NULL;
    struct buffer json = {0};
    struct definition definition = {.why = "an expression; an invalid value where it fails",
                                    .returns = "pg_catalog.text"};
    if (value_function != NULL) {
        char *call = memory_format("%s(" ROW ")", value_function);
        row_sql_append_json(&json, value, "pg_catalog.to_json", call);
        guard = add_guard(builder, definition, buffer_string(&json), INVALID);
        buffer_clear(&json);
        free(call);
    }
    row_sql_append_json(&json, value, "pg_catalog.to_json", expression);
    definition.hashed = guard_define(entry, value, true, builder->arena);
    add_load_guard(builder, definition, value->json_guard, buffer_string(&json), INVALID);
    buffer_free(&json);
    return guard;
}

/* For loads the value as JSON, for sums the value itself, null where the expression fails. */
static const char *
add_guards(struct builder *builder, const struct entry *entry, const struct entry_value *value,
           const char *value_function, const char *expression)
{
    add_load_guard(builder,
                   (struct definition){.why = "an expression; null where it fails",
                                       .returns = value->type,
                                       .hashed = guard_define(entry, value, false, builder->arena)},
                   value->guard, expression, "NULL");
    return add_json_guards(builder, entry, value, value_function, expression);
}

/* Triggers need no values of a parent: they ask for what depends on it. */
static void
add_value(struct builder *builder, const struct row_role *role, uint32_t index,
          const char **function, const char **guard)
{
    const struct entry *entry = role->entry;
    const struct entry_value *value = &entry->values[index];
    struct buffer text = {0};
    if (sql_is_column(value->expression))
        return;
    CHECK(value->type != NULL);
    char *expression = expression_of(value->expression);
    buffer_append_text(&text, expression);
    if (role->kind != ROLE_PARENT)
        *function = add_function(
            builder,
            (struct definition){
                .what = "value", .why = "an expression", .returns = value->type, .path = entry},
            &text);
    if (value->guard != NULL)
        *guard = add_guards(builder, entry, value, *function, expression);
    buffer_free(&text);
    free(expression);
}

static void
add_values(struct builder *builder, struct row_role *role)
{
    uint32_t count = role->entry->value_count;
    const char **functions = arena_alloc(builder->arena, (count + 1) * sizeof *functions);
    const char **guards = arena_alloc(builder->arena, (count + 1) * sizeof *guards);
    for (uint32_t i = 0; i < count; i++) {
        functions[i] = guards[i] = NULL;
        add_value(builder, role, i, &functions[i], &guards[i]);
    }
    role->values = functions;
    role->json_guards = guards;
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
}

/* --- the view --- */

static void
add_view(struct builder *builder)
{
    char hash[DIGEST_HEX_BYTES];
    struct buffer text = {0};
    const struct entry_table *table = builder->table->table;
    buffer_append_text(&text, " AS SELECT ctid, tableoid");
    for (uint32_t i = 0; i < builder->table->seen_count; i++) {
        buffer_append_text(&text, ", ");
        sql_append_name(&text, builder->table->seen[i]->name);
    }
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

/* A function of no use but to be printed: Postgres prints what it has parsed with the names that
 * columns have at that moment, read from the caches of the catalogue. The catalogue itself is of no
 * use: to an old snapshot of the application, a rename and even our objects are in the future. */
static const char *
add_columns(struct builder *builder)
{
    struct buffer text = {0};
    const struct entry_table *table = builder->table->table;
    append_path(&text, NULL);
    buffer_append_text(&text, "() RETURNS pg_catalog.void\n    LANGUAGE sql\n    BEGIN ATOMIC\n"
                              "    SELECT ");
    for (uint32_t i = 0; i < builder->table->seen_count; i++) {
        buffer_append_text(&text, i > 0 ? ", " : "");
        sql_append_column(&text, ROW, builder->table->seen[i]->name);
        buffer_append_format(&text, " AS c%u", i + 1);
    }
    buffer_append_format(&text, "\n    FROM %s%s AS " ROW ";\nEND;\n",
                         table->is_partitioned ? "" : "ONLY ", table->quoted);
    struct definition definition = {.what = "column", .why = "the columns that are read"};
    return create_function(builder, &definition, "", sql_take(builder->arena, &text));
}

/* The names in the text of `columns` stand first there, each with the row before it, and quoted as
 * quote_ident() does it. */
static void
append_renamed_body(struct buffer *out, const struct row_table *table, const char *columns)
{
    char *call = memory_format("%s()", columns);
    buffer_append_text(out,
                       "\nSELECT 'SELECT NULL, NULL, ' || string_agg('($1).' || name, ', ' ORDER BY"
                       " place)\nFROM (SELECT place, found[1] AS name FROM regexp_matches(\n"
                       "        pg_get_function_sqlbody(to_regprocedure(");
    sql_append_literal(out, call);
    buffer_append_format(out,
                         ")),\n        '" ROW "[.]((?:\"[^\"]*\")+|[a-z_][a-z0-9_]*)', 'g')\n"
                         "        WITH ORDINALITY AS match(found, place) WHERE place <= %u) AS seen"
                         "\nHAVING array_agg(name ORDER BY place) <> ARRAY[",
                         table->seen_count);
    for (uint32_t i = 0; i < table->seen_count; i++) {
        buffer_append_text(out, i > 0 ? ", quote_ident(" : "quote_ident(");
        sql_append_literal(out, table->seen[i]->name);
        buffer_append_text(out, ")");
    }
    buffer_append_text(out, "]\n");
    free(call);
}

/* Not what IMMUTABLE means, on purpose: Postgres evaluates it once, when it makes a plan, and makes
 * another plan when a table of the statement has been altered. */
static void
add_renamed(struct builder *builder)
{
    struct buffer text = {0};
    struct buffer body = {0};
    append_renamed_body(&body, builder->table, add_columns(builder));
    append_path(&text, NULL);
    buffer_append_text(&text, "() RETURNS pg_catalog.text\n    LANGUAGE sql IMMUTABLE\n    SET"
                              " search_path = pg_catalog, pg_temp SET standard_conforming_strings"
                              " = on\n    SET quote_all_identifiers = off\n    AS ");
    sql_append_literal(&text, buffer_string(&body));
    buffer_append_text(&text, ";\n");
    buffer_free(&body);
    struct definition definition = {.what = "names",
                                    .why = "how to read a row after columns were renamed"};
    builder->table->renamed =
        create_function(builder, &definition, "", sql_take(builder->arena, &text));
}

static void
number_joins(struct row_table *table)
{
    uint32_t number = 1;
    for (struct row_group *group = table->groups; group != NULL; group = group->next)
        for (struct row_role *role = group->roles; role != NULL; role = role->next)
            if (role->kind == ROLE_JOIN && role->is_proved)
                role->number = number++;
}

void
row_function_add(struct row_table *table, struct arena *arena, struct trigger_objects *objects)
{
    struct builder builder = {table, arena, objects};
    CHECK(table->view == NULL);
    number_joins(table);
    add_view(&builder);
    add_renamed(&builder);
    for (struct row_group *group = table->groups; group != NULL; group = group->next)
        add_group(&builder, group);
    add_parents(&builder);
}
