/* In the generated SQL, _row is a row of the entry's table, over which the values are expressions,
 * _child a row of its child table, and _link1, _link2 rows of the tables of the path between them:
 * the number is that of the level (config_entry.h).
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
    if (value->json_guard != NULL) {
        buffer_append_format(out, ", %s(" ROW ".*)", value->json_guard);
        return;
    }
    buffer_append_text(out, is_json ? ", pg_catalog.to_jsonb(" : ", ");
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

/* The name of the row of level `level`. */
static void
append_level(struct buffer *out, const struct entry *entry, uint32_t level)
{
    CHECK(level <= entry->link_count);
    if (level == 0)
        buffer_append_text(out, ROW);
    else if (level == entry->link_count)
        buffer_append_text(out, CHILD);
    else
        buffer_append_format(out, "_link%" PRIu32, level);
}

static void
append_level_column(struct buffer *out, const struct entry *entry, uint32_t level,
                    const char *column)
{
    append_level(out, entry, level);
    buffer_append_text(out, ".");
    sql_append_name(out, column);
}

static void
append_level_table(struct buffer *out, const struct entry *entry, uint32_t level)
{
    const struct entry_table *table = level == 0 ? &entry->table : &entry->links[level - 1].table;
    struct buffer row = {0};
    append_level(&row, entry, level);
    select_append_table(out, table, buffer_string(&row));
    buffer_free(&row);
}

/* ON with the condition that a row of `level` refers to one of the level before it. */
static void
append_link(struct buffer *out, const struct entry *entry, uint32_t level)
{
    const struct entry_link *link = &entry->links[level - 1];
    CHECK(level > 0 && link->parent_key != NULL);
    buffer_append_text(out, " ON ");
    append_level_column(out, entry, level - 1, link->parent_key);
    buffer_append_text(out, " = ");
    append_level_column(out, entry, level, link->link->foreign_key);
}

