#include "producer/triggers/generate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/config/config.h"
#include "common/config/config_trigger.h"
#include "producer/triggers/body.h"
#include "producer/triggers/digest.h"
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
    const struct entry_table *table;
    enum events events;
    const char *suffix; /* of both names */
    const char *why;    /* for the comment in the printed SQL */
    bool is_child;
};

void
generate_append_mark(struct buffer *out, const char *outbox_schema)
{
    buffer_append_text(out, "bitdex-producer triggers, outbox ");
    sql_append_name(out, outbox_schema);
    buffer_append_text(out, ",");
}

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
append_comment(struct buffer *out, const char *on, const char *mark)
{
    buffer_append_format(out, "COMMENT ON %s IS ", on);
    sql_append_literal(out, mark);
    buffer_append_text(out, ";\n");
}

static void
append_sql(struct buffer *out, const struct request *request, const struct trigger_object *object)
{
    struct buffer name = {0};
    CHECK(object->name != NULL);
    CHECK(object->function != NULL);
    CHECK(object->mark != NULL);
    sql_append_name(&name, object->name);
    const char *trigger = buffer_string(&name);
    buffer_append_format(out, "-- %s, %s\n", object->table, request->why);
    buffer_append_format(out, "CREATE FUNCTION %s() RETURNS trigger\n", object->function);
    append_settings(out, request);
    buffer_append_text(out, "\nAS ");
    append_dollar_quoted(out, object->body);
    buffer_append_format(out, ";\nREVOKE ALL ON FUNCTION %s() FROM PUBLIC;\n", object->function);
    buffer_append_format(out, "CREATE TRIGGER %s ", trigger);
    append_event(out, request);
    buffer_append_format(out, "\n    EXECUTE FUNCTION %s();\n", object->function);
    buffer_append_format(out, "ALTER TABLE %s ENABLE ALWAYS TRIGGER %s;\n", object->table, trigger);
    struct buffer on = {0};
    buffer_append_format(&on, "FUNCTION %s()", object->function);
    append_comment(out, buffer_string(&on), object->mark);
    buffer_clear(&on);
    buffer_append_format(&on, "TRIGGER %s ON %s", trigger, object->table);
    append_comment(out, buffer_string(&on), object->mark);
    buffer_free(&on);
    buffer_free(&name);
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

static const char *
name_function(const struct request *request, const char *hash, struct arena *arena)
{
    struct buffer name = {0};
    struct buffer quoted = {0};
    append_object_name(&name, request, "ops_", hash);
    sql_append_name(&quoted, request->entry->outbox_schema);
    buffer_append_text(&quoted, ".");
    sql_append_name(&quoted, buffer_string(&name));
    buffer_free(&name);
    return sql_take(arena, &quoted);
}

/* Two entries of one table may need the same object: the trigger that refuses its TRUNCATE. */
static bool
has_object(const struct trigger_objects *objects, const struct trigger_object *object)
{
    const struct trigger_object *other = objects->first;
    while (other != NULL &&
           (strcmp(other->name, object->name) != 0 || strcmp(other->table, object->table) != 0))
        other = other->next;
    return other != NULL;
}

/* What reconcile relies on. */
static void
check_object(const struct trigger_object *object)
{
    const char *hash = strrchr(object->mark, ' ');
    CHECK(object->entry != NULL);
    CHECK(strncmp(object->name, "bitdex_", 7) == 0);
    CHECK(object->table[0] == '"');
    CHECK(object->function[0] == '"');
    CHECK(hash != NULL);
    CHECK(strlen(hash + 1) == DIGEST_HEX_BYTES - 1);
    CHECK(strstr(object->sql, object->body) != NULL);
    CHECK(strstr(object->sql, object->function) != NULL);
}

static void
append_object(struct trigger_objects *objects, struct trigger_object *object)
{
    check_object(object);
    CHECK(object->next == NULL);
    if (objects->end == NULL)
        objects->end = &objects->first;
    CHECK(*objects->end == NULL);
    *objects->end = object;
    objects->end = &object->next;
    objects->count++;
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

static void
add_object(const struct request *request, struct arena *arena, struct trigger_objects *objects)
{
    char hash[DIGEST_HEX_BYTES];
    struct buffer text = {0};
    struct trigger_object *object = arena_alloc(arena, sizeof *object);
    check_request(request);
    *object = (struct trigger_object){.entry = request->entry,
                                      .table = request->table->quoted,
                                      .events = events_bits[request->events]};
    buffer_append_text(&text, "\n");
    append_body(&text, request);
    buffer_append_text(&text, "\n");
    object->body = sql_take(arena, &text);
    hash_definition(request, object->body, hash);
    generate_append_mark(&text, request->entry->outbox_schema);
    buffer_append_format(&text, " sha256 %s", hash);
    object->mark = sql_take(arena, &text);
    append_object_name(&text, request, "", hash);
    object->name = sql_take(arena, &text);
    object->function = name_function(request, hash, arena);
    if (has_object(objects, object))
        return;
    append_sql(&text, request, object);
    object->sql = sql_take(arena, &text);
    append_object(objects, object);
}

/* Partitions do not inherit a trigger for statements, and each of them can be truncated alone. */
static void
add_truncates(struct request request, struct arena *arena, struct trigger_objects *objects)
{
    const struct entry_table *root = request.table;
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
        .table = entry_child_table(entry),
        .is_child = true,
        .suffix = "_c",
        .why = "child: an entity that is inserted late gets the values of its parent",
    };
    add_rows(request, !entry->deletes_with_child, arena, objects);
    if (!entry->deletes_with_child)
        add_truncates(request, arena, objects);
}

void
generate_objects(const struct entry *entry, struct arena *arena, struct trigger_objects *objects)
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
        .table = &entry->table,
        .suffix = "",
        .why = why[entry->trigger->kind],
    };
    add_rows(request, true, arena, objects);
    add_truncates(request, arena, objects);
    if (entry_child(entry) != NULL)
        add_child_objects(entry, arena, objects);
}
