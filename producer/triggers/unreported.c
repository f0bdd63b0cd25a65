#include "producer/triggers/unreported.h"

#include <string.h>

#include "common/base/check.h"
#include "common/config/config.h"
#include "producer/triggers/sql.h"

/* Of the tables of an entry, those with the configured name `relation`. */
static void
add_entry(const struct entry *entry, const char *relation, const char **names, uint32_t *count)
{
    if (strcmp(entry->trigger->table, relation) == 0)
        names[(*count)++] = entry->table.quoted;
    for (uint32_t i = 0; i < entry->link_count; i++)
        if (strcmp(entry->links[i].link->table, relation) == 0)
            names[(*count)++] = entry->links[i].table.quoted;
}

static int
read_relations(struct pg *pg, const char *kept, const struct entry *entries, uint32_t entry_count,
               struct arena *arena, struct unreported_tables *tables, struct error *err)
{
    struct pg_result *result;
    struct buffer sql = {0};
    buffer_append_format(&sql, "SELECT DISTINCT relation FROM %s", kept);
    int rc = pg_query(pg, buffer_string(&sql), 0, NULL, &result, err);
    buffer_free(&sql);
    if (rc != 0)
        return rc;
    uint32_t capacity = 0;
    for (uint32_t i = 0; i < entry_count; i++)
        capacity += 1 + entries[i].link_count;
    capacity *= (uint32_t)pg_rows(result) + 1;
    const char **names = arena_alloc(arena, (capacity + 1) * sizeof *names);
    for (int row = 0; row < pg_rows(result); row++)
        for (uint32_t i = 0; i < entry_count; i++)
            add_entry(&entries[i], pg_text(result, row, 0), names, &tables->count);
    CHECK(tables->count <= capacity);
    tables->names = names;
    pg_result_clear(result);
    return 0;
}

int
unreported_tables_read(struct pg *pg, const char *outbox_schema, const struct entry *entries,
                       uint32_t entry_count, struct arena *arena, struct unreported_tables *tables,
                       struct error *err)
{
    struct pg_result *result;
    struct buffer name = {0};
    *tables = (struct unreported_tables){0};
    sql_append_name(&name, outbox_schema);
    buffer_append_text(&name, ".bitdex_sources");
    const char *kept = sql_take(arena, &name);
    int rc = pg_query(pg,
                      "SELECT coalesce(pg_catalog.has_table_privilege("
                      "pg_catalog.to_regclass($1)::pg_catalog.oid, 'SELECT'), false)",
                      1, &kept, &result, err);
    if (rc != 0)
        return error_wrap(err, rc, "cannot look for %s", kept);
    bool may_read = pg_boolean(result, 0, 0);
    pg_result_clear(result);
    if (may_read)
        rc = read_relations(pg, kept, entries, entry_count, arena, tables, err);
    return rc == 0 ? 0 : error_wrap(err, rc, "cannot read %s", kept);
}

static bool
has_table(const struct unreported_tables *tables, const char *name)
{
    for (uint32_t i = 0; i < tables->count; i++)
        if (strcmp(tables->names[i], name) == 0)
            return true;
    return false;
}

/* Does a trigger in place, of this definition or another, fire for all events of the object? */
static bool
is_reported(const struct in_place *in_place, const struct trigger_object *object)
{
    int events = 0;
    for (uint32_t i = 0; i < in_place->count; i++)
        if (in_place->objects[i].kind == OBJECT_TRIGGER &&
            strcmp(in_place->objects[i].on, object->on) == 0)
            events |= in_place->objects[i].events;
    return (object->events & ~events) == 0;
}

bool
unreported_begins(const struct unreported_tables *tables, const struct trigger_objects *objects,
                  const struct in_place *in_place, const struct trigger_object *object)
{
    if (object->whole == NULL || is_reported(in_place, object) || !has_table(tables, object->table))
        return false;
    for (const struct trigger_object *other = objects->first; other != object; other = other->next)
        if (other->whole != NULL && strcmp(other->table, object->table) == 0 &&
            !is_reported(in_place, other))
            return false;
    return true;
}
