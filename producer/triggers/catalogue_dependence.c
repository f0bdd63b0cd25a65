#include "producer/triggers/catalogue_dependence.h"

#include <ctype.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "producer/triggers/sql.h"

/* Of the names in $1 that are called: the volatile functions, and those of the application that may
 * read tables. Of the names in $2: tables. One row: both lists, null for an empty one. */
static const char dependence_sql[] =
    "SELECT pg_catalog.string_agg(DISTINCT name, ', ') FILTER (WHERE is_unstable),"
    " pg_catalog.string_agg(DISTINCT name, ', ') FILTER (WHERE NOT is_unstable) FROM ("
    "SELECT proname::text AS name, provolatile = 'v'::\"char\" AS is_unstable"
    " FROM pg_catalog.pg_proc JOIN pg_catalog.pg_namespace ON pg_namespace.oid = pronamespace"
    " WHERE proname::text = ANY ($1::text[])"
    " AND nspname::text = ANY (pg_catalog.current_schemas(true)::text[])"
    " AND (provolatile = 'v'::\"char\" OR provolatile = 's'::\"char\""
    " AND nspname::text <> 'pg_catalog'::text)"
    " UNION ALL SELECT relname::text, false FROM pg_catalog.pg_class"
    " WHERE relname::text = ANY ($2::text[])"
    " AND relkind IN ('r'::\"char\", 'p'::\"char\", 'v'::\"char\", 'm'::\"char\", 'f'::\"char\"))"
    " AS found";

/* Keywords that read the clock, and functions that Postgres calls stable and that do so. */
static const char *const clock_words[] = {
    "current_date",          "current_time", "current_timestamp",   "localtime", "localtimestamp",
    "transaction_timestamp", "now",          "statement_timestamp",
};

static bool
is_one_of(struct text word, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (text_is(word, words[i]))
            return true;
    return false;
}

/* What an expression says, without asking the database. */
struct words {
    struct buffer called; /* names, as the text of a Postgres array without its braces */
    struct buffer others;
    const char *clock; /* the first word that reads it; NULL: none does */
    bool has_query;
};

static void
add_name(struct buffer *names, struct text name)
{
    buffer_append_text(names, names->bytes > 0 ? ",\"" : "\"");
    for (size_t i = 0; i < name.bytes; i++) {
        if (name.data[i] == '"' || name.data[i] == '\\')
            buffer_append_text(names, "\\");
        buffer_append(names, &name.data[i], 1);
    }
    buffer_append_text(names, "\"");
}

static void
collect(const char *expression, struct arena *arena, struct words *words)
{
    static const char *const queries[] = {"select", "table"};
    struct sql_word word;
    while (sql_next_word(&expression, &word)) {
        char *name = arena_strdup(arena, word.name);
        for (char *at = name; !word.is_quoted && *at != '\0'; at++)
            *at = (char)tolower((unsigned char)*at);
        struct text lower = text_of(name);
        bool is_keyword = !word.is_quoted;
        if (is_keyword && is_one_of(lower, queries, sizeof queries / sizeof queries[0]))
            words->has_query = true;
        if (is_keyword && words->clock == NULL &&
            is_one_of(lower, clock_words, sizeof clock_words / sizeof clock_words[0]))
            words->clock = name;
        add_name(word.is_called ? &words->called : &words->others, lower);
    }
}

static int
ask(struct pg *pg, struct arena *arena, struct words *words, struct entry_dependence *dependence,
    struct error *err)
{
    struct buffer tables = {0};
    struct pg_result *result;
    char *called = memory_format("{%s}", buffer_string(&words->called));
    buffer_append_format(&tables, "{%s}", words->has_query ? buffer_string(&words->others) : "");
    const char *const params[] = {called, buffer_string(&tables)};
    int rc = pg_query(pg, dependence_sql, 2, params, &result, err);
    free(called);
    buffer_free(&tables);
    if (rc != 0)
        return rc;
    CHECK(pg_rows(result) == 1);
    if (!pg_is_null(result, 0, 0))
        dependence->unstable = arena_strdup(arena, text_of(pg_text(result, 0, 0)));
    if (!pg_is_null(result, 0, 1))
        dependence->reads = arena_strdup(arena, text_of(pg_text(result, 0, 1)));
    pg_result_clear(result);
    return 0;
}

static int
read_expression(struct pg *pg, struct arena *arena, const char *expression,
                struct entry_dependence *dependence, struct error *err)
{
    struct words words = {0};
    int rc = 0;
    *dependence = (struct entry_dependence){0};
    collect(expression, arena, &words);
    dependence->unstable = words.clock;
    if (words.called.bytes > 0 || words.has_query)
        rc = ask(pg, arena, &words, dependence, err);
    buffer_free(&words.called);
    buffer_free(&words.others);
    return rc;
}

int
catalogue_dependence_read(struct pg *pg, struct arena *arena, struct entry *entry,
                          struct error *err)
{
    int rc = 0;
    CHECK(entry->table.quoted != NULL);
    if (entry->trigger->filter != NULL)
        rc = read_expression(pg, arena, entry->trigger->filter, &entry->filter_dependence, err);
    for (uint32_t i = 0; rc == 0 && i < entry->value_count; i++) {
        struct entry_value *value = &entry->values[i];
        if (!sql_is_column(value->expression))
            rc = read_expression(pg, arena, value->expression, &value->dependence, err);
    }
    return rc;
}
