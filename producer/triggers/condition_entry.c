#include "producer/triggers/condition_entry.h"

#include "common/base/check.h"
#include "producer/triggers/missing_index.h"
#include "producer/triggers/select.h"
#include "producer/triggers/sql.h"
#include "producer/triggers/type_fit.h"
#include <stdlib.h>

/* About the entry as a whole; its object is its table. */
static void
add(struct condition_list *list, const struct entry *entry, enum condition_kind kind,
    enum condition_severity severity, const char *message, const char *remedy)
{
    const struct condition condition = {
        .kind = kind,
        .severity = severity,
        .entry = entry,
        .object = entry->table.quoted,
        .message = message,
        .remedy = remedy,
    };
    CHECK(entry->table.quoted != NULL);
    condition_add(list, &condition);
}

static void
add_missing_indexes(struct condition_list *list, const struct entry *entry)
{
    struct buffer sql = {0};
    if (missing_index_of_slot(entry, &sql))
        add(list, entry, CONDITION_LOADING, CONDITION_PROBLEM,
            "no index finds the rows of an entity: each range of entities would cost a scan of the"
            " whole table, so load refuses it",
            buffer_string(&sql));
    buffer_clear(&sql);
    if (missing_index_of_parent(entry, &sql))
        add(list, entry, CONDITION_LOADING, CONDITION_NOTE,
            "no index finds the child rows of a parent: a change of a row of this table scans all"
            " of its child table",
            buffer_string(&sql));
    buffer_free(&sql);
}

/* F124 */
static void
add_unique_key(struct condition_list *list, const struct entry *entry)
{
    const struct config_trigger *trigger = entry->trigger;
    if (trigger->kind != TRIGGER_JOIN || entry->value_is_unique)
        return;
    struct buffer sql = {0};
    buffer_append_format(&sql, "CREATE UNIQUE INDEX %sON %s (",
                         entry->table.is_partitioned ? "" : "CONCURRENTLY ", entry->table.quoted);
    sql_append_name(&sql, trigger->slot_field);
    buffer_append_text(&sql, ", ");
    sql_append_name(&sql, trigger->value_field);
    buffer_append_text(&sql, ")");
    add(list, entry, CONDITION_UNIQUE_KEYS, CONDITION_NOTE,
        "no unique index says that a value is there once for an entity, so a row that leaves does"
        " not say that its value does: every DELETE requests the entity's values again",
        buffer_string(&sql));
    buffer_free(&sql);
}

/* L11 */
static void
add_pass(struct condition_list *list, const struct entry *entry)
{
    if (select_is_pass(entry))
        add(list, entry, CONDITION_GUARANTEES, CONDITION_WARNING,
            "only the index knows the entities of a row: one that comes later or leaves keeps its"
            " old values, a load of the entry's fields reads all rows of this table, a range of"
            " entities cannot be loaded, and ranges cannot be compared",
            "name the rows that say it with `children`");
}

static const char *
type_remedy(const struct entry_value *value, enum type_fit fit)
{
    if (fit == FIT_SOME && value->form != FORM_JSON && !entry_form_is_array(value->form))
        return sql_is_column(value->expression) ? "{ column: ..., scale: 2 } holds the value times "
                                                  "10^2; or an expression of type"
                                                  " bigint"
                                                : "write an expression of type bigint";
    return "write an expression of a type that fits, or change the field_type";
}

/* F109 */
void
condition_entry_add_type(struct condition_list *list, const struct config *config,
                         const struct entry *entry, const struct entry_value *value)
{
    const struct config_index *index = &config->index_config;
    enum type_fit fit = type_fit_of(index, value);
    if (fit == FIT_ALL)
        return;
    char *object = memory_format("%s of %s", value->setting, entry->table.quoted);
    char *message = memory_format(
        "field %s takes %s, and the value is of type %s: %s become null, with a dead letter each",
        value->target, type_fit_wanted(index, value), value->type_name,
        fit == FIT_NONE ? "all values" : "values that do not fit");
    const struct condition condition = {
        .kind = CONDITION_TYPES,
        .severity = value->form == FORM_JSON ? CONDITION_NOTE : CONDITION_WARNING,
        .entry = entry,
        .object = object,
        .message = message,
        .remedy = type_remedy(value, fit),
    };
    condition_add(list, &condition);
    free(object);
    free(message);
}

/* L11 */
static void
add_reads(struct condition_list *list, const struct entry *entry, const char *setting,
          const char *reads)
{
    if (reads == NULL)
        return;
    char *message = memory_format("%s reads beside its row: %s; a change there requests nothing, so"
                                  " the values are not guaranteed",
                                  setting, reads);
    add(list, entry, CONDITION_EXPRESSIONS, CONDITION_WARNING, message,
        "name the tables in a path of `rows_from`, or keep the value in a column");
    free(message);
}

void
condition_entry_add(struct condition_list *list, const struct config *config,
                    const struct entry *entry)
{
    entry_check(entry);
    add_missing_indexes(list, entry);
    add_unique_key(list, entry);
    add_pass(list, entry);
    add_reads(list, entry, "filter", entry->filter_dependence.reads);
    for (uint32_t i = 0; i < entry->value_count; i++) {
        const struct entry_value *value = &entry->values[i];
        condition_entry_add_type(list, config, entry, value);
        add_reads(list, entry, value->setting, value->dependence.reads);
    }
}
