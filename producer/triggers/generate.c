/* Happy path of a table: collect its roles (row_table.h), create what looks at its rows
 * (row_function.h), then one function and one trigger for each event.
 *
 * A trigger's WHEN names every column that the functions read: that of UPDATE, so that other
 * changes cost no call; those of INSERT and DELETE, which are always true, so that DROP COLUMN ...
 * CASCADE drops the triggers along with the functions that it drops, and the application's writes
 * continue (F91).
 */
#include "producer/triggers/generate.h"

#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/config/config.h"
#include "producer/triggers/body.h"
#include "producer/triggers/digest.h"
#include "producer/triggers/mark.h"
#include "producer/triggers/object_name.h"
#include "producer/triggers/row_function.h"
#include "producer/triggers/row_ops.h"
#include "producer/triggers/row_sql.h"
#include "producer/triggers/row_table.h"
#include "producer/triggers/sql.h"

/* A trigger and its function. */
struct request {
    const struct row_table *table;
    const struct entry_table *on; /* the table or a partition of it */
    int event;                    /* TRIGGER_ON_... */
    const char *suffix;           /* of both names */
    const char *why;
};

/* --- settings --- */

/* What a function has to set because its result depends on it. */
struct settings {
    bool prints; /* how values are printed and read */
    const struct entry
        *path; /* the search_path of its expressions; NULL: nothing looks for names */
};

static bool
is_of_time(const struct entry_table_column *column)
{
    return strncmp(column->type, "pg_catalog.time", strlen("pg_catalog.time")) == 0 ||
           strcmp(column->type, "pg_catalog.date") == 0;
}

/* Can the result depend on settings of the session? What cannot fail calls no function by its name
 * (sql_may_fail.h). Without a cast it prints nothing, and points in time are compared by the time
 * zone only if their types differ. */
static bool
expression_depends(const struct entry_table *table, const char *expression, bool may_fail)
{
    struct text name;
    const struct entry_table_column *time = NULL;
    if (may_fail || strstr(expression, "::") != NULL)
        return true;
    while (sql_next_placeholder(&expression, &name)) {
        const struct entry_table_column *column = entry_table_find(table, name);
        CHECK(column != NULL); /* the catalogue has read the expression */
        if (!column->is_builtin)
            return true;
        if (!is_of_time(column))
            continue;
        if (time != NULL && strcmp(time->type, column->type) != 0)
            return true;
        time = column;
    }
    return false;
}

static void
add_value(struct settings *settings, const struct entry *entry, const struct entry_value *value)
{
    if (value->has_floats || value->form == FORM_TEXT || value->form == FORM_TEXT_ARRAY)
        settings->prints = true;
    if (!sql_is_column(value->expression) &&
        expression_depends(&entry->table, value->expression, value->guard != NULL))
        settings->path = entry;
}

static void
add_role(struct settings *settings, const struct row_table *table, const struct row_role *role)
{
    const struct entry *entry = role->entry;
    if (role->filter != NULL &&
        expression_depends(&entry->table, entry->trigger->filter, entry->filter_guard != NULL))
        settings->path = entry;
    for (uint32_t i = 0;
         role->values != NULL && role->kind != ROLE_PARENT && i < entry->value_count; i++)
        add_value(settings, entry, &entry->values[i]);
    for (uint32_t i = 0; i < role->key_count; i++) {
        const struct entry_table_column *column =
            entry_table_find(table->table, text_of(role->keys[i]));
        CHECK(column != NULL);
        if (!column->is_integer && !column->is_text)
            settings->prints = true;
    }
}

static struct settings
collect_settings(const struct row_table *table)
{
    struct settings settings = {0};
    for (const struct row_group *group = table->groups; group != NULL; group = group->next)
        for (const struct row_role *role = group->roles; role != NULL; role = role->next)
            add_role(&settings, table, role);
    for (const struct row_role *role = table->parents; role != NULL; role = role->next)
        add_role(&settings, table, role);
    return settings;
}

/* SECURITY DEFINER, so that a role that changes a row needs no right on the outbox. The body names
 * every function, operator and type with its schema, so that the caller cannot make the owner run
 * others, whatever its search_path is. Settings take time at every call, and are set only where the
 * value of an expression may depend on them; what an expression calls can depend on the path. */
