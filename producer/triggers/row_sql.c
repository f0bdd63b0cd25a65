#include "producer/triggers/row_sql.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/config/config.h"
#include "producer/triggers/sql.h"

/* The expression over `row`, in parentheses where it needs them. */
static void
append_source(struct buffer *out, const char *expression, const char *row)
{
    CHECK(*expression != '\0');
    bool bare = sql_is_column(expression);
    buffer_append_text(out, bare ? "" : "(");
    sql_append_expression(out, expression, row);
    buffer_append_text(out, bare ? "" : ")");
}

/* ROW_SQL_INFINITE_TIME, in SQL. */
#define INFINITE_TIME "-9223372036854775808"

/* The SQL that converts `source`, an SQL expression of that form, to a value of an op. Nulls are
 * removed from an array, because an op's array has none. An infinite point in time becomes
 * INFINITE_TIME. An object becomes text. `source` is used more than once. */
static void
append_form(struct buffer *out, enum entry_form form, const char *source)
{
    CHECK(*source != '\0');
    switch (form) {
    case FORM_PLAIN:
        buffer_append_text(out, source);
        break;
    case FORM_SECONDS:
        buffer_append_format(out,
                             "CASE %s WHEN 'infinity' THEN " INFINITE_TIME
                             " WHEN '-infinity' THEN " INFINITE_TIME ""
                             " ELSE floor(extract(epoch FROM %s)) END::bigint",
                             source, source);
        break;
    case FORM_JSON:
        buffer_append_format(
            out,
            "CASE pg_catalog.jsonb_typeof(%s::jsonb) WHEN 'null' THEN NULL WHEN 'object' THEN"
            " pg_catalog.to_jsonb(%s::text) ELSE %s::jsonb END",
            source, source, source);
        break;
    case FORM_ARRAY:
        buffer_append_format(
            out, "pg_catalog.jsonb_path_query_array(pg_catalog.to_jsonb(%s), '$[*] ? (@ != null)')",
            source);
        break;
    case FORM_TEXT_ARRAY:
        buffer_append_format(out,
                             "pg_catalog.jsonb_path_query_array(pg_catalog.to_jsonb(%s::text[]), "
                             "'$[*] ? (@ != null)')",
                             source);
        break;
    case FORM_TEXT:
        buffer_append_format(out, "%s::text", source);
        break;
    default:
        CHECK(false);
    }
}

/* LATIN1 is the beginning of Unicode; of other encodings, only what is ASCII is known. */
static void
append_encoding(struct buffer *out, const char *source, const char *text)
{
    buffer_append_format(out,
                         " WHEN strpos(%s::text, '\\u') > 0 AND CASE getdatabaseencoding()"
                         " WHEN 'UTF8' THEN false"
                         " WHEN 'LATIN1' THEN %s ~ '\\\\u(0[1-9a-fA-F]|[1-9a-fA-F])'"
                         " ELSE %s ~ '\\\\u(00[89a-fA-F]|0[1-9a-fA-F]|[1-9a-fA-F])' END THEN"
                         " '{\"invalid\": \"escape of a character that the database may not"
                         " have\"}'::jsonb",
                         source, text, text);
}

/* As FORM_JSON, of the type json, which holds texts that jsonb refuses (F89): a NUL, half a
 * surrogate pair, a number beyond the type numeric, an escape of a character that the encoding of
 * the database lacks. The application's statement must not fail for them (L12), so that they become
 * {"invalid": reason} (ops_json.h).
 *
 * Pairs of backslashes are removed first, so that each backslash left begins an escape. Numbers are
 * searched outside of strings; no field takes one of 200 digits or with an exponent of 4. */
