/* Happy path: complete each entry from the catalogue, run every query of condition_query.c over all
 * of them, add what each entry decides alone, and compare the triggers.
 *
 * Failure modes: an entry that Postgres refuses is reported, with every value that it refuses; its
 * tables stay in the queries if they were found. The triggers of such a configuration are unknown,
 * so they are not compared. An error that names no entry (a lost connection) ends the reading.
 */
#include "producer/triggers/conditions.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "producer/triggers/catalogue.h"
#include "producer/triggers/catalogue_value.h"
#include "producer/triggers/condition_entry.h"
#include "producer/triggers/condition_query.h"
#include "producer/triggers/covered.h"
#include "producer/triggers/inherited.h"
#include "producer/triggers/legacy.h"
#include "producer/triggers/reconcile.h"
#include "producer/triggers/refusal.h"

struct survey {
    struct pg *pg;
    const struct config *config;
    const char *outbox_schema;
    struct condition_list *list;
    struct entry *entries;
    bool *is_read; /* by entry */
    uint32_t entry_count;
    uint32_t read_count;
};

/* Postgres adds a line of our SQL and a mark below it: they are left out. */
static void
add_entry_error(const struct survey *survey, const struct entry *entry, const struct error *err)
{
    char *message = memory_format("%.*s", (int)strcspn(err->message, "\n"), err->message);
    const struct condition condition = {
        .kind = CONDITION_ENTRIES,
        .severity = CONDITION_PROBLEM,
        .entry = entry,
        .object = entry->trigger->table,
        .message = message,
        .remedy = "",
    };
    condition_add(survey->list, &condition);
    free(message);
}

/* What Postgres refuses of the entry: `first` is what ended its reading, and its other values have
 * not been examined yet. */
static int
add_refusals(const struct survey *survey, struct entry *entry, const struct error *first,
             struct error *err)
{
    add_entry_error(survey, entry, first);
    for (uint32_t i = 0; entry->table.quoted != NULL && i < entry->value_count; i++) {
        struct entry_value *value = &entry->values[i];
        struct catalogue_type type;
        int rc = catalogue_expression_read(survey->pg, entry, &entry->table, value->place,
                                           value->setting, value->expression, &type, err);
        if (rc != 0 && rc != ERR_USAGE)
            return rc;
        if (rc != 0 && strcmp(err->message, first->message) != 0)
            add_entry_error(survey, entry, err);
        if (rc != 0)
            continue;
        catalogue_value_fill(value, &type);
        condition_entry_add_type(survey->list, survey->config, entry, value);
    }
    return 0;
}

static int
read_entries(struct survey *survey, struct error *err)
{
    const struct config *config = survey->config;
    struct arena *arena = survey->list->arena;
    int rc = 0;
    survey->entries = arena_alloc(arena, (config->trigger_count + 1) * sizeof *survey->entries);
    survey->is_read = arena_alloc(arena, (config->trigger_count + 1) * sizeof *survey->is_read);
    for (uint32_t i = 0; rc == 0 && i < config->trigger_count; i++) {
        struct entry *entry = &survey->entries[survey->entry_count++];
        struct error first = {0};
        entry_create(config, i, arena, entry);
        entry->outbox_schema = survey->outbox_schema;
        int read = catalogue_read(survey->pg, arena, entry, &first);
        survey->is_read[i] = read == 0;
        survey->read_count += read == 0;
        if (read == ERR_RETRY) {
            *err = first;
            return read;
        }
        if (read != 0)
            rc = add_refusals(survey, entry, &first, err);
    }
    return rc;
}

