#include "producer/triggers/reconcile.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "producer/triggers/catalogue.h"
#include "producer/triggers/sql.h"

/* Columns of triggers_sql. */
enum {
    FOUND_TABLE,
    FOUND_NAME,
    FOUND_FUNCTION,
    FOUND_MARK,
    FOUND_BODY,
    FOUND_INTACT,       /* enabled ALWAYS, SECURITY DEFINER, and the function has the same mark */
    FOUND_OWN_FUNCTION, /* the function is ours, and no other trigger calls it */
    FOUND_EVENTS,       /* 0: the trigger is disabled */
};

#define QUOTED(column) "'\"' || replace(" column ", '\"', '\"\"') || '\"'"
#define NAMED_BY_US "'^bitdex_.*_[0-9a-f]{8}(_[tc])?$'"

/* clang-format off */
/* Triggers that are ours, without the copies that partitions have of the triggers of their
 * partitioned table. $1: our mark; $2: the tables of the configuration. */
static const char triggers_sql[] =
    "SELECT tables.name, tgname, functions.name, coalesce(mark, ''), prosrc,"
    " tgenabled = 'A' AND prosecdef AND obj_description(pg_proc.oid, 'pg_proc') IS NOT DISTINCT"
    "  FROM mark,"
    " (proname ~ '^bitdex_.*_ops_[0-9a-f]{8}' OR starts_with(obj_description(pg_proc.oid,"
    "  'pg_proc'), $1)) IS TRUE AND NOT EXISTS (SELECT FROM pg_trigger AS other WHERE"
    "  other.tgfoid = pg_proc.oid AND other.oid <> pg_trigger.oid AND other.tgparentid = 0),"
    " CASE WHEN tgenabled IN ('O', 'A') THEN tgtype ELSE 0 END"
    " FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid"
    " JOIN pg_namespace ON pg_namespace.oid = relnamespace"
    " JOIN pg_proc ON pg_proc.oid = tgfoid"
    " JOIN pg_namespace AS function_schema ON function_schema.oid = pronamespace,"
    " LATERAL (SELECT obj_description(pg_trigger.oid, 'pg_trigger') AS mark) AS marks,"
    " LATERAL (SELECT " QUOTED("pg_namespace.nspname") " || '.' || " QUOTED("relname")
    "  AS name) AS tables,"
    " LATERAL (SELECT " QUOTED("function_schema.nspname") " || '.' || " QUOTED("proname")
    "  AS name) AS functions"
    " WHERE NOT tgisinternal AND tgparentid = 0 AND (starts_with(mark, $1) OR mark IS NULL AND"
    "  tgname ~ " NAMED_BY_US " AND tables.name = ANY ($2::text[]))"
    " ORDER BY tables.name, tgname";

/* Functions that are ours and that no trigger calls. $1: our mark. */
static const char functions_sql[] =
    "SELECT " QUOTED("nspname") " || '.' || " QUOTED("proname")
    " FROM pg_proc JOIN pg_namespace ON pg_namespace.oid = pronamespace"
    " WHERE starts_with(obj_description(pg_proc.oid, 'pg_proc'), $1)"
    " AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgfoid = pg_proc.oid)"
    " ORDER BY nspname, proname";
/* clang-format on */

int
reconcile_plan_nothing(struct pg *pg, struct arena *arena, struct reconcile_plan *plan,
                       struct error *err)
{
    *plan = (struct reconcile_plan){0};
    int rc = catalogue_find_outbox(pg, arena, &plan->outbox_schema, err);
    CHECK(rc != 0 || plan->outbox_schema != NULL);
    return rc;
}

static void
check_plan(const struct reconcile_plan *plan)
{
    uint32_t count = 0;
    const struct trigger_object *object = plan->objects.first;
    for (; object != NULL; object = object->next, count++) {
        CHECK(object->entry >= plan->entries);
        CHECK(object->entry < plan->entries + plan->entry_count);
    }
    CHECK(count == plan->objects.count);
}

static int
plan_entries(struct pg *pg, const struct config *config, struct arena *arena,
             struct reconcile_plan *plan, struct error *err)
{
    int rc = 0;
    CHECK(plan->outbox_schema != NULL && plan->entry_count == 0);
    plan->entries = arena_alloc(arena, (config->trigger_count + 1) * sizeof *plan->entries);
    for (uint32_t i = 0; rc == 0 && i < config->trigger_count; i++) {
        struct entry *entry = &plan->entries[plan->entry_count++];
        entry_create(config, i, arena, entry);
        entry->outbox_schema = plan->outbox_schema;
        rc = catalogue_read(pg, arena, entry, err);
        if (rc == 0)
            generate_objects(entry, arena, &plan->objects);
    }
    CHECK(rc != 0 || plan->entry_count == config->trigger_count);
    check_plan(plan);
    return rc;
}

