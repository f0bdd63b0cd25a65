#include "producer/triggers/generate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/config/config.h"
#include "common/config/config_trigger.h"
#include "producer/triggers/body.h"
#include "producer/triggers/digest.h"
#include "producer/triggers/mark.h"
#include "producer/triggers/row_sql.h"
#include "producer/triggers/sql.h"

enum {
    NAME_HASH_DIGITS = 8,
    NAME_BYTES_MAX = 63, /* PostgreSQL's NAMEDATALEN - 1: a longer name would be cut */
};

enum events { ON_INSERT, ON_INSERT_OR_DELETE, ON_UPDATE, ON_TRUNCATE };
static const char *const events_sql[] = {
    [ON_INSERT] = "AFTER INSERT",
    [ON_INSERT_OR_DELETE] = "AFTER INSERT OR DELETE",
    [ON_UPDATE] = "AFTER UPDATE",
    [ON_TRUNCATE] = "BEFORE TRUNCATE",
};

static const int events_bits[] = {
    [ON_INSERT] = TRIGGER_ON_INSERT,
    [ON_INSERT_OR_DELETE] = TRIGGER_ON_INSERT | TRIGGER_ON_DELETE,
    [ON_UPDATE] = TRIGGER_ON_UPDATE,
    [ON_TRUNCATE] = TRIGGER_ON_TRUNCATE,
};

/* One object that an entry needs. */
struct request {
    const struct entry *entry;
    const struct entry_table *root;
    const struct entry_table *table; /* the root or a partition of it */
    enum events events;
    const char *suffix; /* of both names */
    const char *why;
    bool is_child;
};

/* Does the function evaluate SQL of the configuration, or write a value as Postgres prints it? The
 * result of both can depend on settings of the session. */
static bool
depends_on_settings(const struct entry *entry)
{
    for (uint32_t i = 0; i < entry->value_count; i++) {
        const struct entry_value *value = &entry->values[i];
        if (!sql_is_column(value->expression) || value->has_floats || value->form == FORM_TEXT ||
            value->form == FORM_TEXT_ARRAY)
            return true;
    }
    for (uint32_t i = 0; i < entry->placeholder_count; i++)
        if (entry->placeholders[i].form == FORM_TEXT ||
            entry->placeholders[i].form == FORM_TEXT_ARRAY)
            return true;
    return entry->trigger->filter != NULL || entry->trigger->query_source != NULL;
}

/* SECURITY DEFINER, so that a role that changes a row needs no right on the outbox. This requires a
 * fixed search_path, or the caller could make the owner run other functions. The other settings
 * take time at every call, and are set only where the value of an expression may depend on them. */
static void
append_settings(struct buffer *out, const struct request *request)
{
    const struct entry *entry = request->entry;
    buffer_append_text(out, "LANGUAGE plpgsql SECURITY DEFINER\nSET search_path = ");
    row_sql_append_search_path(out, entry);
    if (depends_on_settings(entry))
        buffer_append_text(out,
                           "\nSET timezone = 'UTC' SET datestyle = 'ISO, YMD' SET intervalstyle"
                           " = 'postgres' SET bytea_output = 'hex' SET extra_float_digits = 1");
}

static void
append_body(struct buffer *out, const struct request *request)
{
    size_t begin = out->bytes;
    if (request->events == ON_TRUNCATE)
        body_append_truncate(out, request->entry, request->table, request->is_child);
    else if (request->is_child)
        body_append_child(out, request->entry);
    else
        body_append_row(out, request->entry, request->events == ON_UPDATE);
    CHECK(out->bytes >= begin + 4);
    CHECK(memcmp(out->data + out->bytes - 4, "\nEND", 4) == 0);
    CHECK(memchr(out->data + begin, '\0', out->bytes - begin) == NULL);
}

/* The part of CREATE TRIGGER between the trigger's name and EXECUTE FUNCTION. */
static void
append_event(struct buffer *out, const struct request *request)
{
    CHECK(request->events <= ON_TRUNCATE);
    CHECK(request->table->quoted != NULL);
    buffer_append_format(out, "%s ON %s\n    FOR EACH %s", events_sql[request->events],
                         request->table->quoted,
                         request->events == ON_TRUNCATE ? "STATEMENT" : "ROW");
    if (request->events != ON_UPDATE)
        return;
    buffer_append_text(out, " WHEN (");
    body_append_when(out, request->entry, request->is_child);
    buffer_append_text(out, ")");
}

