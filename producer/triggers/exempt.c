#include "producer/triggers/exempt.h"

#include <string.h>

#include "common/base/check.h"
#include "common/config/config_exempt.h"
#include "producer/triggers/refusal.h"
#include "producer/triggers/sql.h"

static void
add_field(struct exempt_field *items, uint32_t *count, const char *name, const char *reason)
{
    CHECK(reason != NULL);
    for (uint32_t i = 0; i < *count; i++)
        if (strcmp(items[i].name, name) == 0)
            return;
    items[(*count)++] = (struct exempt_field){name, reason};
}

/* What is refused of a new entry is the reason for one that is in place; NULL: nothing is. */
static const char *
refused_reason(const struct entry *entry, const struct entry_value *value,
               const struct refusal *refusal)
{
    for (; refusal != NULL; refusal = refusal->next)
        if (refusal->entry == entry && (refusal->value == NULL || refusal->value == value))
            return refusal->reason;
    return NULL;
}

static const char *
reads_reason(const char *setting, const char *reads, struct arena *arena)
{
    struct buffer reason = {0};
    buffer_append_format(&reason,
                         "%s reads beside its row (%s), where a change requests nothing: a path of"
                         " `rows_from` follows it",
                         setting, reads);
    return sql_take(arena, &reason);
}

/* NULL: the value is kept right. Without a value: existence. */
static const char *
find_reason(const struct entry *entry, const struct entry_value *value,
            const struct refusal *refusals, struct arena *arena)
{
    const char *reason = refused_reason(entry, value, refusals);
    if (reason == NULL)
        reason = config_exempt_reason(entry->trigger);
    if (reason == NULL && value != NULL && value->dependence.reads != NULL)
        reason = reads_reason(value->setting, value->dependence.reads, arena);
    if (reason == NULL && entry->filter_dependence.reads != NULL)
        reason = reads_reason("filter", entry->filter_dependence.reads, arena);
    return reason;
}

void
exempt_fields_find(const struct entry *entries, uint32_t count, struct arena *arena,
                   struct exempt_fields *fields)
{
    uint32_t capacity = count;
    CHECK(entries != NULL || count == 0);
    for (uint32_t i = 0; i < count; i++)
        capacity += entries[i].value_count;
    struct exempt_field *items = arena_alloc(arena, (capacity + 1) * sizeof *items);
    const struct refusal *refusals = refusal_find(entries, count, arena);
    *fields = (struct exempt_fields){.items = items};
    for (uint32_t i = 0; i < count; i++) {
        const struct entry *entry = &entries[i];
        const char *reason = find_reason(entry, NULL, refusals, arena);
        if (entry->trigger->sets_alive && reason != NULL)
            add_field(items, &fields->count, "alive", reason);
        for (uint32_t j = 0; j < entry->value_count; j++) {
            reason = find_reason(entry, &entry->values[j], refusals, arena);
            if (reason != NULL)
                add_field(items, &fields->count, entry->values[j].target, reason);
        }
    }
    CHECK(fields->count <= capacity);
}

const char *
exempt_fields_reason(const struct exempt_fields *fields, const char *name)
{
    CHECK(fields->items != NULL || fields->count == 0);
    for (uint32_t i = 0; i < fields->count; i++)
        if (strcmp(fields->items[i].name, name) == 0)
            return fields->items[i].reason;
    return NULL;
}