int
reconcile_plan(struct pg *pg, const struct config *config, struct arena *arena,
               struct reconcile_plan *plan, struct error *err)
{
    int rc = reconcile_plan_nothing(pg, arena, plan, err);
    return rc == 0 ? plan_entries(pg, config, arena, plan, err) : rc;
}

int
reconcile_plan_before_init(struct pg *pg, const struct config *config, struct arena *arena,
                           struct reconcile_plan *plan, struct error *err)
{
    *plan = (struct reconcile_plan){.outbox_schema = "public"};
    return plan_entries(pg, config, arena, plan, err);
}

/* Pairs with the CHECKs of add_change(). */
static void
check_changes(const struct reconcile_changes *changes)
{
    uint32_t count = 0;
    const struct reconcile_change *change = changes->first;
    for (; change != NULL; change = change->next, count++) {
        CHECK(*change->label == '+' || *change->label == '-');
        CHECK((*change->table == '\0') == (strncmp(change->label, "- function", 10) == 0));
        CHECK(!change->is_done);
    }
    CHECK(count == changes->count);
}

static void
add_change(struct reconcile_changes *changes, struct arena *arena, const char *table,
           struct buffer *label, struct buffer *sql)
{
    struct reconcile_change *change = arena_alloc(arena, sizeof *change);
    CHECK(table != NULL);
    CHECK(label->bytes > 0);
    CHECK(sql->bytes > 0);
    *change = (struct reconcile_change){
        .table = table,
        .label = sql_take(arena, label),
        .sql = sql_take(arena, sql),
    };
    if (changes->end == NULL)
        changes->end = &changes->first;
    CHECK(*changes->end == NULL);
    *changes->end = change;
    changes->end = &change->next;
    changes->count++;
}

static void
add_unused_functions(const struct pg_result *result, struct arena *arena,
                     struct reconcile_changes *changes)
{
    for (int i = 0; i < pg_rows(result); i++) {
        struct buffer label = {0};
        struct buffer sql = {0};
        const char *name = pg_text(result, i, 0);
        buffer_append_format(&label, "- function %s: no trigger calls it", name);
        buffer_append_format(&sql, "DROP FUNCTION %s()", name);
        add_change(changes, arena, "", &label, &sql);
    }
}

/* The object that should exist by that name on that table; NULL: none should. */
static const struct trigger_object *
find_object(const struct trigger_objects *objects, const struct pg_result *result, int row)
{
    const struct trigger_object *object = objects->first;
    while (object != NULL && (strcmp(object->name, pg_text(result, row, FOUND_NAME)) != 0 ||
                              strcmp(object->table, pg_text(result, row, FOUND_TABLE)) != 0))
        object = object->next;
    return object;
}

/* Does the row describe this object as it was generated? */
static bool
is_intact(const struct trigger_object *object, const struct pg_result *result, int row)
{
    return object != NULL && strcmp(object->mark, pg_text(result, row, FOUND_MARK)) == 0 &&
           strcmp(object->body, pg_text(result, row, FOUND_BODY)) == 0 &&
           pg_boolean(result, row, FOUND_INTACT);
}

static const char *
why_dropped(const struct trigger_object *object, const struct pg_result *result, int row)
{
    if (object != NULL)
        return "was changed by hand, or is not enabled ALWAYS";
    return *pg_text(result, row, FOUND_MARK) == '\0' ? "made by another generator"
                                                     : "not in the configuration";
}

static void
add_drops(const struct pg_result *result, const struct reconcile_plan *plan, struct arena *arena,
          struct reconcile_changes *changes)
{
    for (int i = 0; i < pg_rows(result); i++) {
        const struct trigger_object *object = find_object(&plan->objects, result, i);
        if (is_intact(object, result, i))
            continue;
        struct buffer label = {0};
        struct buffer sql = {0};
        const char *table = arena_strdup(arena, text_of(pg_text(result, i, FOUND_TABLE)));
        CHECK(*table == '"'); /* it goes into the statement as it is */
        buffer_append_format(&label, "- trigger %s on %s: %s", pg_text(result, i, FOUND_NAME),
                             table, why_dropped(object, result, i));
        buffer_append_text(&sql, "DROP TRIGGER ");
        sql_append_name(&sql, pg_text(result, i, FOUND_NAME));
        buffer_append_format(&sql, " ON %s", table);
        if (pg_boolean(result, i, FOUND_OWN_FUNCTION))
            buffer_append_format(&sql, "; DROP FUNCTION %s()", pg_text(result, i, FOUND_FUNCTION));
        add_change(changes, arena, table, &label, &sql);
    }
}

