#include "producer/triggers/row_table.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/config/config_entry.h"
#include "producer/triggers/sql.h"

/* The tables so far, while they are collected. */
struct collection {
    const struct entry *entries;
    uint32_t entry_count;
    struct arena *arena;
    struct row_table *first;
};

static struct row_table *
find_table(struct collection *collection, const struct entry_table *table, const char *schema)
{
    struct row_table **at = &collection->first;
    CHECK(table->quoted != NULL);
    while (*at != NULL && strcmp((*at)->table->quoted, table->quoted) != 0)
        at = &(*at)->next;
    if (*at != NULL)
        return *at;
    *at = arena_alloc(collection->arena, sizeof **at);
    **at = (struct row_table){.table = table, .outbox_schema = schema};
    (*at)->columns =
        arena_alloc(collection->arena, (table->column_count + 1) * sizeof *(*at)->columns);
    (*at)->seen = arena_alloc(collection->arena, (table->column_count + 1) * sizeof *(*at)->seen);
    return *at;
}

static struct row_group *
find_group(struct collection *collection, struct row_table *table, const char *slot)
{
    uint32_t number = 1;
    struct row_group **at = &table->groups;
    CHECK(slot != NULL);
    for (; *at != NULL; at = &(*at)->next, number++)
        if (strcmp((*at)->slot, slot) == 0)
            return *at;
    *at = arena_alloc(collection->arena, sizeof **at);
    **at = (struct row_group){.slot = slot, .number = number};
    return *at;
}

/* Adds a column of the table to a list of them, once. */
static void
list_add(const struct entry_table_column **columns, uint32_t *count,
         const struct entry_table *table, const char *name)
{
    const struct entry_table_column *column = entry_table_find(table, text_of(name));
    CHECK(column != NULL); /* the catalogue has read it */
    for (uint32_t i = 0; i < *count; i++)
        if (columns[i] == column)
            return;
    CHECK(*count < table->column_count);
    columns[(*count)++] = column;
}

static void
add_column(struct row_table *table, const char *name)
{
    list_add(table->columns, &table->column_count, table->table, name);
    list_add(table->seen, &table->seen_count, table->table, name);
}

/* The columns by which a trigger finds the partition of a row, and the id of a parent's row. */
static void
add_places(struct row_table *table)
{
    for (uint32_t i = 0; i < table->table->partition_key_count; i++)
        list_add(table->seen, &table->seen_count, table->table, table->table->partition_keys[i]);
    if (table->parents != NULL && table->table->id_column != NULL)
        list_add(table->seen, &table->seen_count, table->table, table->table->id_column);
}

static void
add_entry_columns(struct row_table *table, const struct entry *entry)
{
    for (const struct entry_column *column = entry->columns; column != NULL; column = column->next)
        add_column(table, column->name);
}

static const char *
create_request(struct collection *collection, const struct entry *entry, uint32_t level)
{
    struct buffer text = {0};
    CHECK(entry->name != NULL);
    buffer_append_text(&text, "{\"op\": \"refresh\", \"entry\": \"");
    for (const char *at = entry->name; *at != '\0'; at++) {
        if ((unsigned char)*at < ' ') {
            buffer_append_format(&text, "\\u%04x", (unsigned)*at);
            continue;
        }
        buffer_append_text(&text, *at == '"' || *at == '\\' ? "\\" : "");
        buffer_append(&text, at, 1);
    }
    if (level > 0)
        config_entry_append_level(level, &text);
    buffer_append_text(&text, "\"");
    return sql_take(collection->arena, &text);
}

static struct row_role *
create_role(struct collection *collection, const struct entry *entry, enum row_role_kind kind,
            uint32_t level)
{
    struct row_role *role = arena_alloc(collection->arena, sizeof *role);
    CHECK(level <= entry->link_count);
    CHECK(level == 0 || kind == ROLE_PARENT);
    *role = (struct row_role){
        .kind = kind,
        .entry = entry,
        .level = level,
        .request = create_request(collection, entry, level),
        .whole = create_request(collection, entry, 0),
    };
    return role;
}

/* In the order of kinds, and among the same kind in that of the configuration. */
static void
add_role(struct row_role **roles, struct row_role *role)
{
    CHECK(role->next == NULL);
    while (*roles != NULL && (*roles)->kind <= role->kind)
        roles = &(*roles)->next;
    role->next = *roles;
    *roles = role;
}

const struct entry_table_column *
row_role_value(const struct row_role *role)
{
    struct text name;
    CHECK(role->kind == ROLE_JOIN);
    const char *expression = role->entry->values[0].expression;
    CHECK(sql_is_column(expression));
    CHECK(sql_next_placeholder(&expression, &name));
    return entry_table_find(&role->entry->table, name);
}

/* Only the one value of a unique pair can be looked for, by "=" of pg_catalog. */
static bool
join_is_proved(const struct row_role *role)
{
    const struct entry *entry = role->entry;
    return entry->value_is_unique && entry->value_count == 1 && row_role_value(role)->is_builtin;
}

