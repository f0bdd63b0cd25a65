#include "producer/triggers/reconcile.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "producer/triggers/catalogue.h"
#include "producer/triggers/catalogue_outliving.h"
#include "producer/triggers/generate.h"
#include "producer/triggers/mark.h"
#include "producer/triggers/sql.h"
#include "producer/triggers/unreported.h"

int
reconcile_plan_nothing(struct pg *pg, struct arena *arena, struct reconcile_plan *plan,
                       struct error *err)
{
    *plan = (struct reconcile_plan){0};
    int rc = catalogue_find_outbox(pg, arena, &plan->outbox_schema, err);
    CHECK(rc != 0 || plan->outbox_schema != NULL);
    return rc;
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
    }
    CHECK(rc != 0 || plan->entry_count == config->trigger_count);
    if (rc == 0)
        rc = catalogue_outliving_read(pg, arena, plan->entries, plan->entry_count, err);
    if (rc == 0)
        generate_objects(plan->entries, plan->entry_count, arena, &plan->objects);
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
        CHECK(*change->table == '"' || *change->label == '-');
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

/* Is the object that is in place as it was generated? The text of a view or a row function is not
 * compared: renames change it, and its name and mark carry a hash of its definition. */
static bool
is_same(const struct trigger_object *object, const struct in_place_object *found)
{
    CHECK(strcmp(object->identity, found->identity) == 0);
    CHECK(object->kind == found->kind);
    if (strcmp(object->mark, found->mark) != 0 || !found->is_set)
        return false;
    if (object->kind == OBJECT_FUNCTION)
        return strcmp(object->body, found->body) == 0 &&
               object->has_settings == found->has_settings;
    if (object->kind == OBJECT_TRIGGER)
        return object->events == found->events && strstr(object->sql, found->function) != NULL;
    return true;
}

/* An object in place and the one that should exist by its identity, or NULL. */
struct pair {
    const struct in_place_object *found;
    const struct trigger_object *object;
    bool is_same;
};

struct comparison {
    struct pair *pairs; /* in the order of `in_place` */
    uint32_t count;
    struct arena *arena;
    struct reconcile_changes *changes;
};

static void
create_pairs(struct comparison *comparison, const struct trigger_objects *objects,
             const struct in_place *in_place)
{
    comparison->count = in_place->count;
    comparison->pairs =
        arena_alloc(comparison->arena, (in_place->count + 1) * sizeof *comparison->pairs);
    for (uint32_t i = 0; i < in_place->count; i++) {
        struct pair *pair = &comparison->pairs[i];
        pair->found = &in_place->objects[i];
        pair->object = trigger_objects_find(objects, pair->found->identity);
        pair->is_same = pair->object != NULL && is_same(pair->object, pair->found);
    }
}

/* Does an object depend on another one of its table, so that the other can only be dropped after
 * it? The function of a trigger depends on nothing. */
static bool
may_use(const struct trigger_object *object, const struct trigger_object *other)
{
    if (strcmp(object->table, other->table) != 0)
        return false;
    if (object->kind == OBJECT_TRIGGER)
        return other->kind == OBJECT_FUNCTION;
    return object->kind <= OBJECT_ROW_FUNCTION && other->kind <= OBJECT_ROW_FUNCTION;
}

/* Can the object that is in place stay? Not if one that it may use has to be created again. */
static bool
is_intact(const struct comparison *comparison, const struct pair *pair)
{
    CHECK(pair >= comparison->pairs && pair < comparison->pairs + comparison->count);
    if (!pair->is_same)
        return false;
    for (uint32_t i = 0; i < comparison->count; i++) {
        const struct pair *other = &comparison->pairs[i];
        if (!other->is_same && other->object != NULL && may_use(pair->object, other->object))
            return false;
    }
    return true;
}

/* The pair of an object that should exist; NULL: it is not in place. */
static const struct pair *
find_pair(const struct comparison *comparison, const struct trigger_object *object)
{
    for (uint32_t i = 0; i < comparison->count; i++)
        if (comparison->pairs[i].object == object)
            return &comparison->pairs[i];
    return NULL;
}

