#include "producer/source/guards.h"

#include <string.h>

#include "common/base/check.h"
#include "producer/source/cursor.h"
#include "producer/source/guards_table.h"

#define CURSOR "cursor"

/* A pooling proxy gives the session, with its lock and settings, to another client after a
 * transaction (F69). A proxy shows process ids of its own. */
static int
guard_check_direct(struct pg *pg, const struct config *config, struct error *err)
{
    (void)config;
    struct pg_result *result;
    int rc = pg_query(pg, "SELECT pg_backend_pid()", 0, NULL, &result, err);
    if (rc != 0)
        return error_wrap(err, rc, "could not check the connection");
    CHECK(pg_rows(result) == 1);
    bool direct = pg_integer(result, 0, 0) == pg_backend_pid(pg);
    pg_result_clear(result);
    if (direct)
        return 0;
    return error_set(err, ERR_FATAL,
                     "postgres leads to a proxy (a connection pooler), which shares a session"
                     " between clients: name the server itself");
}

static int
guard_check_cursor(struct pg *pg, const struct config *config, struct error *err)
{
    struct cursor_history history;
    int rc = cursor_read_history(pg, &history, err);
    return rc != 0 ? rc : cursor_check(pg, config, &history, err);
}

static void
append_table(struct buffer *sql, const char *table)
{
    struct buffer name = {0};
    CHECK(table != NULL);
    pg_append_identifier(&name, table);
    buffer_append_text(sql, ", ");
    pg_append_literal(sql, buffer_string(&name));
    buffer_free(&name);
}

/* Those that the configuration names. */
static void
append_tables(struct buffer *sql, const struct config *config)
{
    CHECK(config->triggers != NULL || config->trigger_count == 0);
    CHECK(config->dump_phases != NULL || config->dump_phase_count == 0);
    for (uint32_t i = 0; i < config->trigger_count; i++) {
        const struct config_trigger *trigger = &config->triggers[i];
        append_table(sql, trigger->table);
        for (uint32_t j = 0; j < trigger->link_count; j++)
            append_table(sql, trigger->links[j].table);
    }
    for (uint32_t i = 0; i < config->dump_phase_count; i++)
        if (config->dump_phases[i].copy_query != NULL) /* else its rows are in a CSV file */
            append_table(sql, config->dump_phases[i].table);
}

static int
guard_check_tables(struct pg *pg, const struct config *config, struct error *err)
{
    struct buffer sql = {0};
    struct pg_result *result;
    buffer_append_text(&sql,
                       "SELECT string_agg(DISTINCT name, ', ') FROM pg_catalog.unnest(ARRAY[NULL");
    append_tables(&sql, config);
    buffer_append_text(&sql, "]::text[]) AS name WHERE to_regclass(name) IS NULL");
    int rc = pg_query(pg, buffer_string(&sql), 0, NULL, &result, err);
    buffer_free(&sql);
    if (rc != 0)
        return error_wrap(err, rc, "could not check the source tables");
    CHECK(pg_rows(result) == 1);
    if (!pg_is_null(result, 0, 0))
        rc = error_set(err, ERR_FATAL,
                       "tables that the configuration names do not exist: %s; create them and their"
                       " triggers before the producer starts",
                       pg_text(result, 0, 0));
    pg_result_clear(result);
    return rc;
}

/* The SQL of a guard relies on what these have checked. */
static const struct {
    const char *guard;
    const char *needed;
} needs[] = {
    {"outbox name", "outbox"},
    {"outbox kind", "outbox"},
    {"outbox row security", "outbox"},
    {"outbox columns", "outbox"},
    {"transaction ids", "outbox"},
    {"outbox indexes", "outbox"},
    {"outbox sequence", "outbox columns"},
    {"columns of own tables", "own tables"},
    {"privileges", "outbox columns"},
    {"privileges", "own tables"},
    {"outbox rows", "privileges"},
    {CURSOR, "columns of own tables"},
    {CURSOR, "privileges"},
};

/* Guards without SQL. */
static const struct {
    const char *guard;
    int (*check)(struct pg *pg, const struct config *config, struct error *err);
} functions[] = {
    {"direct connection", guard_check_direct},
    {"source tables", guard_check_tables},
    {CURSOR, guard_check_cursor},
};

uint32_t
guards_count(void)
{
    return guards_table_count;
}

const char *
guards_name(uint32_t guard)
{
    CHECK(guard < guards_count());
    return guards_table[guard].name;
}

bool
guards_is_of_source(uint32_t guard)
{
    CHECK(guard < guards_count());
    return guards_table[guard].kind == GUARD_OF_SOURCE;
}

static uint32_t
guards_find(const char *name)
{
    uint32_t guard = 0;
    while (guard < guards_count() && strcmp(guards_table[guard].name, name) != 0)
        guard++;
    CHECK(guard < guards_count());
    return guard;
}

