/* In the generated SQL, _rows has a row for each entity, or for each value of a join: _id, and the
 * values _v0, _v1, ... as they are in the database. The conversion to what the field holds is
 * around them. OFFSET 0 keeps the planner from computing an expensive value once for the count and
 * once for the sum.
 */
#include "producer/triggers/sum_select.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/ops/ops_json.h"
#include "producer/triggers/row_sql.h"
#include "producer/triggers/sql.h"

enum { NAME_BYTES = 16 };

static const struct entry_value *
value_of(const struct sum_value *value)
{
    CHECK(value->index < value->entry->value_count);
    return &value->entry->values[value->index];
}

bool
sum_value_is_single(const struct sum_value *value, enum config_field_type type)
{
    const struct entry *entry = value->entry;
    if (type == FIELD_MULTI_VALUE && value_of(value)->wire == WIRE_JSON)
        return false;
    return entry->trigger->kind != TRIGGER_JOIN || entry->slot_is_unique ||
           (entry->value_is_unique && value->index == 0);
}

/* --- what a field holds of a value ----------------------------------------------------------- */

/* The value as the database has it: of the type that the field takes, or jsonb. A cast to text
 * would remove the blanks of a char(n), which its output has. */
static void
append_raw(struct buffer *out, const struct entry_value *value)
{
    bool is_text = value->wire == WIRE_TEXT;
    bool is_time = value->form == FORM_SECONDS;
    if (is_time)
        buffer_append_text(out, "nullif(");
    else if (value->wire == WIRE_JSON)
        buffer_append_text(out, "pg_catalog.to_jsonb(");
    else if (is_text)
        buffer_append_text(out, value->is_padded ? "textin(bpcharout(" : "(");
    row_sql_append_value(out, value, "_row");
    if (is_time)
        buffer_append_format(out, ", (%" PRId64 ")::bigint)", ROW_SQL_INFINITE_TIME);
    else if (value->wire == WIRE_JSON)
        buffer_append_text(out, ")");
    else if (is_text)
        buffer_append_text(out, value->is_padded ? "))" : ")::text");
}

/* The integer that the parser of ops reads in the jsonb number `at` (ops_value.h), else null. */
static void
append_json_integer(struct buffer *out, const char *at)
{
    buffer_append_format(out,
                         "CASE WHEN pg_catalog.jsonb_typeof(%s) <> 'number' THEN NULL"
                         " WHEN %s::numeric BETWEEN -9223372036854775808 AND 9223372036854775807"
                         " AND trunc(%s::numeric) = %s::numeric THEN %s::bigint END",
                         at, at, at, at, at);
}

static bool
integer_may_exceed(const struct entry_value *value, const struct sum_target *target)
{
    int64_t max = INT64_MAX;
    if (value->wire == WIRE_INTEGER && value->integer_bytes > 0 &&
        value->integer_bytes < sizeof max)
        max = INT64_MAX >> (8 * (sizeof max - value->integer_bytes));
    return target->max < max || target->min > -max - 1;
}

/* A single value as an integer within the bounds. */
static void
append_integer(struct buffer *out, const struct entry_value *value, const char *at,
               const struct sum_target *target)
{
    struct buffer integer = {0};
    CHECK(target->type == FIELD_SINGLE_VALUE || target->type == FIELD_MULTI_VALUE);
    if (value->wire == WIRE_JSON) {
        buffer_append_text(&integer, "(");
        append_json_integer(&integer, at);
        buffer_append_text(&integer, ")");
    } else {
        buffer_append_text(&integer, at);
    }
    const char *text = buffer_string(&integer);
    if (value->wire == WIRE_BOOLEAN || value->wire == WIRE_TEXT)
        buffer_append_text(out, "NULL::bigint");
    else if (integer_may_exceed(value, target))
        buffer_append_format(out,
                             "CASE WHEN %s BETWEEN %" PRId64 " AND %" PRId64 " THEN %s::bigint END",
                             text, target->min, target->max, text);
    else
        buffer_append_format(out, "%s::bigint", text);
    buffer_free(&integer);
}

static void
append_boolean(struct buffer *out, const struct entry_value *value, const char *at)
{
    if (value->wire == WIRE_BOOLEAN)
        buffer_append_format(out, "%s::integer::bigint", at);
    else if (value->wire == WIRE_JSON)
        buffer_append_format(
            out,
            "CASE pg_catalog.jsonb_typeof(%s) WHEN 'boolean' THEN %s::boolean::integer::bigint END",
            at, at);
    else
        buffer_append_text(out, "NULL::bigint");
}