/* The tables, and the conditions that do not depend on the range. */
static void
append_from(struct buffer *out, const struct entry *entry)
{
    buffer_append_text(out, " FROM ");
    append_level_table(out, entry, entry->link_count);
    for (uint32_t level = entry->link_count; level > 0; level--) {
        buffer_append_text(out, " JOIN ");
        append_level_table(out, entry, level - 1);
        append_link(out, entry, level);
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

/* The parent with the greatest key; of several with that key, the values decide, since a change of
 * anything else is not reported. */
static void
append_parent_order(struct buffer *out, const struct entry *entry)
{
    CHECK(entry->link_count > 0);
    sql_append_column(out, ROW, entry_parent_key(entry));
    buffer_append_text(out, " DESC");
    for (uint32_t i = 0; !entry->links[0].key_is_unique && i < entry->value_count; i++) {
        buffer_append_text(out, ", (");
        row_sql_append_value(out, &entry->values[i], ROW);
        buffer_append_text(out, ")::text COLLATE \"C\" DESC");
    }
}

void
select_append_order(struct buffer *out, const struct entry *entry)
{
    if (!needs_distinct(entry))
        return;
    buffer_append_text(out, " ORDER BY ");
    select_append_slot(out, entry);
    buffer_append_text(out, ", ");
    if (entry->link_count > 0)
        append_parent_order(out, entry);
    else
        buffer_append_text(out, ROW ".tableoid DESC, " ROW ".ctid DESC");
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

/* The keys as an array, of the type of their column so that an index finds them. */
static void
append_key_array(struct buffer *out, const struct select_keys *keys, const char *type)
{
    struct buffer array = {0};
    CHECK(keys->count > 0);
    buffer_append_text(&array, "{");
    for (uint32_t i = 0; i < keys->count; i++)
        append_element(&array, keys->keys[i]);
    buffer_append_text(&array, "}");
    sql_append_literal(out, buffer_string(&array));
    buffer_append_format(out, "::%s[]", type);
    buffer_free(&array);
}

/* The column of _keys that has column `number` of a key. */
static void
append_key_name(struct buffer *out, const struct select_keys *keys, uint32_t number)
{
    CHECK(number < keys->column_count);
    if (keys->column_count == 1)
        buffer_append_text(out, "_key");
    else
        buffer_append_format(out, "_key%" PRIu32, number);
}

/* The keys, as rows of _keys: their columns and _number. */
static void
append_key_rows(struct buffer *out, const struct select_keys *keys)
{
    CHECK(keys->column_count > 0);
    if (keys->column_count == 1) {
        buffer_append_text(out, "pg_catalog.unnest(");
        append_key_array(out, keys, keys->types[0]);
        buffer_append_text(out, ") WITH ORDINALITY AS _keys(_key, _number)");
        return;
    }
    buffer_append_text(out, "(SELECT ");
    for (uint32_t i = 0; i < keys->column_count; i++) {
        buffer_append_format(out, "(_json ->> %" PRIu32 ")::%s AS ", i, keys->types[i]);
        append_key_name(out, keys, i);
        buffer_append_text(out, ", ");
    }
    buffer_append_text(out, "_number FROM pg_catalog.unnest(");
    append_key_array(out, keys, "jsonb");
    buffer_append_text(out, ") WITH ORDINALITY AS _texts(_json, _number)) AS _keys");
}

/* --- children --- */

/* FROM and WHERE of the rows of the path after `level` whose slot is at or above `begin`, up to the
 * comparison of the foreign key with keys of that level. */
static void
append_path(struct buffer *out, const struct entry *entry, uint32_t level, int64_t begin)
{
    CHECK(level < entry->link_count);
    buffer_append_text(out, " FROM ");
    append_level_table(out, entry, level + 1);
    for (uint32_t next = level + 2; next <= entry->link_count; next++) {
        buffer_append_text(out, " JOIN ");
        append_level_table(out, entry, next);
        append_link(out, entry, next);
    }
    buffer_append_text(out, " WHERE ");
    select_append_slot(out, entry);
    buffer_append_format(out, " >= %" PRId64 " AND ", begin);
    append_level_column(out, entry, level + 1, entry->links[level].link->foreign_key);
}

static void
append_comparison(struct buffer *out, const struct select_keys *keys, bool has_index)
{
    CHECK(keys->column_count == 1);
    buffer_append_text(out, has_index ? " = _key" : " = ANY (");
    if (has_index)
        return;
    append_key_array(out, keys, keys->types[0]);
    buffer_append_text(out, ")");
}

/* The first slots of one parent, or of all without an index. Through one table, an index has them
 * in their order. Along a path they have to be sorted: OFFSET 0 keeps the planner from following an
 * index on the slot instead, which it would do for the sake of the order, and read the whole table.
 */
static void
append_slots(struct buffer *out, const struct entry *entry, uint32_t level,
             const struct select_keys *keys, int64_t begin, bool has_index)
{
    bool is_path = level + 1 < entry->link_count;
    buffer_append_text(out, is_path ? "DISTINCT _slot FROM (SELECT " : "");
    select_append_slot(out, entry);
    buffer_append_text(out, " AS _slot");
    append_path(out, entry, level, begin);
    append_comparison(out, keys, has_index);
    buffer_append_text(out, is_path ? " OFFSET 0) AS _path ORDER BY _slot" : " ORDER BY ");
    if (!is_path)
        select_append_slot(out, entry);
}

void
select_append_children(struct buffer *out, const struct entry *entry, uint32_t level,
                       const struct select_keys *keys, int64_t begin, int64_t limit)
{
    CHECK(level < entry->link_count);
    CHECK(limit > 0);
    bool has_index = entry_level_has_index(entry, level);
    if (has_index) {
        buffer_append_text(out, "SELECT _number, _slot FROM ");
        append_key_rows(out, keys);
        buffer_append_text(out, " CROSS JOIN LATERAL (SELECT ");
    } else {
        buffer_append_text(out, "SELECT 1, _slot FROM (SELECT ");
    }
    append_slots(out, entry, level, keys, begin, has_index);
    buffer_append_format(out, " LIMIT %" PRId64 ") AS _slots", limit);
}

/* --- parents of a pass --- */

static bool
is_key_column(const struct select_keys *keys, struct text column)
{
    for (uint32_t i = 0; i < keys->column_count; i++)
        if (text_is(column, keys->columns[i]))
            return true;
    return false;
}

/* Calls for each column of the row that the query reads. False: there are no more. `*at` and
 * `*number` begin with 0. */
static bool
next_query_column(const struct entry *entry, const char **at, uint32_t *number, struct text *column)
{
    if (entry->trigger->query_source != NULL) {
        *at = *at != NULL ? *at : entry->trigger->query_source;
        return sql_next_placeholder(at, column);
    }
    if (*number == entry->placeholder_count)
        return false;
    *column = text_of(entry->placeholders[(*number)++].name);
    return true;
}

bool
select_query_is_key(const struct entry *entry, const struct select_keys *keys)
{
    const char *at = NULL;
    uint32_t number = 0;
    uint32_t count = 0;
    struct text column;
    CHECK(select_is_pass(entry));
    for (; next_query_column(entry, &at, &number, &column); count++)
        if (!is_key_column(keys, column))
            return false;
    return count > 0;
}

/* Does the query read that column? */
static bool
query_has(const struct entry *entry, const char *name)
{
    const char *at = NULL;
    uint32_t number = 0;
    struct text column;
    while (next_query_column(entry, &at, &number, &column))
        if (text_is(column, name))
            return true;
    return false;
}

/* The parents with a key; if some columns of the key make the query, all parents with the same
 * query, of which the last one counts, as in a pass. */
static void
append_key_conditions(struct buffer *out, const struct entry *entry, const struct select_keys *keys)
{
    bool is_key = select_query_is_key(entry, keys);
    const char *and = "";
    for (uint32_t i = 0; i < keys->column_count; i++) {
        if (is_key && !query_has(entry, keys->columns[i]))
            continue;
        buffer_append_text(out, and);
        sql_append_column(out, ROW, keys->columns[i]);
        buffer_append_text(out, " = ");
        append_key_name(out, keys, i);
        and = " AND ";
    }
    CHECK(*and != '\0');
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
    append_key_conditions(out, entry, keys);
    buffer_append_text(out, " WHERE true");
    row_sql_append_filter(out, entry, ROW);
    buffer_append_text(out, " ORDER BY _number");
    if (entry->key_column_count == 0)
        return;
    buffer_append_text(out, ", ");
    append_keys(out, entry, "");
}

void
select_append_gone(struct buffer *out, const struct entry *entry, const uint32_t *values,
                   uint32_t value_count, const struct select_keys *keys)
{
    CHECK(select_query_is_key(entry, keys));
    CHECK(values != NULL || value_count == 0);
    buffer_append_text(out, "SELECT _number::text, ");
    row_sql_append_query(out, entry, ROW);
    for (uint32_t i = 0; i < value_count; i++)
        buffer_append_text(out, ", NULL");
    buffer_append_text(out, " FROM (SELECT _number");
    for (uint32_t i = 0; i < keys->column_count; i++) {
        buffer_append_text(out, ", ");
        append_key_name(out, keys, i);
        buffer_append_text(out, " AS ");
        sql_append_name(out, keys->columns[i]);
    }
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