static void
append_json_text(struct buffer *out, const char *source)
{
    static const char high_low[] =
        "'\\\\u[dD][89abAB][[:xdigit:]]{2}\\\\u[dD][c-fC-F][[:xdigit:]]{2}'";
    char *text = memory_format("replace(%s::text, '\\\\', '')", source);
    buffer_append_format(out,
                         "CASE WHEN strpos(%s::text, '\\u') > 0 AND %s ~ '\\\\u0000' THEN"
                         " '{\"invalid\": \"string with a NUL\"}'::jsonb"
                         " WHEN strpos(%s::text, '\\u') > 0 AND regexp_replace(%s, %s, '', 'g')"
                         " ~ '\\\\u[dD][89a-fA-F]' THEN"
                         " '{\"invalid\": \"half a surrogate pair\"}'::jsonb",
                         source, text, source, text, high_low);
    append_encoding(out, source, text);
    buffer_append_format(out,
                         " ELSE CASE json_typeof(%s) WHEN 'null' THEN NULL WHEN 'object' THEN"
                         " to_jsonb(%s::text) ELSE CASE WHEN"
                         " regexp_replace(replace(%s, '\\\"', ''), '\"[^\"]*\"', '', 'g')"
                         " ~ '[eE][-+]?0*[1-9][0-9]{3}|[0-9.]{200}' THEN"
                         " '{\"invalid\": \"number out of range\"}'::jsonb"
                         " ELSE %s::jsonb END END END",
                         source, source, text, source);
    free(text);
}

/* A type whose text is longer than its values, so that Postgres cannot print each of them. */
struct printed_type {
    const char *name;
    const char *size;  /* function */
    uint32_t size_max; /* of a value whose text ops can take */
};

static const struct printed_type *
find_printed_type(const struct entry_value *value)
{
    static const struct printed_type types[] = {
        {"bytea", "octet_length", 32767}, /* \x, and two digits for each */
        {"bit", "length", 65536},
        {"bit varying", "length", 65536},
    };
    for (size_t i = 0; value->form == FORM_TEXT && i < sizeof types / sizeof *types; i++)
        if (strcmp(value->type_name, types[i].name) == 0)
            return &types[i];
    return NULL;
}

/* What is too long for any op is not converted, because Postgres refuses to make a text of 1 GB, or
 * a jsonb of 256 MB. Of a text, so much is left that it is still too long; nulls of a list do not
 * count as its items, hence the larger number. */
void
row_sql_append_form(struct buffer *out, const struct entry_value *value, const char *source)
{
    const struct printed_type *type = find_printed_type(value);
    CHECK(value->form <= FORM_TEXT);
    if (type != NULL) {
        buffer_append_format(out, "substring(%s, 1, %" PRIu32 ")::text", source,
                             type->size_max + 1);
    } else if (value->form == FORM_JSON && strcmp(value->type_name, "json") == 0) {
        append_json_text(out, source);
    } else if (entry_form_is_array(value->form)) {
        buffer_append_format(out,
                             "CASE WHEN cardinality(%s) > 1000000 THEN"
                             " '{\"invalid\": \"a list of more than 1000000 items\"}'::jsonb ELSE ",
                             source);
        append_form(out, value->form, source);
        buffer_append_text(out, " END");
    } else {
        append_form(out, value->form, source);
    }
}

/* The condition that no op takes the value because its text is too long, where that is certain: the
 * whole row would be too large (F89). A value that is stored in less than 2,000 bytes has no such
 * text, compressed or not. */
static void
append_long_text(struct buffer *out, const struct entry_value *value, const char *source)
{
    static const char *const texts[] = {"text", "character varying", "character"};
    const struct printed_type *type = find_printed_type(value);
    if (type != NULL)
        buffer_append_format(out, "%s(%s) > %" PRIu32, type->size, source, type->size_max);
    else if (value->form == FORM_TEXT)
        buffer_append_format(out, "pg_column_size(%s) > 2000 AND octet_length(%s::text) > 65536",
                             source, source);
    if (value->form == FORM_JSON)
        buffer_append_format(out,
                             "pg_column_size(%s) > 2000 AND octet_length(%s::text) > CASE"
                             " %s_typeof(%s) WHEN 'object' THEN 65536 WHEN 'string' THEN 393218"
                             " ELSE 2147483647 END",
                             source, source,
                             strcmp(value->type_name, "json") == 0 ? "json" : "jsonb", source);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (value->form == FORM_PLAIN && strcmp(value->type_name, texts[i]) == 0)
            buffer_append_format(out, "octet_length(%s) > 65536", source);
}