static void
append_string(struct buffer *out, const struct entry_value *value, const char *at)
{
    uint32_t bytes_max = ops_limits_default.string_bytes;
    if (value->wire == WIRE_TEXT)
        buffer_append_format(out, "CASE WHEN octet_length(%s) <= %u THEN %s END", at, bytes_max,
                             at);
    else if (value->wire == WIRE_JSON)
        buffer_append_format(out,
                             "CASE pg_catalog.jsonb_typeof(%s) WHEN 'string' THEN CASE WHEN"
                             " octet_length(%s #>> '{}') <= %u THEN %s #>> '{}' END END",
                             at, at, bytes_max, at);
    else
        buffer_append_text(out, "NULL::text");
}

/* `at` names the raw value. */
static void
append_held(struct buffer *out, const struct entry_value *value, const char *at,
            const struct sum_target *target)
{
    switch (target->type) {
    case FIELD_BOOLEAN:
        append_boolean(out, value, at);
        break;
    case FIELD_STRING:
        append_string(out, value, at);
        break;
    case FIELD_SINGLE_VALUE:
    case FIELD_MULTI_VALUE:
        append_integer(out, value, at, target);
        break;
    default:
        CHECK(false);
    }
}

/* The count and the sum of the values `held`. */
static void
append_sum(struct buffer *out, const struct sum_target *target, const char *held)
{
    if (target->type == FIELD_STRING)
        buffer_append_format(out, ", count(%s), sum(hashtextextended((%s) COLLATE \"C\", _id))",
                             held, held);
    else
        buffer_append_format(out, ", count(%s), sum(hashint8extended(_id, %s))", held, held);
}

#define EXISTENCE_SUM ", count(*), sum(hashint8extended(_id, 1))"

/* --- rows ------------------------------------------------------------------------------------ */

static const char *
slot_column(const struct entry *entry)
{
    return entry_child(entry) != NULL ? entry_child(entry)->slot : entry->trigger->slot_field;
}

static void
append_alive_row(struct buffer *out, const struct entry *alive, const struct entry *entry,
                 const struct select_range *range)
{
    const char *slot = alive->trigger->slot_field;
    CHECK(alive->trigger->sets_alive);
    buffer_append_text(out, "EXISTS (SELECT FROM ");
    select_append_table(out, &alive->table, "_alive");
    buffer_append_text(out, " WHERE ");
    sql_append_column(out, "_alive", slot);
    buffer_append_text(out, " = ");
    select_append_slot(out, entry);
    select_append_bounds(out, "_alive", slot, range); /* which the planner would not infer */
    row_sql_append_filter(out, alive, "_alive");
    buffer_append_text(out, ")");
}

static void
append_alive(struct buffer *out, const struct sum_query *query, const struct entry *entry,
             const struct select_range *range)
{
    CHECK(slot_column(entry) != NULL);
    if (query->alive_count == 0)
        return;
    buffer_append_text(out, query->alive_count > 1 ? " AND (" : " AND ");
    for (uint32_t i = 0; i < query->alive_count; i++) {
        buffer_append_text(out, i > 0 ? " OR " : "");
        append_alive_row(out, query->alive[i], entry, range);
    }
    buffer_append_text(out, query->alive_count > 1 ? ")" : "");
}

/* A value that costs more than a column is computed once. */
static bool
is_costly(const struct entry_value *value)
{
    return value->form != FORM_PLAIN || value->wire == WIRE_JSON || value->is_padded ||
           !sql_is_column(value->expression);
}

static void
append_rows(struct buffer *out, const struct sum_query *query, const struct sum_value *values,
            uint32_t count, const struct select_range *range)
{
    const struct entry *entry = values[0].entry;
    bool costs = false;
    buffer_append_text(out, "(SELECT ");
    select_append_choice(out, entry);
    select_append_slot(out, entry);
    buffer_append_text(out, "::bigint AS _id");
    for (uint32_t i = 0; i < count; i++) {
        CHECK(values[i].entry == entry);
        buffer_append_text(out, ", ");
        append_raw(out, value_of(&values[i]));
        buffer_append_format(out, " AS _v%" PRIu32, i);
        costs = costs || is_costly(value_of(&values[i]));
    }
    select_append_rows(out, entry, range);
    append_alive(out, query, entry, range);
    select_append_order(out, entry);
    buffer_append_text(out, costs ? " OFFSET 0) AS _rows" : ") AS _rows");
}

/* --- queries --------------------------------------------------------------------------------- */

static void
append_partition(struct buffer *out, int32_t partitions)
{
    CHECK(partitions > 0);
    buffer_append_format(out, "SELECT _id %% %" PRId32, partitions);
}

