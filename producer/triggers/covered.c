#include "producer/triggers/covered.h"

#include <string.h>

#include "common/base/check.h"
#include "producer/triggers/reconcile.h"

static void
add_field(struct text *names, uint32_t *count, const char *name)
{
    CHECK(name != NULL);
    for (uint32_t i = 0; i < *count; i++)
        if (text_is(names[i], name))
            return;
    names[(*count)++] = text_of(name);
}

int
covered_fields_read(struct pg *pg, const struct config *config, struct arena *arena,
                    struct covered_fields *fields, struct error *err)
{
    struct reconcile_plan plan;
    uint32_t capacity = 1; /* existence */
    *fields = (struct covered_fields){0};
    int rc = reconcile_plan(pg, config, arena, &plan, err);
    if (rc != 0)
        return rc;
    bool *in_place = arena_alloc(arena, (plan.entry_count + 1) * sizeof *in_place);
    rc = reconcile_find_in_place(pg, &plan, in_place, err);
    if (rc != 0)
        return rc;
    for (uint32_t i = 0; i < plan.entry_count; i++)
        capacity += plan.entries[i].value_count;
    struct text *names = arena_alloc(arena, capacity * sizeof *names);
    for (uint32_t i = 0; i < plan.entry_count; i++) {
        const struct entry *entry = &plan.entries[i];
        if (in_place[i] && entry->trigger->sets_alive)
            add_field(names, &fields->count, "");
        for (uint32_t j = 0; in_place[i] && j < entry->value_count; j++)
            add_field(names, &fields->count, entry->values[j].target);
    }
    CHECK(fields->count <= capacity);
    fields->names = names;
    return 0;
}