static void
add_answer(const struct survey *survey, const struct condition_query *query,
           const struct pg_result *result)
{
    CHECK(pg_columns(result) == CONDITION_QUERY_COLUMNS);
    for (int i = 0; i < pg_rows(result); i++) {
        int64_t entry = pg_integer(result, i, CONDITION_QUERY_ENTRY);
        bool has_entry = !pg_is_null(result, i, CONDITION_QUERY_ENTRY);
        CHECK(!has_entry || (entry >= 0 && entry < survey->entry_count));
        const struct condition condition = {
            .kind = query->kind,
            .severity = query->severity,
            .entry = has_entry ? &survey->entries[entry] : NULL,
            .object = pg_text(result, i, CONDITION_QUERY_OBJECT),
            .message = pg_text(result, i, CONDITION_QUERY_MESSAGE),
            .remedy = pg_text(result, i, CONDITION_QUERY_REMEDY),
        };
        condition_add(survey->list, &condition);
    }
}

static int
run_queries(const struct survey *survey, struct error *err)
{
    struct buffer sql = {0};
    condition_query_append_entries(&sql, survey->entries, survey->entry_count,
                                   survey->outbox_schema);
    size_t bytes = sql.bytes;
    int rc = pg_exec(survey->pg, "SET search_path = pg_catalog", err);
    for (uint32_t i = 0; rc == 0 && i < condition_query_count; i++) {
        const struct condition_query *query = &condition_queries[i];
        struct pg_result *result;
        sql.bytes = bytes;
        condition_query_append(&sql, query);
        rc = pg_query(survey->pg, buffer_string(&sql), 0, NULL, &result, err);
        if (rc != 0) {
            error_wrap(err, rc, "could not examine the %s", condition_name(query->kind));
            break;
        }
        add_answer(survey, query, result);
        pg_result_clear(result);
    }
    buffer_free(&sql);
    return rc == 0 ? pg_exec(survey->pg, "RESET search_path", err) : rc;
}

static void
add_trigger_finding(const struct survey *survey, enum condition_severity severity,
                    const char *object, const char *message)
{
    const struct condition condition = {
        .kind = CONDITION_TRIGGERS,
        .severity = severity,
        .object = object,
        .message = message,
        .remedy = "",
    };
    condition_add(survey->list, &condition);
}

static void
add_apply_refusal(const struct survey *survey, enum condition_kind kind,
                  const struct refusal *refusal, bool is_refused)
{
    char *message = is_refused ? memory_format("triggers apply refuses `%s`: %s", refusal->setting,
                                               refusal->reason)
                               : memory_format("`%s`: %s", refusal->setting, refusal->reason);
    const struct condition condition = {
        .kind = kind,
        .severity = is_refused ? CONDITION_PROBLEM : CONDITION_WARNING,
        .entry = refusal->entry,
        .object = refusal->entry->table.quoted,
        .message = message,
        .remedy = "",
    };
    condition_add(survey->list, &condition);
    free(message);
}

/* The entries that have been read, without the others. */
static struct entry *
list_read(const struct survey *survey)
{
    uint32_t count = 0;
    struct entry *read = arena_alloc(survey->list->arena, (survey->read_count + 1) * sizeof *read);
    for (uint32_t i = 0; i < survey->entry_count; i++)
        if (survey->is_read[i])
            read[count++] = survey->entries[i];
    CHECK(count == survey->read_count);
    return read;
}

/* What `triggers apply` refuses of a new entry is a warning where its triggers are in place. While
 * an entry cannot be read, this is not known, and they may be. */
static int
add_apply_refusals(const struct survey *survey, bool has_outbox, struct error *err)
{
    struct arena *arena = survey->list->arena;
    struct covered_fields covered = {0};
    const struct entry *read = list_read(survey);
    bool is_known = survey->read_count == survey->entry_count;
    struct refusal *inherited = NULL;
    int rc = inherited_find(survey->pg, read, survey->read_count, arena, &inherited, err);
    if (rc == 0 && is_known && has_outbox)
        rc = covered_fields_read(survey->pg, survey->config, arena, &covered, err);
    if (rc != 0)
        return rc;
    const struct refusal *refusal = refusal_find(read, survey->read_count, arena);
    for (; refusal != NULL; refusal = refusal->next)
        add_apply_refusal(
            survey, refusal->value != NULL ? CONDITION_EXPRESSIONS : CONDITION_GUARANTEES, refusal,
            refusal->is_final || (is_known && refusal_holds(refusal, &covered)));
    for (; inherited != NULL; inherited = inherited->next)
        add_apply_refusal(survey, CONDITION_TABLES, inherited,
                          is_known && refusal_holds(inherited, &covered));
    return 0;
}

