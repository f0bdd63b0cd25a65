/* In the generated SQL, _row is a row of the entry's table, over which the values are expressions,
 * and _child a row of its child table.
 */
#include "producer/triggers/select.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/check.h"
#include "common/config/config.h"
#include "producer/triggers/row_sql.h"
#include "producer/triggers/sql.h"

#define ROW "_row"
#define CHILD "_child"

bool
select_is_pass(const struct entry *entry)
{
    return entry->trigger->kind == TRIGGER_FAN_OUT && entry_child(entry) == NULL;
}

/* The row that has the slot, and the name of its column. */
static const char *
slot_row(const struct entry *entry)
{
    return entry_child(entry) != NULL ? CHILD : ROW;
}

static const char *
slot_column(const struct entry *entry)
{
    CHECK(!select_is_pass(entry));
    return entry_child(entry) != NULL ? entry_child(entry)->slot : entry->trigger->slot_field;
}

void
select_append_slot(struct buffer *out, const struct entry *entry)
{
    sql_append_column(out, slot_row(entry), slot_column(entry));
}

void
select_append_table(struct buffer *out, const struct entry_table *table, const char *row)
{
    CHECK(table->quoted != NULL);
    buffer_append_format(out, "%s%s AS %s", table->is_partitioned ? "" : "ONLY ", table->quoted,
                         row);
}

void
select_append_value(struct buffer *out, const struct entry_value *value)
{
    bool is_json = value->wire == WIRE_JSON;
    CHECK(value->wire <= WIRE_JSON);
    buffer_append_text(out, is_json ? ", to_jsonb(" : ", ");
    row_sql_append_value(out, value, ROW);
    buffer_append_text(out, is_json ? ")::text" : "");
}

static void
append_values(struct buffer *out, const struct entry *entry, const uint32_t *values, uint32_t count)
{
    CHECK(values != NULL || count == 0);
    for (uint32_t i = 0; i < count; i++) {
        CHECK(values[i] < entry->value_count);
        select_append_value(out, &entry->values[values[i]]);
    }
}

/* The tables, and the conditions that do not depend on the range. */
static void
append_from(struct buffer *out, const struct entry *entry)
{
    buffer_append_text(out, " FROM ");
    if (entry_child(entry) != NULL) {
        CHECK(entry_parent_key(entry) != NULL);
        select_append_table(out, entry_child_table(entry), CHILD);
        buffer_append_text(out, " JOIN ");
    }
    select_append_table(out, &entry->table, ROW);
    if (entry_child(entry) != NULL) {
        buffer_append_text(out, " ON ");
        sql_append_column(out, ROW, entry_parent_key(entry));
        buffer_append_text(out, " = ");
        sql_append_column(out, CHILD, entry_child(entry)->foreign_key);
    }
    buffer_append_text(out, " WHERE ");
    select_append_slot(out, entry);
    buffer_append_text(out, " IS NOT NULL");
    row_sql_append_filter(out, entry, ROW);
}

static void
append_ids(struct buffer *out, const char *row, const char *column,
           const struct select_range *range)
{
    buffer_append_text(out, " AND ");
    sql_append_column(out, row, column);
    buffer_append_text(out, " = ANY ('{");
    for (uint32_t i = 0; i < range->id_count; i++)
        buffer_append_format(out, "%s%" PRId64, i > 0 ? "," : "", range->ids[i]);
    buffer_append_text(out, "}'::bigint[])");
}

/* The bounds are literals, so that the planner sees how many rows there are. */
void
select_append_bounds(struct buffer *out, const char *row, const char *column,
                     const struct select_range *range)
{
    CHECK(range->ids != NULL || range->id_count == 0);
    if (range->ids != NULL)
        append_ids(out, row, column, range);
    if (range->has_begin) {
        buffer_append_text(out, " AND ");
        sql_append_column(out, row, column);
        buffer_append_format(out, " >= %" PRId64, range->begin);
    }
    if (range->has_end) {
        buffer_append_text(out, " AND ");
        sql_append_column(out, row, column);
        buffer_append_format(out, " < %" PRId64, range->end);
    }
}

/* An entity has one row, except of a join. Where a direct table may have several, the one that was
 * probably written last is as good as any other. */
static bool
needs_distinct(const struct entry *entry)
{
    return entry->trigger->kind != TRIGGER_JOIN && !entry->slot_is_unique;
}

void
select_append_choice(struct buffer *out, const struct entry *entry)
{
    if (!needs_distinct(entry))
        return;
    buffer_append_text(out, "DISTINCT ON (");
    select_append_slot(out, entry);
    buffer_append_text(out, ") ");
}