/* What people call the object, such as: trigger NAME on TABLE. */
static void
append_label(struct buffer *out, enum trigger_object_kind kind, const char *name, const char *on,
             const char *identity)
{
    buffer_append_format(out, "%s ", trigger_object_kind_name(kind));
    if (kind == OBJECT_TRIGGER)
        buffer_append_format(out, "%s on %s", name, on);
    else
        buffer_append_text(out, identity + strcspn(identity, "\""));
}

static void
append_why_dropped(struct buffer *out, const struct pair *pair)
{
    const struct in_place_object *found = pair->found;
    if (pair->object == NULL && found->kind == OBJECT_TRIGGER)
        buffer_append_text(out, *found->mark == '\0' ? "made by another generator"
                                                     : "not in the configuration");
    else if (pair->object == NULL)
        buffer_append_text(out, "nothing in the configuration needs it");
    else if (pair->is_same)
        buffer_append_text(out, "uses an object that was changed by hand");
    else if (*found->disabled != '\0')
        buffer_append_format(out, "is disabled on %s", found->disabled);
    else
        buffer_append_text(out, found->kind == OBJECT_TRIGGER
                                    ? "was changed by hand, or is not enabled ALWAYS"
                                    : "was changed by hand");
}

static void
add_drop(const struct comparison *comparison, const struct pair *pair)
{
    const struct in_place_object *found = pair->found;
    struct buffer label = {0};
    struct buffer sql = {0};
    buffer_append_text(&label, "- ");
    append_label(&label, found->kind, found->name, found->on, found->identity);
    buffer_append_text(&label, ": ");
    append_why_dropped(&label, pair);
    buffer_append_format(&sql, "DROP %s", found->identity);
    if (found->has_own_function)
        buffer_append_format(&sql, "; DROP FUNCTION %s", found->function);
    add_change(comparison->changes, comparison->arena,
               pair->object != NULL ? pair->object->table : found->table, &label, &sql);
}

/* Is a function in place that the object belongs to? Then the object has been there as well:
 * DROP COLUMN ... CASCADE removes triggers, views and row functions, but no function of ours. */
static bool
was_removed(const struct comparison *comparison, const struct trigger_object *object)
{
    for (uint32_t i = 0; i < comparison->count; i++) {
        const struct trigger_object *function = comparison->pairs[i].object;
        if (comparison->pairs[i].is_same && function->kind == OBJECT_FUNCTION &&
            strcmp(function->table, object->table) == 0 &&
            (strstr(object->sql, function->name) != NULL ||
             strstr(function->body, object->name) != NULL))
            return true;
    }
    return false;
}

static void
add_create(const struct comparison *comparison, const struct trigger_object *object, bool removed)
{
    struct buffer label = {0};
    struct buffer sql = {0};
    CHECK(object->sql != NULL);
    buffer_append_text(&label, "+ ");
    append_label(&label, object->kind, object->name, object->on, object->identity);
    buffer_append_format(&label, ": %s", object->why);
    if (removed)
        buffer_append_text(&label, " (it was removed by hand, or by a DROP ... CASCADE)");
    buffer_append_text(&sql, object->sql);
    add_change(comparison->changes, comparison->arena, object->table, &label, &sql);
}

void
reconcile_compare_objects(const struct trigger_objects *objects, const struct in_place *in_place,
                          struct arena *arena, struct reconcile_changes *changes)
{
    struct comparison comparison = {.arena = arena, .changes = changes};
    CHECK(changes->count == 0);
    CHECK(changes->first == NULL);
    create_pairs(&comparison, objects, in_place);
    for (uint32_t i = 0; i < comparison.count; i++)
        if (!is_intact(&comparison, &comparison.pairs[i]))
            add_drop(&comparison, &comparison.pairs[i]);
    for (const struct trigger_object *object = objects->first; object != NULL;
         object = object->next) {
        const struct pair *pair = find_pair(&comparison, object);
        if (pair == NULL || !is_intact(&comparison, pair))
            add_create(&comparison, object, pair == NULL && was_removed(&comparison, object));
    }
    check_changes(changes);
}