static void
add_outliving(struct collection *collection, struct row_role *role)
{
    const struct entry *entry = role->entry;
    const char **requests =
        arena_alloc(collection->arena, (entry->outliving_count + 1) * sizeof *requests);
    for (uint32_t i = 0; i < entry->outliving_count; i++) {
        CHECK(entry->outliving[i] < collection->entry_count);
        requests[i] = create_request(collection, &collection->entries[entry->outliving[i]], 0);
    }
    role->outliving = requests;
    role->outliving_count = entry->outliving_count;
}

/* Of a direct entry or a join: a row describes its entity. */
static void
add_describing(struct collection *collection, const struct entry *entry)
{
    struct row_table *table = find_table(collection, &entry->table, entry->outbox_schema);
    struct row_group *group = find_group(collection, table, entry->trigger->slot_field);
    bool is_join = entry->trigger->kind == TRIGGER_JOIN;
    struct row_role *role = create_role(collection, entry, is_join ? ROLE_JOIN : ROLE_DIRECT, 0);
    role->is_proved = is_join ? join_is_proved(role) : entry->slot_is_immediate;
    add_outliving(collection, role);
    group->describes = true;
    table->describes = true;
    add_entry_columns(table, entry); /* the slot first */
    add_role(&group->roles, role);
}

static void
add_parent(struct collection *collection, const struct entry *entry, uint32_t level)
{
    bool is_own = level == 0;
    bool by_primary_key = entry->link_count == 0;
    CHECK(is_own || level < entry->link_count);
    if (by_primary_key && entry->key_column_count == 0)
        return;
    struct row_table *table = find_table(
        collection, is_own ? &entry->table : &entry->links[level - 1].table, entry->outbox_schema);
    struct row_role *role = create_role(collection, entry, ROLE_PARENT, level);
    role->keys = by_primary_key ? entry->key_columns : &entry->links[level].parent_key;
    role->key_count = by_primary_key ? entry->key_column_count : 1;
    for (uint32_t i = 0; i < role->key_count; i++)
        add_column(table, role->keys[i]);
    if (is_own) {
        add_entry_columns(table, entry);
    } else {
        role->foreign_key = entry->links[level - 1].link->foreign_key;
        add_column(table, role->foreign_key);
    }
    add_role(&table->parents, role);
}

static void
add_child(struct collection *collection, const struct entry *entry)
{
    const struct entry_link *last = &entry->links[entry->link_count - 1];
    struct row_table *table = find_table(collection, &last->table, entry->outbox_schema);
    struct row_group *group = find_group(collection, table, last->link->slot);
    struct row_role *role = create_role(collection, entry, ROLE_CHILD, 0);
    role->foreign_key = last->link->foreign_key;
    add_column(table, last->link->slot);
    add_column(table, role->foreign_key);
    add_role(&group->roles, role);
}

struct row_table *
row_table_create(const struct entry *entries, uint32_t entry_count, struct arena *arena)
{
    struct collection collection = {entries, entry_count, arena, NULL};
    CHECK(entries != NULL || entry_count == 0);
    for (uint32_t i = 0; i < entry_count; i++) {
        const struct entry *entry = &entries[i];
        enum config_trigger_kind kind = entry->trigger->kind;
        entry_check(entry);
        if (kind == TRIGGER_DIRECT || kind == TRIGGER_JOIN) {
            add_describing(&collection, entry);
            continue;
        }
        add_parent(&collection, entry, 0);
        for (uint32_t level = 1; level < entry->link_count; level++)
            add_parent(&collection, entry, level);
        if (entry->link_count > 0)
            add_child(&collection, entry);
    }
    for (struct row_table *table = collection.first; table != NULL; table = table->next)
        add_places(table);
    return collection.first;
}

const struct row_role *
row_group_deleter(const struct row_group *group)
{
    const struct row_role *role = group->roles;
    CHECK(role != NULL);
    while (role != NULL && !(role->kind == ROLE_DIRECT && role->is_proved &&
                             role->entry->trigger->on_delete == ON_DELETE_SLOT))
        role = role->next;
    return role;
}

/* Each entry once: it may be there with several roles. */
static void
append_entry(struct buffer *out, const struct row_role *role)
{
    char *text = memory_format("triggers[%u] (line %u)", role->entry->index,
                               role->entry->trigger->place.line);
    CHECK(role->entry->trigger != NULL);
    if (out->bytes == 0 || strstr(buffer_string(out), text) == NULL)
        buffer_append_format(out, "%s%s", out->bytes > 0 ? ", " : "", text);
    free(text);
}

const char *
row_table_describe(const struct row_table *table, const char *what, struct arena *arena)
{
    struct buffer text = {0};
    for (const struct row_group *group = table->groups; group != NULL; group = group->next)
        for (const struct row_role *role = group->roles; role != NULL; role = role->next)
            append_entry(&text, role);
    for (const struct row_role *role = table->parents; role != NULL; role = role->next)
        append_entry(&text, role);
    CHECK(text.bytes > 0);
    buffer_append_format(&text, ": %s", what);
    return sql_take(arena, &text);
}