/* Those that the original generator left on tables which the configuration does not name. */
static int
add_legacy_triggers(const struct survey *survey, struct error *err)
{
    const struct legacy_trigger *legacy;
    int rc = legacy_find(survey->pg, survey->config, survey->list->arena, &legacy, err);
    for (; rc == 0 && legacy != NULL; legacy = legacy->next)
        add_trigger_finding(survey, CONDITION_WARNING, "original generator", legacy->message);
    return rc;
}

static bool
is_first_of_table(const struct reconcile_changes *changes, const struct reconcile_change *change)
{
    const struct reconcile_change *at = changes->first;
    while (strcmp(at->table, change->table) != 0)
        at = at->next;
    return at == change;
}

/* One condition for each table, because a new version of the generator changes every trigger. */
static void
add_changes(const struct survey *survey, const struct reconcile_changes *changes)
{
    for (const struct reconcile_change *first = changes->first; first != NULL;
         first = first->next) {
        uint32_t count = 0;
        if (!is_first_of_table(changes, first))
            continue;
        for (const struct reconcile_change *change = first; change != NULL; change = change->next)
            count += strcmp(change->table, first->table) == 0;
        char *message =
            memory_format("%u difference%s from the configuration, which bitdex-producer"
                          " triggers diff prints; the first is \"%s\"",
                          count, count == 1 ? "" : "s", first->label);
        const struct condition condition = {
            .kind = CONDITION_TRIGGERS,
            .severity = CONDITION_PROBLEM,
            .object = *first->table != '\0' ? first->table : "objects of no table",
            .message = message,
            .remedy = "bitdex-producer triggers apply",
        };
        condition_add(survey->list, &condition);
        free(message);
    }
}

/* The triggers must be those of the configuration, enabled, with all rights that they need. */
static int
compare_triggers(const struct survey *survey, struct error *err)
{
    struct arena *arena = survey->list->arena;
    struct reconcile_changes changes = {0};
    struct reconcile_plan plan;
    if (survey->read_count < survey->entry_count) {
        add_trigger_finding(survey, CONDITION_NOTE, "all tables",
                            "not compared with the configuration, because an entry cannot be read");
        return 0;
    }
    int rc = reconcile_plan(survey->pg, survey->config, arena, &plan, err);
    if (rc == 0)
        rc = reconcile_compare(survey->pg, &plan, arena, &changes, err);
    if (rc != 0)
        return rc;
    add_changes(survey, &changes);
    rc = reconcile_check_rights(survey->pg, &plan, false, err);
    if (rc != ERR_FATAL)
        return rc;
    add_trigger_finding(survey, CONDITION_PROBLEM, "rights", err->message);
    return 0;
}

int
conditions_read(struct pg *pg, const struct config *config, bool has_outbox,
                struct condition_list *list, struct error *err)
{
    struct survey survey = {.pg = pg, .config = config, .outbox_schema = "public", .list = list};
    CHECK(list->arena != NULL);
    int rc = 0;
    if (has_outbox)
        rc = catalogue_find_outbox(pg, list->arena, &survey.outbox_schema, err);
    if (rc == 0)
        rc = read_entries(&survey, err);
    if (rc == 0)
        rc = run_queries(&survey, err);
    for (uint32_t i = 0; rc == 0 && i < survey.entry_count; i++)
        if (survey.is_read[i])
            condition_entry_add(list, config, &survey.entries[i]);
    if (rc == 0)
        rc = add_apply_refusals(&survey, has_outbox, err);
    if (rc == 0)
        rc = add_legacy_triggers(&survey, err);
    if (rc == 0 && has_outbox)
        rc = compare_triggers(&survey, err);
    return rc;
}