static bool
object_exists(const struct trigger_object *object, const struct pg_result *result)
{
    for (int i = 0; i < pg_rows(result); i++)
        if (strcmp(object->name, pg_text(result, i, FOUND_NAME)) == 0 &&
            strcmp(object->table, pg_text(result, i, FOUND_TABLE)) == 0)
            return is_intact(object, result, i);
    return false;
}

static void
add_creates(const struct pg_result *result, const struct reconcile_plan *plan, struct arena *arena,
            struct reconcile_changes *changes)
{
    for (const struct trigger_object *object = plan->objects.first; object != NULL;
         object = object->next) {
        CHECK(object->sql != NULL);
        if (object_exists(object, result))
            continue;
        struct buffer label = {0};
        struct buffer sql = {0};
        buffer_append_format(&label, "+ trigger %s on %s: triggers[%u], line %u", object->name,
                             object->table, object->entry->index,
                             object->entry->trigger->place.line);
        buffer_append_text(&sql, object->sql);
        add_change(changes, arena, object->table, &label, &sql);
    }
}

/* The tables of the plan as the text of a Postgres array. */
static void
append_tables(struct buffer *out, const struct reconcile_plan *plan)
{
    const char *separator = "";
    CHECK(out->bytes == 0);
    buffer_append_text(out, "{");
    for (const struct trigger_object *object = plan->objects.first; object != NULL;
         object = object->next) {
        buffer_append_format(out, "%s\"", separator);
        for (const char *at = object->table; *at != '\0'; at++) {
            if (*at == '"' || *at == '\\')
                buffer_append(out, "\\", 1);
            buffer_append(out, at, 1);
        }
        buffer_append(out, "\"", 1);
        separator = ",";
    }
    buffer_append_text(out, "}");
}

/* Queries our triggers, and the triggers on the tables of the plan. */
static int
find_triggers(struct pg *pg, const struct reconcile_plan *plan, struct pg_result **found,
              struct error *err)
{
    struct buffer mark = {0};
    struct buffer tables = {0};
    generate_append_mark(&mark, plan->outbox_schema);
    append_tables(&tables, plan);
    const char *const params[] = {buffer_string(&mark), buffer_string(&tables)};
    int rc = pg_query(pg, triggers_sql, 2, params, found, err);
    buffer_free(&mark);
    buffer_free(&tables);
    return rc == 0 ? 0 : error_wrap(err, rc, "cannot read the triggers of the database");
}

int
reconcile_list_triggers(struct pg *pg, const struct reconcile_plan *plan, struct arena *arena,
                        const struct reconcile_trigger **triggers, uint32_t *count,
                        struct error *err)
{
    struct pg_result *found;
    int rc = find_triggers(pg, plan, &found, err);
    if (rc != 0)
        return rc;
    *count = (uint32_t)pg_rows(found);
    struct reconcile_trigger *list = arena_alloc(arena, (*count + 1) * sizeof *list);
    for (uint32_t i = 0; i < *count; i++)
        list[i] = (struct reconcile_trigger){
            .table = arena_strdup(arena, text_of(pg_text(found, (int)i, FOUND_TABLE))),
            .body = arena_strdup(arena, text_of(pg_text(found, (int)i, FOUND_BODY))),
            .events = (int)pg_integer(found, (int)i, FOUND_EVENTS),
        };
    *triggers = list;
    pg_result_clear(found);
    return 0;
}

int
reconcile_compare(struct pg *pg, const struct reconcile_plan *plan, struct arena *arena,
                  struct reconcile_changes *changes, struct error *err)
{
    struct buffer mark = {0};
    struct pg_result *unused = NULL;
    struct pg_result *found = NULL;
    CHECK(changes->count == 0);
    CHECK(changes->first == NULL);
    generate_append_mark(&mark, plan->outbox_schema);
    const char *const params[] = {buffer_string(&mark)};
    int rc = pg_query(pg, functions_sql, 1, params, &unused, err);
    if (rc != 0)
        rc = error_wrap(err, rc, "cannot read the functions of the database");
    if (rc == 0)
        rc = find_triggers(pg, plan, &found, err);
    if (rc == 0) {
        add_unused_functions(unused, arena, changes);
        add_drops(found, plan, arena, changes);
        add_creates(found, plan, arena, changes);
        check_changes(changes);
    }
    pg_result_clear(unused);
    pg_result_clear(found);
    buffer_free(&mark);
    return rc;
}