void
select_append_order(struct buffer *out, const struct entry *entry)
{
    if (!needs_distinct(entry))
        return;
    buffer_append_text(out, " ORDER BY ");
    select_append_slot(out, entry);
    buffer_append_text(out, ", ");
    if (entry_child(entry) != NULL)
        sql_append_column(out, ROW, entry_parent_key(entry));
    else
        buffer_append_text(out, ROW ".tableoid DESC, " ROW ".ctid");
    buffer_append_text(out, " DESC");
}

void
select_append_rows(struct buffer *out, const struct entry *entry, const struct select_range *range)
{
    CHECK(!select_is_pass(entry));
    CHECK(!range->has_begin || !range->has_end || range->begin < range->end);
    append_from(out, entry);
    select_append_bounds(out, slot_row(entry), slot_column(entry), range);
}

void
select_append_range(struct buffer *out, const struct entry *entry, const uint32_t *values,
                    uint32_t value_count, const struct select_range *range)
{
    buffer_append_text(out, "SELECT ");
    select_append_choice(out, entry);
    select_append_slot(out, entry);
    append_values(out, entry, values, value_count);
    select_append_rows(out, entry, range);
    select_append_order(out, entry);
}

void
select_append_next_slot(struct buffer *out, const struct entry *entry, int64_t begin)
{
    const struct entry_table *table =
        entry_child(entry) != NULL ? entry_child_table(entry) : &entry->table;
    buffer_append_text(out, "SELECT min(");
    select_append_slot(out, entry);
    buffer_append_text(out, ") FROM ");
    select_append_table(out, table, slot_row(entry));
    buffer_append_text(out, " WHERE ");
    select_append_slot(out, entry);
    buffer_append_format(out, " >= %" PRId64, begin);
}

static void
append_keys(struct buffer *out, const struct entry *entry, const char *suffix)
{
    CHECK(entry->key_column_count > 0);
    for (uint32_t i = 0; i < entry->key_column_count; i++) {
        buffer_append_text(out, i > 0 ? ", " : "");
        sql_append_column(out, ROW, entry->key_columns[i]);
        buffer_append_text(out, suffix);
    }
}

/* A literal without a type takes that of the column. */
static void
append_after(struct buffer *out, const struct entry *entry, const char *const *after)
{
    buffer_append_text(out, " AND (");
    append_keys(out, entry, "");
    buffer_append_text(out, ") > (");
    for (uint32_t i = 0; i < entry->key_column_count; i++) {
        buffer_append_text(out, i > 0 ? ", " : "");
        sql_append_literal(out, after[i]);
    }
    buffer_append_text(out, ")");
}

static void
append_parents(struct buffer *out, const struct entry *entry)
{
    buffer_append_text(out, " FROM ");
    select_append_table(out, &entry->table, ROW);
    buffer_append_text(out, " WHERE true");
    row_sql_append_filter(out, entry, ROW);
}

void
select_append_pass(struct buffer *out, const struct entry *entry, const uint32_t *values,
                   uint32_t value_count, const char *const *after, int64_t limit)
{
    CHECK(select_is_pass(entry));
    CHECK(limit > 0);
    buffer_append_text(out, "SELECT ");
    append_keys(out, entry, "::text");
    buffer_append_text(out, ", ");
    row_sql_append_query(out, entry, ROW);
    append_values(out, entry, values, value_count);
    append_parents(out, entry);
    if (after != NULL)
        append_after(out, entry, after);
    buffer_append_text(out, " ORDER BY ");
    append_keys(out, entry, "");
    buffer_append_format(out, " LIMIT %" PRId64, limit);
}

/* --- parents by key --- */

static void
append_element(struct buffer *array, struct text key)
{
    buffer_append_text(array, array->bytes > 1 ? ",\"" : "\"");
    for (size_t i = 0; i < key.bytes; i++) {
        if (key.data[i] == '"' || key.data[i] == '\\')
            buffer_append_text(array, "\\");
        buffer_append(array, &key.data[i], 1);
    }
    buffer_append_text(array, "\"");
}

/* The keys as an array of the type of their column, so that an index finds them. */
static void
append_key_array(struct buffer *out, const struct select_keys *keys)
{
    struct buffer array = {0};
    CHECK(keys->count > 0);
    buffer_append_text(&array, "{");
    for (uint32_t i = 0; i < keys->count; i++)
        append_element(&array, keys->keys[i]);
    buffer_append_text(&array, "}");
    sql_append_literal(out, buffer_string(&array));
    buffer_append_format(out, "::%s[]", keys->type);
    buffer_free(&array);
}