static void
add_request(const struct reconcile_plan *plan, const struct trigger_object *object,
            struct arena *arena, struct reconcile_changes *changes)
{
    struct buffer label = {0};
    struct buffer sql = {0};
    CHECK(object->whole != NULL);
    buffer_append_format(&label, "+ request for all rows of %s: no trigger has reported changes",
                         object->table);
    buffer_append_text(&sql, "INSERT INTO ");
    sql_append_name(&sql, plan->outbox_schema);
    buffer_append_format(&sql,
                         ".\"BitdexOps\" (entity_id, ops) VALUES (0, ('[' || substr(%s, 2) ||"
                         " ']')::pg_catalog.jsonb)",
                         object->whole);
    add_change(changes, arena, object->table, &label, &sql);
}

int
reconcile_compare(struct pg *pg, const struct reconcile_plan *plan, struct arena *arena,
                  struct reconcile_changes *changes, struct error *err)
{
    struct in_place in_place;
    struct unreported_tables tables;
    int rc = in_place_read(pg, plan->outbox_schema, &plan->objects, arena, &in_place, err);
    if (rc == 0)
        rc = unreported_tables_read(pg, plan->outbox_schema, plan->entries, plan->entry_count,
                                    arena, &tables, err);
    if (rc != 0)
        return rc;
    reconcile_compare_objects(&plan->objects, &in_place, arena, changes);
    for (const struct trigger_object *object = plan->objects.first; object != NULL;
         object = object->next)
        if (unreported_begins(&tables, &plan->objects, &in_place, object))
            add_request(plan, object, arena, changes);
    return 0;
}

/* What a role must be allowed to do. */
struct need {
    const char
        *kind; /* "table", "sequence" (of the table's id), "schema" or "owner" (of the table) */
    const char *name; /* quoted; of a schema as it is */
    const char *right;
};

static void
append_need(struct buffer *out, struct need need)
{
    CHECK(need.name != NULL);
    buffer_append_format(out, "%s('%s', ", out->bytes > 0 ? ", " : "", need.kind);
    sql_append_literal(out, need.name);
    buffer_append_format(out, ", '%s')", need.right);
}

/* The functions of triggers and the views read the table as their owner; `apply` alters it. */
static void
append_table_needs(struct buffer *out, const struct entry_table *table, bool as_self)
{
    append_need(out, (struct need){"schema", table->schema, "USAGE"});
    append_need(out, (struct need){"table", table->quoted, "SELECT"});
    if (!as_self)
        return;
    append_need(out, (struct need){"owner", table->quoted, "ownership"});
    for (uint32_t i = 0; i < table->partition_count; i++)
        append_need(out, (struct need){"owner", table->partitions[i].quoted, "ownership"});
}

/* As rows of (kind, name, need). */
static void
append_needs(struct buffer *out, const struct reconcile_plan *plan, bool as_self)
{
    struct buffer outbox = {0};
    CHECK(plan->outbox_schema != NULL);
    sql_append_name(&outbox, plan->outbox_schema);
    buffer_append_text(&outbox, ".\"BitdexOps\"");
    append_need(out, (struct need){"schema", plan->outbox_schema, "USAGE"});
    append_need(out, (struct need){"table", buffer_string(&outbox), "INSERT"});
    append_need(out, (struct need){"sequence", buffer_string(&outbox), "USAGE"});
    if (as_self)
        append_need(out, (struct need){"schema", plan->outbox_schema, "CREATE"});
    for (uint32_t i = 0; i < plan->entry_count; i++) {
        const struct entry *entry = &plan->entries[i];
        append_table_needs(out, &entry->table, as_self);
        for (uint32_t j = 0; j < entry->link_count; j++)
            append_table_needs(out, &entry->links[j].table, as_self);
    }
    buffer_free(&outbox);
}

/* clang-format off */
/* Each role of `roles` and the first right that it lacks. Needs of our own objects are added to
 * those of the plan: a function calls row functions, and reads views, of another apply, whose role
 * may have been another one. $1: the prefix of our marks; as_self: "". */