static void
append_need(struct buffer *out, const char *table, const char *right)
{
    CHECK(table != NULL);
    buffer_append_text(out, ", (");
    sql_append_literal(out, table);
    buffer_append_format(out, ", '%s')", right);
}

/* The rights that the functions need, as rows of (relation, need). */
static void
append_needs(struct buffer *out, const struct reconcile_plan *plan)
{
    struct buffer outbox = {0};
    CHECK(plan->outbox_schema != NULL);
    sql_append_name(&outbox, plan->outbox_schema);
    buffer_append_text(&outbox, ".\"BitdexOps\"");
    buffer_append_text(out, "(VALUES (");
    sql_append_literal(out, buffer_string(&outbox));
    buffer_append_text(out, ", 'INSERT')");
    for (uint32_t i = 0; i < plan->entry_count; i++) {
        const struct entry *entry = &plan->entries[i];
        append_need(out, entry->table.quoted, "SELECT");
        if (entry_child(entry) == NULL)
            continue;
        append_need(out, entry->table.quoted, "UPDATE"); /* FOR SHARE needs it */
        for (uint32_t j = 0; j < entry->link_count; j++)
            append_need(out, entry->links[j].table.quoted, "SELECT");
    }
    buffer_append_text(out, ") AS needs(relation, need)");
    buffer_free(&outbox);
}

int
reconcile_check_rights(struct pg *pg, const struct reconcile_plan *plan, bool as_self,
                       struct error *err)
{
    struct buffer sql = {0};
    struct buffer mark = {0};
    struct pg_result *result;
    generate_append_mark(&mark, plan->outbox_schema);
    const char *const params[] = {buffer_string(&mark)};
    buffer_append_text(&sql, "SELECT rolname, need, relation FROM pg_roles, ");
    append_needs(&sql, plan);
    buffer_append_format(
        &sql,
        " WHERE %s AND NOT (has_table_privilege(pg_roles.oid, relation, need) AND (need <> 'INSERT'"
        " OR has_sequence_privilege(pg_roles.oid, pg_get_serial_sequence(relation, 'id'),"
        " 'USAGE'))) LIMIT 1",
        as_self ? "rolname = current_user AND $1 <> ''"
                : "pg_roles.oid IN (SELECT proowner FROM pg_proc WHERE"
                  " starts_with(obj_description(oid, 'pg_proc'), $1))");
    int rc = pg_query(pg, buffer_string(&sql), 1, params, &result, err);
    buffer_free(&sql);
    buffer_free(&mark);
    if (rc != 0)
        return error_wrap(err, rc, "cannot read the rights of roles");
    if (pg_rows(result) > 0)
        rc = error_set(err, ERR_FATAL,
                       "role %s, as which the trigger functions run, lacks %s on %s%s: GRANT it",
                       pg_text(result, 0, 0), pg_text(result, 0, 1), pg_text(result, 0, 2),
                       strcmp(pg_text(result, 0, 1), "INSERT") == 0 ? " and USAGE on its sequence"
                                                                    : "");
    pg_result_clear(result);
    return rc;
}

static int
apply_table(struct pg *pg, struct reconcile_change *first, struct error *err)
{
    CHECK(!first->is_done);
    int rc = pg_exec(pg, "BEGIN; SET LOCAL lock_timeout = '1s'", err);
    for (const struct reconcile_change *change = first; rc == 0 && change != NULL;
         change = change->next)
        if (!change->is_done && strcmp(change->table, first->table) == 0)
            rc = pg_exec(pg, change->sql, err);
    if (rc == 0)
        return pg_exec(pg, "COMMIT", err);
    pg_exec(pg, "ROLLBACK", NULL);
    return error_wrap(err, rc, "%s", first->label);
}

int
reconcile_apply_next(struct pg *pg, struct reconcile_changes *changes, bool *found,
                     struct error *err)
{
    struct reconcile_change *first = changes->first;
    CHECK((first == NULL) == (changes->count == 0));
    while (first != NULL && first->is_done)
        first = first->next;
    *found = first != NULL;
    if (first == NULL)
        return 0;
    int rc = apply_table(pg, first, err);
    for (struct reconcile_change *change = first; rc == 0 && change != NULL; change = change->next)
        change->is_done = change->is_done || strcmp(change->table, first->table) == 0;
    CHECK(first->is_done == (rc == 0)); /* so that every call makes progress or fails */
    return rc;
}