static void
append_settings(struct buffer *out, const struct row_table *table)
{
    struct settings settings = collect_settings(table);
    buffer_append_text(out, "LANGUAGE plpgsql SECURITY DEFINER");
    if (settings.path == NULL && !settings.prints)
        return;
    buffer_append_text(out, "\nSET search_path = ");
    if (settings.path != NULL)
        row_sql_append_search_path(out, settings.path);
    else
        buffer_append_text(out, "pg_catalog, pg_temp");
    buffer_append_text(out, "\nSET timezone = 'UTC' SET datestyle = 'ISO, YMD' SET"
                            " intervalstyle = 'postgres' SET bytea_output = 'hex' SET"
                            " extra_float_digits = 1 SET standard_conforming_strings = on SET"
                            " quote_all_identifiers = off");
}

/* --- functions --- */

static void
append_body(struct buffer *out, const struct request *request)
{
    size_t begin = out->bytes;
    switch (request->event) {
    case TRIGGER_ON_INSERT:
        body_append_insert(out, request->table);
        break;
    case TRIGGER_ON_UPDATE:
        body_append_update(out, request->table);
        break;
    case TRIGGER_ON_DELETE:
        body_append_delete(out, request->table);
        break;
    default:
        CHECK(request->event == TRIGGER_ON_TRUNCATE);
        body_append_truncate(out, request->table, request->on);
    }
    CHECK(out->bytes >= begin + 4);
    CHECK(memcmp(out->data + out->bytes - 4, "\nEND", 4) == 0);
    CHECK(memchr(out->data + begin, '\0', out->bytes - begin) == NULL);
}

/* The body in a dollar quote whose tag it does not contain. */
static void
append_dollar_quoted(struct buffer *out, const char *body)
{
    char tag[32] = "$bitdex$";
    for (int i = 1; strstr(body, tag) != NULL; i++)
        snprintf(tag, sizeof tag, "$bitdex%d$", i);
    buffer_append_format(out, "%s%s%s", tag, body, tag);
}

static void
append_comment(struct buffer *out, const struct trigger_object *object)
{
    buffer_append_format(out, "COMMENT ON %s IS ", object->identity);
    sql_append_literal(out, object->mark);
    buffer_append_text(out, ";\n");
}

static struct trigger_object *
create_object(const struct request *request, struct arena *arena, enum trigger_object_kind kind,
              const char *definition, char hash[DIGEST_HEX_BYTES])
{
    struct buffer text = {0};
    struct trigger_object *object = arena_alloc(arena, sizeof *object);
    *object = (struct trigger_object){.kind = kind, .table = request->table->table->quoted};
    digest_sha256(text_of(definition), hash);
    object_name_append(&text, request->table->table->name, kind == OBJECT_FUNCTION ? "ops" : "",
                       hash, request->suffix);
    object->name = sql_take(arena, &text);
    object->why = row_table_describe(request->table, request->why, arena);
    return object;
}

static const struct trigger_object *
add_function(const struct request *request, struct arena *arena, struct trigger_objects *objects)
{
    char hash[DIGEST_HEX_BYTES];
    struct buffer text = {0};
    buffer_append_text(&text, "\n");
    append_body(&text, request);
    buffer_append_text(&text, "\n");
    const char *body = sql_take(arena, &text);
    if (request->event == TRIGGER_ON_TRUNCATE)
        buffer_append_text(&text, "LANGUAGE plpgsql SECURITY DEFINER");
    else
        append_settings(&text, request->table);
    const char *settings = sql_take(arena, &text);
    buffer_append_format(&text, "%s\n%s", settings, body);
    struct trigger_object *object =
        create_object(request, arena, OBJECT_FUNCTION, buffer_string(&text), hash);
    buffer_clear(&text);
    object->body = body;
    object->has_settings = strstr(settings, "\nSET ") != NULL;
    buffer_append_text(&text, "FUNCTION ");
    sql_append_name(&text, request->table->outbox_schema);
    buffer_append_text(&text, ".");
    sql_append_name(&text, object->name);
    buffer_append_text(&text, "()");
    object->identity = sql_take(arena, &text);
    mark_append(&text, request->table->outbox_schema, NULL, 0, hash);
    object->mark = sql_take(arena, &text);
    buffer_append_format(&text, "CREATE %s RETURNS trigger\n%s\nAS ", object->identity, settings);
    append_dollar_quoted(&text, body);
    buffer_append_format(&text, ";\nREVOKE ALL ON %s FROM PUBLIC;\n", object->identity);
    append_comment(&text, object);
    object->sql = sql_take(arena, &text);
    trigger_objects_add(objects, object);
    return object;
}