void
row_sql_append_json(struct buffer *out, const struct entry_value *value, const char *to_json,
                    const char *source)
{
    struct buffer refusal = {0};
    bool is_time = value->form == FORM_SECONDS;
    if (is_time)
        buffer_append_format(&refusal, "%s IN ('infinity', '-infinity')", source);
    else
        append_long_text(&refusal, value, source);
    if (refusal.bytes > 0)
        buffer_append_format(
            out, "CASE WHEN %s THEN '{\"invalid\": \"%s\"}' ELSE ", buffer_string(&refusal),
            is_time ? "a time that is infinite" : "a string longer than 65536 bytes");
    buffer_append_format(out, "%s(", is_time ? "" : to_json);
    row_sql_append_form(out, value, source);
    buffer_append_text(out, refusal.bytes > 0 ? ")::text END" : ")::text");
    buffer_free(&refusal);
}

void
row_sql_append_value(struct buffer *out, const struct entry_value *value, const char *row)
{
    struct buffer source = {0};
    if (value->guard != NULL)
        buffer_append_format(&source, "%s(%s.*)", value->guard, row);
    else
        append_source(&source, value->expression, row);
    row_sql_append_form(out, value, buffer_string(&source));
    buffer_free(&source);
}

/* A placeholder that stands for one value. */
static void
append_single_placeholder(struct buffer *out, const struct entry_placeholder *placeholder,
                          const char *source)
{
    bool is_list = placeholder->context == CONTEXT_LIST;
    CHECK(placeholder->context <= CONTEXT_ITEM);
    buffer_append_text(out, is_list ? "'[' || pg_catalog.to_jsonb(" : "pg_catalog.to_jsonb(");
    append_form(out, placeholder->form, source);
    buffer_append_text(out, is_list ? ")::text || ']'" : ")::text");
}

/* A placeholder that stands for several values. An empty list is null. */
static void
append_list_placeholder(struct buffer *out, const struct entry_placeholder *placeholder,
                        const char *source)
{
    bool is_item = placeholder->context == CONTEXT_ITEM;
    CHECK(placeholder->context != CONTEXT_VALUE);
    buffer_append_text(out, is_item ? "btrim(nullif(" : "nullif(");
    append_form(out, placeholder->form == FORM_JSON ? FORM_ARRAY : placeholder->form, source);
    buffer_append_text(out, is_item ? ", '[]')::text, '[]')" : ", '[]')::text");
}

/* A placeholder of a fan-out's query, as an expression of type text. Null makes the whole query
 * null. The query grammar reads what jsonb prints: numbers, "texts", [lists]. */
static void
append_placeholder(struct buffer *out, const struct entry_placeholder *placeholder, const char *row)
{
    struct buffer source = {0};
    bool is_json_list = placeholder->form == FORM_JSON && placeholder->context != CONTEXT_VALUE;
    sql_append_column(&source, row, placeholder->name);
    if (is_json_list)
        buffer_append_text(&source, "::jsonb");
    if (is_json_list || entry_form_is_array(placeholder->form))
        append_list_placeholder(out, placeholder, buffer_string(&source));
    else
        append_single_placeholder(out, placeholder, buffer_string(&source));
    buffer_free(&source);
}

void
row_sql_append_query(struct buffer *out, const struct entry *entry, const char *row)
{
    CHECK(entry->query_end != NULL);
    CHECK(entry->placeholder_count > 0 || *entry->query_end != '\0');
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

void
row_sql_append_filter(struct buffer *out, const struct entry *entry, const char *row)
{
    if (entry->trigger->filter == NULL)
        return;
    CHECK(entry->trigger->filter[0] != '\0');
    if (entry->filter_guard != NULL) {
        buffer_append_format(out, " AND %s(%s.*) IS TRUE", entry->filter_guard, row);
        return;
    }
    buffer_append_text(out, " AND (");
    sql_append_expression(out, entry->trigger->filter, row);
    buffer_append_text(out, ") IS TRUE");
}

void
row_sql_append_search_path(struct buffer *out, const struct entry *entry)
{
    CHECK(entry->table.schema != NULL);
    CHECK(entry->outbox_schema != NULL);
    buffer_append_text(out, "pg_catalog, ");
    sql_append_name(out, entry->table.schema);
    if (strcmp(entry->table.schema, entry->outbox_schema) != 0) {
        buffer_append_text(out, ", ");
        sql_append_name(out, entry->outbox_schema);
    }
    buffer_append_text(out, ", pg_temp");
}