static const char lacking_begin[] =
    "WITH own AS (SELECT oid, proowner AS owner, oid::regprocedure::text AS name, prorettype"
    "  FROM pg_proc WHERE $1 <> '' AND starts_with("
    "  pg_catalog.obj_description(oid, 'pg_proc'), $1)),"
    " view AS (SELECT oid, relowner AS owner, oid::regclass::text AS name FROM pg_class WHERE"
    "  $1 <> '' AND relkind = 'v' AND starts_with("
    "  pg_catalog.obj_description(oid, 'pg_class'), $1)),"
    " role AS (SELECT oid, rolname FROM pg_roles WHERE CASE WHEN $1 = '' THEN rolname ="
    "  current_user ELSE oid IN (SELECT owner FROM own UNION SELECT owner FROM view) END),"
    " need(kind, name, need) AS (VALUES ";
static const char lacking_end[] =
    ") SELECT rolname, need, kind, name FROM role, need WHERE NOT CASE kind"
    "  WHEN 'table' THEN has_table_privilege(role.oid, name, need)"
    "  WHEN 'schema' THEN has_schema_privilege(role.oid, name, need)"
    "  WHEN 'sequence' THEN has_sequence_privilege(role.oid, pg_get_serial_sequence(name, 'id'),"
    "   need)"
    "  ELSE (SELECT pg_has_role(role.oid, relowner, 'USAGE') FROM pg_class WHERE oid ="
    "   name::regclass::oid) END"
    " UNION ALL SELECT rolname, 'EXECUTE', 'function', own.name FROM role, own WHERE prorettype <>"
    "  'trigger'::regtype::oid AND role.oid IN (SELECT owner FROM own AS f WHERE f.prorettype ="
    "  'trigger'::regtype::oid) AND NOT has_function_privilege(role.oid, own.oid, 'EXECUTE')"
    " UNION ALL SELECT rolname, 'SELECT', 'view', view.name FROM role, view WHERE role.oid IN"
    "  (SELECT owner FROM own) AND NOT has_table_privilege(role.oid, view.oid, 'SELECT')"
    " LIMIT 1";
/* clang-format on */

static int
refuse_right(const struct pg_result *result, struct error *err)
{
    const char *role = pg_text(result, 0, 0);
    const char *need = pg_text(result, 0, 1);
    const char *kind = pg_text(result, 0, 2);
    const char *name = pg_text(result, 0, 3);
    if (strcmp(kind, "owner") == 0)
        return error_set(err, ERR_FATAL,
                         "role %s does not own table %s, and Postgres lets only the owner drop,"
                         " enable and comment on its triggers: run triggers apply and drop as the"
                         " owner of the tables, or as a member of that role",
                         role, name);
    bool is_sequence = strcmp(kind, "sequence") == 0;
    return error_set(err, ERR_FATAL,
                     "role %s, as which the trigger functions run, lacks %s on %s %s: GRANT it",
                     role, need, is_sequence ? "the sequence of" : kind, name);
}

int
reconcile_check_rights(struct pg *pg, const struct reconcile_plan *plan, bool as_self,
                       struct error *err)
{
    struct buffer sql = {0};
    struct buffer needs = {0};
    struct buffer mark = {0};
    struct pg_result *result;
    if (!as_self)
        mark_append_prefix(&mark, plan->outbox_schema);
    append_needs(&needs, plan, as_self);
    buffer_append_format(&sql, "%s%s%s", lacking_begin, buffer_string(&needs), lacking_end);
    const char *param = buffer_string(&mark);
    int rc = pg_query(pg, buffer_string(&sql), 1, &param, &result, err);
    buffer_free(&sql);
    buffer_free(&needs);
    buffer_free(&mark);
    if (rc != 0)
        return error_wrap(err, rc, "cannot read the rights of roles");
    CHECK(pg_rows(result) <= 1);
    if (pg_rows(result) > 0)
        rc = refuse_right(result, err);
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