static void
hash_definition(const struct request *request, const char *body, char hash[DIGEST_HEX_BYTES])
{
    struct buffer definition = {0};
    append_event(&definition, request);
    buffer_append_text(&definition, "\n");
    append_settings(&definition, request);
    buffer_append_format(&definition, "\n%s", body);
    digest_sha256((struct text){(const char *)definition.data, definition.bytes}, hash);
    CHECK(strlen(hash) == DIGEST_HEX_BYTES - 1);
    buffer_free(&definition);
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

/* The name of the trigger, or with the word "ops_" that of its function. */
static void
append_object_name(struct buffer *out, const struct request *request, const char *word,
                   const char *hash)
{
    size_t begin = out->bytes;
    config_trigger_prefix(request->table->name, out);
    buffer_append_format(out, "%s%.*s%s", word, NAME_HASH_DIGITS, hash, request->suffix);
    CHECK(out->bytes - begin <= NAME_BYTES_MAX);
}

/* The suffixes are those that docs and other programs know: _t, _c, or nothing. */
static void
check_request(const struct request *request)
{
    bool is_truncate = request->events == ON_TRUNCATE;
    CHECK(is_truncate == (strcmp(request->suffix, "_t") == 0));
    CHECK(is_truncate || request->is_child == (strcmp(request->suffix, "_c") == 0));
    CHECK(request->events != ON_INSERT || request->is_child);
}

/* Names the object from a hash of its definition. */
static struct trigger_object *
create_object(const struct request *request, struct arena *arena, enum trigger_object_kind kind,
              const char *hash)
{
    struct buffer text = {0};
    struct trigger_object *object = arena_alloc(arena, sizeof *object);
    *object = (struct trigger_object){.kind = kind, .table = request->root->quoted};
    append_object_name(&text, request, kind == OBJECT_FUNCTION ? "ops_" : "", hash);
    object->name = sql_take(arena, &text);
    buffer_append_format(&text, "triggers[%u], line %u: %s", request->entry->index,
                         request->entry->trigger->place.line, request->why);
    object->why = sql_take(arena, &text);
    return object;
}

/* The quoted name of a function, with its schema and parentheses. */
static const char *
call_of(const struct trigger_object *function)
{
    CHECK(function->kind == OBJECT_FUNCTION);
    return function->identity + strlen("FUNCTION ");
}

static const struct trigger_object *
add_function(const struct request *request, const char *body, const char *hash, struct arena *arena,
             struct trigger_objects *objects)
{
    struct buffer text = {0};
    struct trigger_object *object = create_object(request, arena, OBJECT_FUNCTION, hash);
    object->body = body;
    buffer_append_text(&text, "FUNCTION ");
    sql_append_name(&text, request->entry->outbox_schema);
    buffer_append_text(&text, ".");
    sql_append_name(&text, object->name);
    buffer_append_text(&text, "()");
    object->identity = sql_take(arena, &text);
    mark_append(&text, request->entry->outbox_schema, NULL, 0, hash);
    object->mark = sql_take(arena, &text);
    buffer_append_format(&text, "CREATE %s RETURNS trigger\n", object->identity);
    append_settings(&text, request);
    buffer_append_text(&text, "\nAS ");
    append_dollar_quoted(&text, body);
    buffer_append_format(&text, ";\nREVOKE ALL ON %s FROM PUBLIC;\n", object->identity);
    append_comment(&text, object);
    object->sql = sql_take(arena, &text);
    trigger_objects_add(objects, object);
    return object;
}

/* The mark of a row trigger names the fields that the entry sets. */
static const char *
create_mark(const struct request *request, const char *hash, struct arena *arena)
{
    const struct entry *entry = request->entry;
    bool is_row = request->events != ON_TRUNCATE;
    struct buffer text = {0};
    uint32_t count = 0;
    const char **fields = arena_alloc(arena, (entry->value_count + 1) * sizeof *fields);
    for (; count < entry->value_count; count++)
        fields[count] = entry->values[count].target;
    if (entry->trigger->sets_alive)
        fields[count++] = "";
    mark_append(&text, entry->outbox_schema, is_row ? fields : NULL, is_row ? count : 0, hash);
    return sql_take(arena, &text);
}

static void
add_trigger(const struct request *request, const struct trigger_object *function, const char *hash,
            struct arena *arena, struct trigger_objects *objects)
{
    struct buffer text = {0};
    struct trigger_object *object = create_object(request, arena, OBJECT_TRIGGER, hash);
    object->on = request->table->quoted;
    object->events = events_bits[request->events];
    object->mark = create_mark(request, hash, arena);
    sql_append_name(&text, object->name);
    const char *name = sql_take(arena, &text);
    buffer_append_format(&text, "TRIGGER %s ON %s", name, object->on);
    object->identity = sql_take(arena, &text);
    buffer_append_format(&text, "CREATE TRIGGER %s ", name);
    append_event(&text, request);
    buffer_append_format(&text, "\n    EXECUTE FUNCTION %s;\n", call_of(function));
    buffer_append_format(&text, "ALTER TABLE %s ENABLE ALWAYS TRIGGER %s;\n", object->on, name);
    append_comment(&text, object);
    object->sql = sql_take(arena, &text);
    trigger_objects_add(objects, object);
}

static void
add_object(const struct request *request, struct arena *arena, struct trigger_objects *objects)
{
    char hash[DIGEST_HEX_BYTES];
    struct buffer text = {0};
    check_request(request);
    buffer_append_text(&text, "\n");
    append_body(&text, request);
    buffer_append_text(&text, "\n");
    const char *body = sql_take(arena, &text);
    hash_definition(request, body, hash);
    add_trigger(request, add_function(request, body, hash, arena, objects), hash, arena, objects);
}

/* Partitions do not inherit a trigger for statements, and each of them can be truncated alone. */
static void
add_truncates(struct request request, struct arena *arena, struct trigger_objects *objects)
{
    const struct entry_table *root = request.root;
    CHECK(root == request.table);
    CHECK(root->is_partitioned || root->partition_count == 0);
    request.events = ON_TRUNCATE;
    request.suffix = "_t";
    request.why = request.entry->trigger->on_truncate == ON_TRUNCATE_EMIT
                      ? "TRUNCATE: writes what deleting every row would write"
                      : "TRUNCATE: refused, because it names no rows";
    add_object(&request, arena, objects);
    for (uint32_t i = 0; i < root->partition_count; i++) {
        request.table = &root->partitions[i];
        add_object(&request, arena, objects);
    }
}

static void
add_rows(struct request request, bool sees_delete, struct arena *arena,
         struct trigger_objects *objects)
{
    request.events = sees_delete ? ON_INSERT_OR_DELETE : ON_INSERT;
    add_object(&request, arena, objects);
    request.events = ON_UPDATE;
    add_object(&request, arena, objects);
}

static void
add_child_objects(const struct entry *entry, struct arena *arena, struct trigger_objects *objects)
{
    const struct request request = {
        .entry = entry,
        .root = entry_child_table(entry),
        .table = entry_child_table(entry),
        .is_child = true,
        .suffix = "_c",
        .why = "child: an entity that is inserted late gets the values of its parent",
    };
    add_rows(request, !entry->deletes_with_child, arena, objects);
    if (!entry->deletes_with_child)
        add_truncates(request, arena, objects);
}

static void
add_entry(const struct entry *entry, struct arena *arena, struct trigger_objects *objects)
{
    static const char *const why[] = {
        [TRIGGER_DIRECT] = "direct: a row is an entity",
        [TRIGGER_JOIN] = "join: a row adds values to its entity",
        [TRIGGER_FAN_OUT] = "fan-out: every entity that the query matches has the row's values",
        [TRIGGER_FAN_OUT_PER_ROW] = "fan-out per row: the entity of every child has the row's"
                                    " values",
    };
    CHECK(entry->trigger->kind <= TRIGGER_FAN_OUT_PER_ROW);
    entry_check(entry);
    const struct request request = {
        .entry = entry,
        .root = &entry->table,
        .table = &entry->table,
        .suffix = "",
        .why = why[entry->trigger->kind],
    };
    add_rows(request, true, arena, objects);
    add_truncates(request, arena, objects);
    if (entry_child(entry) != NULL)
        add_child_objects(entry, arena, objects);
}

void
generate_objects(const struct entry *entries, uint32_t entry_count, struct arena *arena,
                 struct trigger_objects *objects)
{
    CHECK(entries != NULL || entry_count == 0);
    for (uint32_t i = 0; i < entry_count; i++)
        add_entry(&entries[i], arena, objects);
}
