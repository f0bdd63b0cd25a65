#include "producer/load/load_survey.h"

#include "common/base/check.h"
#include "producer/load/load_phase.h"
#include "producer/triggers/sql.h"

static int
refuse_field(struct text field, struct error *err)
{
    return error_set(err, ERR_FATAL,
                     "no triggers of the database write %s%.*s, so later changes would be missed:"
                     " run bitdex-producer triggers apply",
                     field.bytes > 0 ? "field " : "whether an entity exists", TEXT_ARGS(field));
}

int
load_survey_check_covered(const struct load_plan *plan, const struct covered_fields *covered,
                          struct error *err)
{
    if (plan->states_alive && !covered_fields_has(covered, TEXT("")))
        return refuse_field(TEXT(""), err);
    for (uint32_t i = 0; i < plan->field_count; i++)
        if (!covered_fields_has(covered, plan->fields[i]))
            return refuse_field(plan->fields[i], err);
    return 0;
}

/* "FROM [ONLY] table", of the table whose rows have the slots. */
static void
append_from(struct buffer *sql, const struct entry_table *table)
{
    CHECK(table->quoted != NULL);
    buffer_append_format(sql, " FROM %s%s", table->is_partitioned ? "" : "ONLY ", table->quoted);
}

/* Runs `sql`, which gives one row. The caller clears `*result`. */
static int
query_row(struct pg *pg, struct buffer *sql, struct pg_result **result, struct error *err)
{
    int rc = pg_query(pg, buffer_string(sql), 0, NULL, result, err);
    buffer_free(sql);
    CHECK(rc != 0 || pg_rows(*result) == 1);
    return rc;
}

/* Appends the query of the rows; nothing when a filter may leave them all out. */
static void
append_rows(struct buffer *sql, const struct load_source *source)
{
    const struct config_trigger *trigger = source->entry->trigger;
    bool is_own = trigger->kind == TRIGGER_DIRECT || trigger->kind == TRIGGER_JOIN;
    if (source->phase != NULL && source->phase->program.filter == NULL)
        phase_select_append_next_slot(sql, &source->phase->select, 0);
    if (source->phase != NULL || !is_own || trigger->filter != NULL)
        return;
    buffer_append_text(sql, "SELECT");
    append_from(sql, &source->entry->table);
    buffer_append_text(sql, " WHERE ");
    sql_append_name(sql, trigger->slot_field);
    buffer_append_text(sql, " >= 0");
}

int
load_survey_expects_rows(struct pg *pg, const struct load_source *source, bool *expects,
                         struct error *err)
{
    struct buffer rows = {0};
    struct buffer sql = {0};
    struct pg_result *result;
    *expects = false;
    append_rows(&rows, source);
    bool is_certain = rows.bytes > 0 && source->is_whole;
    if (is_certain)
        buffer_append_format(&sql, "SELECT EXISTS (%s)", buffer_string(&rows));
    buffer_free(&rows);
    if (!is_certain)
        return 0;
    int rc = query_row(pg, &sql, &result, err);
    if (rc != 0)
        return error_wrap(err, rc, "could not look for rows in %s", source->table);
    *expects = pg_boolean(result, 0, 0);
    pg_result_clear(result);
    return 0;
}

static int
read_last_id(struct pg *pg, const struct entry *entry, int64_t *last_id, struct error *err)
{
    bool is_child = entry_child(entry) != NULL;
    struct buffer sql = {0};
    struct pg_result *result;
    buffer_append_text(&sql, "SELECT max(");
    sql_append_name(&sql, is_child ? entry_child(entry)->slot : entry->trigger->slot_field);
    buffer_append_text(&sql, ")");
    append_from(&sql, is_child ? entry_child_table(entry) : &entry->table);
    int rc = query_row(pg, &sql, &result, err);
    if (rc != 0)
        return error_wrap(err, rc, "could not find the last entity of %s", entry->trigger->table);
    if (!pg_is_null(result, 0, 0) && pg_integer(result, 0, 0) > *last_id)
        *last_id = pg_integer(result, 0, 0);
    pg_result_clear(result);
    return 0;
}

int
load_survey_last_id(struct pg *pg, const struct load_plan *plan, int64_t *last_id,
                    struct error *err)
{
    int rc = 0;
    *last_id = -1;
    for (uint32_t i = 0; rc == 0 && i < plan->range_count; i++)
        rc = read_last_id(pg, plan->ranges[i].entry, last_id, err);
    CHECK(*last_id >= -1);
    return rc;
}
