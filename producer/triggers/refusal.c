#include "producer/triggers/refusal.h"

#include <string.h>
#include <strings.h>

#include "common/base/check.h"
#include "common/config/config_trigger.h"
#include "producer/triggers/sql.h"

#define BLANKS " \t\r\n"

struct refusal_list {
    struct arena *arena;
    struct refusal *first;
    struct refusal **end;
    struct refusal *last; /* that was added */
};

static void
add(struct refusal_list *list, const struct entry *entry, const char *setting, bool is_final,
    struct buffer *reason)
{
    struct refusal *refusal = arena_alloc(list->arena, sizeof *refusal);
    CHECK(reason->bytes > 0);
    CHECK(*list->end == NULL);
    *refusal = (struct refusal){
        .entry = entry,
        .setting = setting,
        .reason = sql_take(list->arena, reason),
        .is_final = is_final,
    };
    *list->end = refusal;
    list->end = &refusal->next;
    list->last = refusal;
}

/* Is `text` nothing but `symbols` and blanks? */
static bool
is_only(const char *text, const char *symbols)
{
    CHECK(text != NULL);
    while (*text != '\0' && (strchr(BLANKS, *text) != NULL || *text == *symbols))
        symbols += *text++ == *symbols;
    return *text == '\0' && *symbols == '\0';
}

/* Is the query "field eq {key}" or "field in [{key}]", with the column that child rows refer to? */
static bool
query_is_key(const struct entry *entry)
{
    const char *query = entry->trigger->query;
    const char *at = query;
    struct text field;
    struct text operator;
    CHECK(entry->link_count > 0);
    if (entry->placeholder_count != 1 || entry->trigger->query_source != NULL ||
        !config_query_next(&at, &field, &operator) || operator.bytes != 2)
        return false;
    const struct entry_placeholder *only = &entry->placeholders[0];
    bool is_list = strncasecmp(operator.data, "in", 2) == 0;
    size_t begin = (size_t)(operator.data - query) + operator.bytes;
    if (strlen(only->before) < begin)
        return false;
    const char *value = only->before + begin;
    return is_only(value, is_list ? "[" : "") && is_only(entry->query_end, is_list ? "]" : "") &&
           strcmp(only->name, entry_parent_key(entry)) == 0;
}

static void
add_of_children(struct refusal_list *list, const struct entry *entry)
{
    struct buffer reason = {0};
    if (entry->link_count == 0)
        return;
    if (!query_is_key(entry)) {
        buffer_append_format(&reason,
                             "beside `children` it must be \"field eq {%s}\", the key that they"
                             " refer to, or the query and the children could mean other entities:"
                             " write `rows_from` instead of both",
                             entry_parent_key(entry));
        add(list, entry, "query", false, &reason);
    }
    if (!entry->slot_is_unique) {
        buffer_append_format(&reason,
                             "%s.%s is not unique, so an entity may have several parents, and a"
                             " query cannot say which one counts: write `rows_from` instead of"
                             " `query` and `children`, which takes the greatest parent key",
                             entry_child(entry)->table, entry_child(entry)->slot);
        add(list, entry, "children", false, &reason);
    }
}

/* The fan-out that sets the field; NULL: none does. */
static const struct entry *
find_fan_out(const struct entry *entries, uint32_t count, struct text field)
{
    CHECK(field.data != NULL);
    for (uint32_t i = 0; i < count; i++) {
        enum config_trigger_kind kind = entries[i].trigger->kind;
        if (kind != TRIGGER_FAN_OUT && kind != TRIGGER_FAN_OUT_PER_ROW)
            continue;
        for (uint32_t j = 0; j < entries[i].value_count; j++)
            if (text_is(field, entries[i].values[j].target))
                return &entries[i];
    }
    return NULL;
}

/* Whether a fan-out finds its entities must not depend on another one that arrives later. */
static void
add_of_query(struct refusal_list *list, const struct entry *entry, const struct entry *entries,
             uint32_t count)
{
    const char *at = entry->trigger->query;
    struct text field;
    struct text operator;
    while (config_query_next(&at, &field, &operator)) {
        const struct entry *setter = find_fan_out(entries, count, field);
        struct buffer reason = {0};
        if (setter == NULL)
            continue;
        buffer_append_format(&reason,
                             "field %.*s is set by a fan-out (triggers[%u], line %u), so an entity"
                             " that it reaches later would be missed: write `rows_from`, or a query"
                             " on a field of a direct table or of a join",
                             (int)field.bytes, field.data, setter->index,
                             setter->trigger->place.line);
        add(list, entry, "query", false, &reason);
    }
}

/* A new value that changes while its row does not would be wrong from then on. */
static void
add_of_stability(struct refusal_list *list, const struct entry *entry,
                 const struct entry_value *value, const char *setting, const char *unstable)
{
    struct buffer reason = {0};
    if (unstable == NULL)
        return;
    buffer_append_format(&reason,
                         "%s can change while the row does not, which no trigger reports: keep the"
                         " value in a column, or declare a function of yours IMMUTABLE if it is",
                         unstable);
    add(list, entry, setting, false, &reason);
    list->last->value = value;
}

static void
add_of_expressions(struct refusal_list *list, const struct entry *entry)
{
    add_of_stability(list, entry, NULL, "filter", entry->filter_dependence.unstable);
    for (uint32_t i = 0; i < entry->value_count; i++) {
        const struct entry_value *value = &entry->values[i];
        add_of_stability(list, entry, value, value->setting, value->dependence.unstable);
    }
}

static void
add_of_key(struct refusal_list *list, const struct entry *entry)
{
    struct buffer reason = {0};
    if (entry->link_count > 0 || entry->key_column_count > 0)
        return;
    buffer_append_format(&reason,
                         "table %s has no primary key, by which a changed row could be requested:"
                         " ALTER TABLE ... ADD PRIMARY KEY",
                         entry->trigger->table);
    add(list, entry, "table", true, &reason);
}

struct refusal *
refusal_find(const struct entry *entries, uint32_t count, struct arena *arena)
{
    struct refusal_list list = {.arena = arena};
    list.end = &list.first;
    CHECK(entries != NULL || count == 0);
    for (uint32_t i = 0; i < count; i++) {
        entry_check(&entries[i]);
        add_of_expressions(&list, &entries[i]);
        if (entries[i].trigger->kind != TRIGGER_FAN_OUT)
            continue;
        add_of_key(&list, &entries[i]);
        add_of_children(&list, &entries[i]);
        add_of_query(&list, &entries[i], entries, count);
    }
    return list.first;
}

bool
refusal_holds(const struct refusal *refusal, const struct covered_fields *covered)
{
    const struct entry *entry = refusal->entry;
    bool is_in_place = entry->value_count > 0 || entry->trigger->sets_alive;
    if (entry->trigger->sets_alive)
        is_in_place = covered_fields_has(covered, text_of(""));
    for (uint32_t i = 0; i < entry->value_count; i++)
        is_in_place = is_in_place && covered_fields_has(covered, text_of(entry->values[i].target));
    return refusal->is_final || !is_in_place;
}
