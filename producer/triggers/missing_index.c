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
    if (entry->child != NULL)
        return append_index(sql, &entry->child_table, entry->child->slot, NULL);
    return append_index(sql, &entry->table, entry->trigger->slot_field, NULL);
}

bool
missing_index_of_parent(const struct entry *entry, struct buffer *sql)
{
    entry_check(entry);
    if (entry->child == NULL || entry->parent_has_index)
        return false;
    return append_index(sql, &entry->child_table, entry->child->foreign_key, entry->child->slot);
}
