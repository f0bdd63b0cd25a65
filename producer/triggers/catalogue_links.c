#include "producer/triggers/catalogue_links.h"

#include <stdio.h>

#include "common/base/check.h"
#include "common/config/config.h"
#include "producer/triggers/catalogue_columns.h"
#include "producer/triggers/catalogue_table.h"
#include "producer/triggers/catalogue_value.h"
#include "producer/triggers/sql.h"

enum { SETTING_BYTES = 32 };

/* The setting of link `number`: "rows_from", or "children[1]" in a path of several. */
static void
name_setting(const struct entry *entry, uint32_t number, char out[SETTING_BYTES])
{
    CHECK(number < entry->link_count);
    const char *name = entry->trigger->kind == TRIGGER_FAN_OUT ? "children" : "rows_from";
    if (entry->link_count == 1)
        snprintf(out, SETTING_BYTES, "%s", name);
    else
        snprintf(out, SETTING_BYTES, "%s[%u]", name, number);
}

int
catalogue_links_find(struct pg *pg, struct arena *arena, struct entry *entry, struct error *err)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < entry->link_count; i++) {
        const struct config_link *link = entry->links[i].link;
        char setting[SETTING_BYTES];
        name_setting(entry, i, setting);
        CHECK(link->table != NULL);
        rc = catalogue_table_read(pg, arena, entry, link->place, setting, link->table,
                                  &entry->links[i].table, err);
        if (rc == 0)
            rc = catalogue_columns_read(pg, arena, &entry->links[i].table, err);
    }
    return rc;
}

/* The table that link `number` refers to, and its name in the configuration. */
static const struct entry_table *
parent_of(const struct entry *entry, uint32_t number, const char **name)
{
    CHECK(number < entry->link_count);
    *name = number == 0 ? entry->trigger->table : entry->links[number - 1].link->table;
    return number == 0 ? &entry->table : &entry->links[number - 1].table;
}

/* The configured column that a link refers to; NULL: the catalogue says it. */
static const char *
configured_key(const struct entry *entry, uint32_t number)
{
    CHECK(number < entry->link_count);
    return number == 0 ? entry->links[0].link->parent_key : entry->links[number - 1].link->key;
}

/* The column that a foreign key of the link's column refers to, else the primary key. */
static int
read_parent_key(struct pg *pg, struct arena *arena, struct entry *entry, uint32_t number,
                struct error *err)
{
    struct entry_link *link = &entry->links[number];
    const char *name;
    const struct entry_table *parent = parent_of(entry, number, &name);
    CHECK(link->table.quoted != NULL);
    link->parent_key = configured_key(entry, number);
    if (link->parent_key != NULL)
        return 0;
    const char *const params[] = {parent->quoted, link->table.quoted, link->link->foreign_key};
    int rc = catalogue_name_read(
        pg, arena,
        "SELECT attname FROM (SELECT confkey AS key, 1 AS choice FROM pg_constraint JOIN"
        " pg_attribute ON attrelid = conrelid AND attname = $3 WHERE contype = 'f' AND confrelid ="
        " $1::regclass::oid AND conrelid = $2::regclass::oid AND conkey OPERATOR(pg_catalog.=) "
        "ARRAY[attnum] UNION ALL SELECT"
        " conkey, 2 FROM pg_constraint WHERE contype = 'p' AND conrelid = $1::regclass::oid AND"
        " pg_catalog.cardinality(conkey) = 1 ORDER BY choice LIMIT 1) AS keys JOIN pg_attribute ON "
        "attrelid ="
        " $1::regclass::oid AND attnum = key[1]",
        3, params, &link->parent_key, err);
    if (rc == 0 && link->parent_key == NULL)
        rc = entry_refuse(entry, entry->trigger->place, "table", err,
                          "table %s has no primary key of one column that child rows could refer"
                          " to: name the column with `%s`",
                          name, number == 0 ? "parent_key" : "key");
    return rc;
}

/* Checks that "=" compares the link's column with the key that it refers to. */
static int
read_comparison(struct pg *pg, const struct entry *entry, uint32_t number, const char *setting,
                struct error *err)
{
    const struct entry_link *link = &entry->links[number];
    struct catalogue_type type;
    struct buffer sql = {0};
    const char *name;
    CHECK(link->parent_key != NULL);
    buffer_append_text(&sql, "SELECT ");
    sql_append_column(&sql, "_child", link->link->foreign_key);
    buffer_append_text(&sql, " = ");
    sql_append_column(&sql, "_parent", link->parent_key);
    buffer_append_format(&sql, " FROM %s AS _child, %s AS _parent LIMIT 0", link->table.quoted,
                         parent_of(entry, number, &name)->quoted);
    int rc = catalogue_statement_read(pg, entry, link->link->place, setting, buffer_string(&sql),
                                      &type, err);
    buffer_free(&sql);
    return rc;
}

static int
read_link(struct pg *pg, struct arena *arena, struct entry *entry, uint32_t number,
          struct error *err)
{
    struct entry_link *link = &entry->links[number];
    char setting[SETTING_BYTES];
    bool is_unique;
    name_setting(entry, number, setting);
    int rc = catalogue_indexes_read(pg, &link->table, link->link->foreign_key, &link->has_index,
                                    &is_unique, err);
    if (rc == 0)
        rc = read_parent_key(pg, arena, entry, number, err);
    if (rc == 0)
        rc = read_comparison(pg, entry, number, setting, err);
    const char *name;
    if (rc == 0)
        rc = catalogue_indexes_read(pg, parent_of(entry, number, &name), link->parent_key,
                                    &link->key_has_index, &link->key_is_unique, err);
    entry->slot_is_unique = entry->slot_is_unique && link->key_is_unique;
    return rc;
}

static int
read_slot(struct pg *pg, struct entry *entry, struct error *err)
{
    const struct config_link *child = entry_child(entry);
    const struct entry_table *table = entry_child_table(entry);
    char setting[SETTING_BYTES];
    CHECK(child != NULL);
    name_setting(entry, entry->link_count - 1, setting);
    int rc = catalogue_slot_read(pg, entry, table, child->place, setting, child->slot, err);
    if (rc != 0)
        return rc;
    return catalogue_indexes_read(pg, table, child->slot, &entry->slot_has_index,
                                  &entry->slot_is_unique, err);
}

int
catalogue_links_read(struct pg *pg, struct arena *arena, struct entry *entry, struct error *err)
{
    int rc = entry->link_count > 0 ? read_slot(pg, entry, err) : 0;
    for (uint32_t i = 0; rc == 0 && i < entry->link_count; i++)
        rc = read_link(pg, arena, entry, i, err);
    return rc;
}
