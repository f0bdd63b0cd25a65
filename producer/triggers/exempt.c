#include "producer/triggers/exempt.h"

#include <string.h>

#include "common/base/check.h"
#include "common/config/config_exempt.h"
#include "producer/triggers/refusal.h"

static void
add_field(struct exempt_field *items, uint32_t *count, const char *name, const char *reason)
{
    CHECK(reason != NULL);
    for (uint32_t i = 0; i < *count; i++)
        if (strcmp(items[i].name, name) == 0)
            return;
    items[(*count)++] = (struct exempt_field){name, reason};
}

/* NULL: the fields of the entry are kept right. What is refused of a new entry is the reason for
 * one that is in place. */
static const char *
entry_reason(const struct entry *entry, const struct refusal *refusal)
{
    for (; refusal != NULL; refusal = refusal->next)
        if (refusal->entry == entry)
            return refusal->reason;
    return config_exempt_reason(entry->trigger);
}

void
exempt_fields_find(const struct entry *entries, uint32_t count, struct arena *arena,
                   struct exempt_fields *fields)
{
    uint32_t capacity = 0;
    CHECK(entries != NULL || count == 0);
    for (uint32_t i = 0; i < count; i++)
        capacity += entries[i].value_count;
    struct exempt_field *items = arena_alloc(arena, (capacity + 1) * sizeof *items);
    const struct refusal *refusals = refusal_find(entries, count, arena);
    *fields = (struct exempt_fields){.items = items};
    for (uint32_t i = 0; i < count; i++) {
        const char *reason = entry_reason(&entries[i], refusals);
        for (uint32_t j = 0; reason != NULL && j < entries[i].value_count; j++)
            add_field(items, &fields->count, entries[i].values[j].target, reason);
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
