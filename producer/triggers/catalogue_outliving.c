#include "producer/triggers/catalogue_outliving.h"

#include <string.h>

#include "common/base/check.h"
#include "common/config/config.h"

/* The table and the column that have the slots of an entry; NULL: only a query knows them. */
static const struct entry_table *
slots_of(const struct entry *entry, const char **column)
{
    const struct config_link *child = entry_child(entry);
    bool is_own = entry->trigger->kind == TRIGGER_DIRECT || entry->trigger->kind == TRIGGER_JOIN;
    *column = child != NULL ? child->slot : is_own ? entry->trigger->slot_field : NULL;
    if (*column == NULL)
        return NULL;
    return child != NULL ? entry_child_table(entry) : &entry->table;
}

/* Does a foreign key keep the rows with the slots of `other` from outliving those of `direct`? */
static int
read_foreign_key(struct pg *pg, const struct entry *direct, const struct entry_table *table,
                 const char *column, bool *has_key, struct error *err)
{
    struct pg_result *result;
    const char *const params[] = {table->quoted, column, direct->table.quoted,
                                  direct->trigger->slot_field};
    CHECK(direct->trigger->kind == TRIGGER_DIRECT);
    int rc = pg_query(
        pg,
        "SELECT EXISTS (SELECT FROM pg_constraint JOIN pg_attribute AS own ON"
        " own.attrelid = conrelid AND own.attnum = conkey[1] JOIN pg_attribute AS"
        " other ON other.attrelid = confrelid AND other.attnum = confkey[1] WHERE"
        " contype = 'f' AND conrelid = $1::regclass::oid AND pg_catalog.cardinality(conkey) = 1 AND"
        " own.attname = $2 AND confrelid = $3::regclass::oid AND other.attname = $4 AND"
        " convalidated AND NOT condeferrable)",
        4, params, &result, err);
    if (rc != 0)
        return rc;
    CHECK(pg_rows(result) == 1);
    *has_key = pg_boolean(result, 0, 0);
    pg_result_clear(result);
    return 0;
}

static int
read_direct(struct pg *pg, struct entry *direct, const struct entry *entries, uint32_t count,
            uint32_t *outliving, struct error *err)
{
    int rc = 0;
    CHECK(direct->outliving_count == 0);
    direct->outliving = outliving;
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        const char *column;
        bool has_key = false;
        const struct entry_table *table = slots_of(&entries[i], &column);
        if (table == NULL)
            continue;
        bool is_entity = strcmp(table->quoted, direct->table.quoted) == 0 &&
                         strcmp(column, direct->trigger->slot_field) == 0;
        if (!is_entity)
            rc = read_foreign_key(pg, direct, table, column, &has_key, err);
        if (rc == 0 && !is_entity && !has_key)
            outliving[direct->outliving_count++] = i;
    }
    return rc;
}

int
catalogue_outliving_read(struct pg *pg, struct arena *arena, struct entry *entries, uint32_t count,
                         struct error *err)
{
    int rc = 0;
    CHECK(entries != NULL || count == 0);
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        uint32_t *outliving = arena_alloc(arena, (count + 1) * sizeof *outliving);
        if (entries[i].trigger->kind == TRIGGER_DIRECT &&
            entries[i].trigger->on_delete == ON_DELETE_SLOT)
            rc = read_direct(pg, &entries[i], entries, count, outliving, err);
    }
    return rc != 0 ? error_wrap(err, rc, "cannot read the foreign keys of configured tables") : 0;
}