static void
append_separate(struct buffer *out, const struct sum_query *query, int32_t partitions,
                const struct select_range *range)
{
    CHECK(query->value_count == query->target_count);
    append_partition(out, partitions);
    buffer_append_text(out, query->has_existence ? EXISTENCE_SUM : "");
    for (uint32_t i = 0; i < query->value_count; i++) {
        char name[NAME_BYTES];
        struct buffer held = {0};
        CHECK(sum_value_is_single(&query->values[i], query->targets[i].type));
        snprintf(name, sizeof name, "_v%" PRIu32, i);
        append_held(&held, value_of(&query->values[i]), name, &query->targets[i]);
        append_sum(out, &query->targets[i], buffer_string(&held));
        buffer_free(&held);
    }
    buffer_append_text(out, " FROM ");
    append_rows(out, query, query->values, query->value_count, range);
    buffer_append_text(out, " GROUP BY 1");
}

/* The items of a list, each a row, as the field takes them: all of them or none. */
static void
append_items(struct buffer *out)
{
    const struct ops_limits *limits = &ops_limits_default;
    buffer_append_text(out, ", LATERAL (SELECT CASE WHEN count(*) = count(_item) AND count(*) <= ");
    buffer_append_format(out, "%u THEN pg_catalog.array_agg(_item) END AS _items FROM (SELECT ",
                         limits->array_items);
    append_json_integer(out, "_element");
    buffer_append_format(
        out,
        " AS _item FROM pg_catalog.jsonb_array_elements(CASE pg_catalog.jsonb_typeof(_v0) WHEN "
        "'array'"
        " THEN CASE WHEN octet_length(_v0::text) <= %u THEN _v0 END"
        " WHEN 'number' THEN pg_catalog.jsonb_build_array(_v0) END) AS _elements(_element)",
        limits->row_bytes);
    buffer_append_text(out, ") AS _list) AS _lists, pg_catalog.unnest(_items) AS _values(_value)");
}

/* Rows of _id and _value. */
static void
append_pairs(struct buffer *out, const struct sum_query *query, const struct sum_value *value,
             const struct select_range *range)
{
    const struct sum_target *target = &query->targets[0];
    bool is_list = target->type == FIELD_MULTI_VALUE && value_of(value)->wire == WIRE_JSON;
    buffer_append_text(out, "SELECT _id, ");
    if (is_list)
        buffer_append_text(out, "_value");
    else
        append_held(out, value_of(value), "_v0", target);
    buffer_append_text(out, is_list ? " FROM " : " AS _value FROM ");
    append_rows(out, query, value, 1, range);
    if (is_list)
        append_items(out);
}

/* A field of one value holds none of several. */
static void
append_united(struct buffer *out, const struct sum_query *query, int32_t partitions,
              const struct select_range *range)
{
    const struct sum_target *target = &query->targets[0];
    bool is_list = target->type == FIELD_MULTI_VALUE;
    CHECK(query->target_count == 1 && !query->has_existence);
    const char *value = target->type == FIELD_STRING ? "_value COLLATE \"C\"" : "_value";
    append_partition(out, partitions);
    append_sum(out, target, "_value");
    buffer_append_text(out, " FROM (SELECT ");
    if (is_list)
        buffer_append_text(out, "DISTINCT _id, _value FROM (");
    else
        buffer_append_format(out, "_id, min(%s) AS _value FROM (", value);
    for (uint32_t i = 0; i < query->value_count; i++) {
        buffer_append_text(out, i > 0 ? " UNION ALL " : "");
        append_pairs(out, query, &query->values[i], range);
    }
    buffer_append_text(out, ") AS _all WHERE _value IS NOT NULL");
    if (!is_list)
        buffer_append_format(out, " GROUP BY _id HAVING min(%s) = max(%s)", value, value);
    buffer_append_text(out, ") AS _pairs GROUP BY 1");
}

static void
append_existence(struct buffer *out, const struct sum_query *query, int32_t partitions,
                 const struct select_range *range)
{
    CHECK(query->alive_count > 0 && query->target_count == 0);
    append_partition(out, partitions);
    buffer_append_text(out, EXISTENCE_SUM " FROM (");
    for (uint32_t i = 0; i < query->alive_count; i++) {
        const struct entry *entry = query->alive[i];
        buffer_append_text(out, i > 0 ? " UNION SELECT " : "SELECT ");
        select_append_choice(out, entry);
        select_append_slot(out, entry);
        buffer_append_text(out, "::bigint AS _id");
        select_append_rows(out, entry, range);
    }
    buffer_append_text(out, ") AS _rows GROUP BY 1");
}

void
sum_select_append(struct buffer *out, const struct sum_query *query, int32_t partitions,
                  const struct select_range *range)
{
    CHECK(range->has_begin && range->has_end && range->ids == NULL);
    CHECK(query->has_existence || query->value_count > 0);
    if (query->value_count == 0)
        append_existence(out, query, partitions, range);
    else if (query->is_united)
        append_united(out, query, partitions, range);
    else
        append_separate(out, query, partitions, range);
}