const char *
guards_missing(uint32_t guard, const bool *held)
{
    CHECK(guard < guards_count());
    for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++) {
        uint32_t needed = guards_find(needs[i].needed);
        CHECK(needed < guards_find(needs[i].guard));
        if (guards_find(needs[i].guard) == guard && !held[needed])
            return guards_table[needed].name;
    }
    return NULL;
}

static int
check_by_function(const struct guard *guard, struct pg *pg, const struct config *config,
                  struct error *err)
{
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        if (strcmp(functions[i].guard, guard->name) == 0)
            return functions[i].check(pg, config, err);
    CHECK(!"a guard of the source without SQL has a function");
    return 0;
}

int
guards_check(uint32_t guard, struct pg *pg, const struct config *config, struct error *err)
{
    CHECK(guards_is_of_source(guard));
    const struct guard *guarded = &guards_table[guard];
    CHECK((guarded->refused != NULL) == (guarded->message != NULL));
    if (guarded->refused == NULL)
        return check_by_function(guarded, pg, config, err);
    struct buffer sql = {0};
    struct pg_result *result;
    buffer_append_format(&sql, "SELECT %s", guarded->refused);
    int rc = pg_query(pg, buffer_string(&sql), 0, NULL, &result, err);
    buffer_free(&sql);
    if (rc != 0)
        return error_wrap(err, rc, "could not check the %s", guarded->name);
    if (pg_boolean(result, 0, 0))
        rc = error_set(err, ERR_FATAL, "%s", guarded->message);
    pg_result_clear(result);
    return rc;
}

/* Checks those that are asked at one of `times`, up to the first that does not hold, and without
 * the one called `but` (NULL: with all). */
static int
check_in_order(unsigned times, const char *but, struct pg *pg, const struct config *config,
               uint32_t *failed, struct error *err)
{
    int rc = 0;
    CHECK(times != 0);
    for (uint32_t i = 0; rc == 0 && i < guards_count(); i++) {
        const struct guard *guard = &guards_table[i];
        if (guard->kind != GUARD_OF_SOURCE || (guard->times & times) == 0 ||
            (but != NULL && strcmp(guard->name, but) == 0))
            continue;
        rc = guards_check(i, pg, config, err);
        *failed = i;
    }
    return rc;
}

int
guards_check_all(struct pg *pg, const struct config *config, struct error *err)
{
    uint32_t failed;
    return check_in_order(GUARD_AT_CONNECT | GUARD_AT_SESSION, NULL, pg, config, &failed, err);
}

int
guards_check_source(struct pg *pg, const struct config *config, struct error *err)
{
    uint32_t failed;
    return check_in_order(GUARD_AT_CONNECT | GUARD_AT_SESSION, CURSOR, pg, config, &failed, err);
}

int
guards_check_own_tables(struct pg *pg, const struct config *config, struct error *err)
{
    int rc = guards_check(guards_find("own tables"), pg, config, err);
    return rc == 0 ? guards_check(guards_find("columns of own tables"), pg, config, err) : rc;
}

/* What a guard that has stopped holding means for a session that relied on it. */
static int
end_of(uint32_t failed, int rc)
{
    CHECK(guards_table[failed].end != GUARD_VOIDS);
    return rc == ERR_FATAL && guards_table[failed].end == GUARD_WAITS ? ERR_RETRY : rc;
}

int
guards_check_next_session(struct pg *pg, const struct config *config, struct error *err)
{
    uint32_t failed = 0;
    int rc = check_in_order(GUARD_AT_CONNECT | GUARD_AT_SESSION, NULL, pg, config, &failed, err);
    return end_of(failed, rc);
}

/* One condition: any guard does not hold. */
static void
append_any(struct buffer *sql)
{
    const char *separator = "SELECT (";
    for (uint32_t i = 0; i < guards_count(); i++) {
        const struct guard *guard = &guards_table[i];
        if (guard->kind != GUARD_OF_SOURCE || (guard->times & GUARD_AT_INTERVAL) == 0)
            continue;
        CHECK(guard->refused != NULL);
        buffer_append_format(sql, "%s%s", separator, guard->refused);
        separator = ") OR (";
    }
    buffer_append_text(sql, ")");
}

/* The query of all guards fails as well when one of them does not hold on which another relies. */
int
guards_check_again(struct pg *pg, const struct config *config, uint32_t *failed, struct error *err)
{
    struct buffer sql = {0};
    struct pg_result *result = NULL;
    append_any(&sql);
    int rc = pg_query(pg, buffer_string(&sql), 0, NULL, &result, err);
    buffer_free(&sql);
    bool hold = rc == 0 && !pg_boolean(result, 0, 0);
    pg_result_clear(result);
    *failed = 0;
    if (hold || (rc != 0 && pg_is_lost(pg)))
        return rc;
    rc = check_in_order(GUARD_AT_INTERVAL, NULL, pg, config, failed, err);
    return end_of(*failed, rc);
}