/* --- triggers --- */

static void
append_change_condition(struct buffer *out, const struct row_table *table)
{
    CHECK(table->column_count > 0);
    for (uint32_t i = 0; i < table->column_count; i++) {
        buffer_append_text(out, i > 0 ? "\n        OR " : "");
        row_ops_append_change(out, table->columns[i], "NEW", "OLD");
    }
    /* Never true: the other columns of the view, so that the trigger goes with each of them. */
    for (uint32_t i = table->column_count; i < table->seen_count; i++) {
        buffer_append_text(out, "\n        OR (");
        sql_append_column(out, "NEW", table->seen[i]->name);
        buffer_append_text(out, " IS NULL) IS NULL");
    }
}

/* Always true: an AND is null or not, whatever it is of. */
static void
append_columns_condition(struct buffer *out, const struct row_table *table, const char *row)
{
    buffer_append_text(out, "(");
    for (uint32_t i = 0; i < table->seen_count; i++) {
        buffer_append_text(out, i > 0 ? " AND " : "");
        sql_append_column(out, row, table->seen[i]->name);
        buffer_append_text(out, " IS NULL");
    }
    buffer_append_text(out, ") IS NOT NULL");
}

/* The part of CREATE TRIGGER between the trigger's name and EXECUTE FUNCTION. */
static void
append_event(struct buffer *out, const struct request *request)
{
    const char *on = request->on->quoted;
    CHECK(on != NULL);
    if (request->event == TRIGGER_ON_TRUNCATE) {
        buffer_append_format(out, "BEFORE TRUNCATE ON %s\n    FOR EACH STATEMENT", on);
        return;
    }
    const char *event = request->event == TRIGGER_ON_INSERT   ? "INSERT"
                        : request->event == TRIGGER_ON_UPDATE ? "UPDATE"
                                                              : "DELETE";
    buffer_append_format(out, "AFTER %s ON %s\n    FOR EACH ROW WHEN (", event, on);
    if (request->event == TRIGGER_ON_UPDATE)
        append_change_condition(out, request->table);
    else
        append_columns_condition(out, request->table,
                                 request->event == TRIGGER_ON_INSERT ? "NEW" : "OLD");
    buffer_append_text(out, ")");
}

static void
add_covered_name(const char **fields, uint32_t *count, const char *name)
{
    for (uint32_t i = 0; i < *count; i++)
        if (strcmp(fields[i], name) == 0)
            return;
    fields[(*count)++] = name;
}

static void
add_covered(const char **fields, uint32_t *count, const struct row_role *role)
{
    const struct entry *entry = role->entry;
    if (entry->trigger->sets_alive && role->kind == ROLE_DIRECT)
        add_covered_name(fields, count, "");
    for (uint32_t i = 0; i < entry->value_count; i++)
        add_covered_name(fields, count, entry->values[i].target);
}

/* The mark of a row trigger names the fields of all entries that read the table. */
static const char *
create_mark(const struct request *request, const char *hash, struct arena *arena)
{
    const struct row_table *table = request->table;
    struct buffer text = {0};
    uint32_t count = 0;
    uint32_t capacity = 1;
    for (const struct row_group *group = table->groups; group != NULL; group = group->next)
        for (const struct row_role *role = group->roles; role != NULL; role = role->next)
            capacity += role->entry->value_count;
    for (const struct row_role *role = table->parents; role != NULL; role = role->next)
        capacity += role->entry->value_count;
    const char **fields = arena_alloc(arena, (capacity + 1) * sizeof *fields);
    for (const struct row_group *group = table->groups; group != NULL; group = group->next)
        for (const struct row_role *role = group->roles; role != NULL; role = role->next)
            add_covered(fields, &count, role);
    for (const struct row_role *role = table->parents; role != NULL; role = role->next)
        add_covered(fields, &count, role);
    CHECK(count <= capacity);
    bool is_row = request->event != TRIGGER_ON_TRUNCATE;
    mark_append(&text, table->outbox_schema, is_row ? fields : NULL, is_row ? count : 0, hash);
    return sql_take(arena, &text);
}

