#include "producer/triggers/missing_index.h"

#include "common/base/check.h"
#include "producer/triggers/select.h"
#include "producer/triggers/sql.h"

/* Without `second` (NULL) the index has one column. */
static bool
append_index(struct buffer *sql, const struct entry_table *table, const char *column,
             const char *second)
{
    CHECK(table->quoted != NULL);
    CHECK(column != NULL);
    /* Postgres builds an index of a partitioned table only while writers wait. */
    buffer_append_format(sql, "CREATE INDEX %sON %s (",
                         table->is_partitioned ? "" : "CONCURRENTLY ", table->quoted);
    sql_append_name(sql, column);
    if (second != NULL) {
        buffer_append_text(sql, ", ");
        sql_append_name(sql, second);
    }
    buffer_append_text(sql, ")");
    return true;
}

bool
missing_index_of_slot(const struct entry *entry, struct buffer *sql)
{
    entry_check(entry);
    if (entry->slot_has_index || select_is_pass(entry))
        return false;
    if (entry_child(entry) != NULL)
        return append_index(sql, entry_child_table(entry), entry_child(entry)->slot, NULL);
    return append_index(sql, &entry->table, entry->trigger->slot_field, NULL);
}

bool
missing_index_of_key(const struct entry *entry, struct buffer *sql)
{
    bool is_missing = false;
    entry_check(entry);
    for (uint32_t i = 0; i < entry->link_count; i++) {
        if (entry->links[i].key_has_index)
            continue;
        const struct entry_table *table = i == 0 ? &entry->table : &entry->links[i - 1].table;
        buffer_append_text(sql, is_missing ? "; " : "");
        is_missing = append_index(sql, table, entry->links[i].parent_key, NULL);
    }
    return is_missing;
}

bool
missing_index_of_parent(const struct entry *entry, struct buffer *sql)
{
    bool is_missing = false;
    entry_check(entry);
    for (uint32_t i = 0; i < entry->link_count; i++) {
        const struct entry_link *link = &entry->links[i];
        if (link->has_index)
            continue;
        bool is_last = i + 1 == entry->link_count;
        buffer_append_text(sql, is_missing ? "; " : "");
        is_missing = append_index(sql, &link->table, link->link->foreign_key,
                                  is_last ? link->link->slot : entry->links[i + 1].parent_key);
    }
    return is_missing;
}