static void
append_key_rows(struct buffer *out, const struct select_keys *keys)
{
    buffer_append_text(out, "unnest(");
    append_key_array(out, keys);
    buffer_append_text(out, ") WITH ORDINALITY AS _keys(_key, _number)");
}

/* The child rows from a slot on, up to the comparison of their foreign key. */
static void
append_child_rows(struct buffer *out, const struct entry *entry, int64_t begin)
{
    buffer_append_text(out, "_child.");
    sql_append_name(out, entry_child(entry)->slot);
    buffer_append_text(out, " AS _slot FROM ");
    select_append_table(out, entry_child_table(entry), CHILD);
    buffer_append_text(out, " WHERE ");
    select_append_slot(out, entry);
    buffer_append_format(out, " >= %" PRId64 " AND ", begin);
    sql_append_column(out, CHILD, entry_child(entry)->foreign_key);
}

void
select_append_children(struct buffer *out, const struct entry *entry,
                       const struct select_keys *keys, int64_t begin, int64_t limit)
{
    CHECK(entry_child(entry) != NULL);
    CHECK(limit > 0);
    bool has_index = entry_parent_has_index(entry);
    buffer_append_text(out, has_index ? "SELECT _number, _slot FROM " : "SELECT 1, ");
    if (has_index) {
        append_key_rows(out, keys);
        buffer_append_text(out, " CROSS JOIN LATERAL (SELECT ");
    }
    append_child_rows(out, entry, begin);
    buffer_append_text(out, has_index ? " = _key" : " = ANY (");
    if (!has_index) {
        append_key_array(out, keys);
        buffer_append_text(out, ")");
    }
    buffer_append_text(out, " ORDER BY ");
    select_append_slot(out, entry);
    buffer_append_format(out, " LIMIT %" PRId64 "%s", limit, has_index ? ") AS _slots" : "");
}

void
select_append_parents(struct buffer *out, const struct entry *entry, const uint32_t *values,
                      uint32_t value_count, const struct select_keys *keys)
{
    CHECK(select_is_pass(entry));
    buffer_append_text(out, "SELECT _number::text, ");
    row_sql_append_query(out, entry, ROW);
    append_values(out, entry, values, value_count);
    buffer_append_text(out, " FROM ");
    append_key_rows(out, keys);
    buffer_append_text(out, " JOIN ");
    select_append_table(out, &entry->table, ROW);
    buffer_append_text(out, " ON ");
    sql_append_column(out, ROW, keys->column);
    buffer_append_text(out, " = _key WHERE true");
    row_sql_append_filter(out, entry, ROW);
    buffer_append_text(out, " ORDER BY _number");
    if (entry->key_column_count == 0)
        return;
    buffer_append_text(out, ", ");
    append_keys(out, entry, "");
}

bool
select_query_is_key(const struct entry *entry, const char *column)
{
    const struct entry_placeholder *only = entry->placeholders;
    return select_is_pass(entry) && entry->trigger->query_source == NULL &&
           entry->placeholder_count == 1 && only->context == CONTEXT_VALUE &&
           *entry->query_end == '\0' && strcmp(only->name, column) == 0;
}

void
select_append_gone(struct buffer *out, const struct entry *entry, const uint32_t *values,
                   uint32_t value_count, const struct select_keys *keys)
{
    CHECK(select_query_is_key(entry, keys->column));
    CHECK(values != NULL || value_count == 0);
    buffer_append_text(out, "SELECT _number::text, ");
    row_sql_append_query(out, entry, ROW);
    for (uint32_t i = 0; i < value_count; i++)
        buffer_append_text(out, ", NULL");
    buffer_append_text(out, " FROM (SELECT _number, _key AS ");
    sql_append_name(out, keys->column);
    buffer_append_text(out, " FROM ");
    append_key_rows(out, keys);
    buffer_append_text(out, ") AS " ROW);
}

void
select_append_definition(struct buffer *out, const struct entry *entry)
{
    bool is_pass = select_is_pass(entry);
    buffer_append_text(out, "SELECT ");
    if (is_pass)
        row_sql_append_query(out, entry, ROW);
    else
        select_append_slot(out, entry);
    if (entry->trigger->kind == TRIGGER_DIRECT && entry->trigger->sets_alive)
        buffer_append_text(out, ", true AS alive");
    for (uint32_t i = 0; i < entry->value_count; i++) {
        select_append_value(out, &entry->values[i]);
        buffer_append_text(out, " AS ");
        sql_append_name(out, entry->values[i].target);
    }
    if (is_pass)
        append_parents(out, entry);
    else
        append_from(out, entry);
}