static void
add_trigger(const struct request *request, const struct trigger_object *function,
            struct arena *arena, struct trigger_objects *objects)
{
    char hash[DIGEST_HEX_BYTES];
    struct buffer text = {0};
    append_event(&text, request);
    buffer_append_format(&text, "\n    EXECUTE FUNCTION %s;\n",
                         function->identity + strlen("FUNCTION "));
    const char *definition = sql_take(arena, &text);
    struct trigger_object *object = create_object(request, arena, OBJECT_TRIGGER, definition, hash);
    object->on = request->on->quoted;
    object->events = request->event;
    if (request->event != TRIGGER_ON_TRUNCATE) {
        row_ops_append_all(&text, request->table);
        object->whole = sql_take(arena, &text);
    }
    object->mark = create_mark(request, hash, arena);
    sql_append_name(&text, object->name);
    const char *name = sql_take(arena, &text);
    buffer_append_format(&text, "TRIGGER %s ON %s", name, object->on);
    object->identity = sql_take(arena, &text);
    buffer_append_format(&text,
                         "SET LOCAL search_path = pg_catalog, pg_temp;\nCREATE TRIGGER %s %s", name,
                         definition);
    buffer_append_format(&text, "ALTER TABLE %s ENABLE ALWAYS TRIGGER %s;\n", object->on, name);
    append_comment(&text, object);
    object->sql = sql_take(arena, &text);
    trigger_objects_add(objects, object);
}

static void
add_both(const struct request *request, struct arena *arena, struct trigger_objects *objects)
{
    add_trigger(request, add_function(request, arena, objects), arena, objects);
}

/* Partitions do not inherit a trigger for statements, and each of them can be truncated alone. */
static void
add_truncates(struct request request, struct arena *arena, struct trigger_objects *objects)
{
    const struct entry_table *root = request.table->table;
    CHECK(root->is_partitioned || root->partition_count == 0);
    request.event = TRIGGER_ON_TRUNCATE;
    request.suffix = "_t";
    request.why = body_truncate_emits(request.table)
                      ? "TRUNCATE: all of its rows are to be read"
                      : "TRUNCATE: refused, because it names no rows";
    request.on = root;
    add_both(&request, arena, objects);
    for (uint32_t i = 0; i < root->partition_count; i++) {
        request.on = &root->partitions[i];
        add_both(&request, arena, objects);
    }
}

/* Is the table only on the way from a parent to its entities? */
static bool
is_only_link(const struct row_table *table)
{
    for (const struct row_role *role = table->parents; role != NULL; role = role->next)
        if (role->level == 0)
            return false;
    return !table->describes;
}

static void
add_table(struct row_table *table, struct arena *arena, struct trigger_objects *objects)
{
    static const struct {
        int event;
        const char *why;
    } events[] = {
        {TRIGGER_ON_INSERT, "what an inserted row says"},
        {TRIGGER_ON_UPDATE, "what changed in a row"},
        {TRIGGER_ON_DELETE, "what goes with a row"},
    };
    row_function_add(table, arena, objects);
    struct request request = {
        .table = table,
        .on = table->table,
        .suffix = is_only_link(table) ? "_c" : "",
    };
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        request.event = events[i].event;
        request.why = events[i].why;
        add_both(&request, arena, objects);
    }
    add_truncates(request, arena, objects);
}

void
generate_objects(const struct entry *entries, uint32_t entry_count, struct arena *arena,
                 struct trigger_objects *objects)
{
    struct row_table *table = row_table_create(entries, entry_count, arena);
    for (; table != NULL; table = table->next)
        add_table(table, arena, objects);
}
