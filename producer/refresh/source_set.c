#include "producer/refresh/source_set.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "producer/load/load_session.h"

enum { RETRY_FIRST_MS = 1000, RETRY_LAST_MS = 30000 };

struct source_set *
source_set_create(const struct config *config, const struct request_sources *sources)
{
    struct source_set *set = memory_zalloc(sizeof *set);
    size_t bytes = config->trigger_count * sizeof *sources->entries;
    set->sources = *sources;
    set->sources.entries = memory_alloc(bytes + 1);
    if (bytes > 0)
        memcpy(set->sources.entries, sources->entries, bytes);
    arena_init(&set->arena);
    set->retry_ms = RETRY_FIRST_MS;
    return set;
}

void
source_set_drop_plan(struct source_set *set)
{
    range_reader_destroy(set->ranges);
    free(set->signature);
    set->ranges = NULL;
    set->signature = NULL;
    set->plan = NULL;
    set->parents = NULL;
    set->is_scanned = false;
    arena_reset(&set->arena);
}

void
source_set_destroy(struct source_set *set)
{
    if (set == NULL)
        return;
    source_set_drop_plan(set);
    arena_free(&set->arena);
    free(set->sources.entries);
    free(set);
}

static int
make_plan(struct source_set *set, const struct config *config,
          const struct range_reader_options *options, struct pg *pg, struct error *err)
{
    struct load_plan *plan;
    uint32_t *entries = arena_alloc(&set->arena, (config->trigger_count + 1) * sizeof *entries);
    struct load_selection selection = {.entries = entries,
                                       .without_alive = !set->sources.states_alive};
    for (uint32_t i = 0; i < config->trigger_count; i++)
        if (set->sources.entries[i])
            entries[selection.entry_count++] = i;
    int rc = load_plan_create(config, pg, &selection, &set->arena, &plan, err);
    if (rc != 0)
        return rc;
    for (uint32_t i = 0; i < plan->range_count; i++)
        set->is_scanned = set->is_scanned || plan->ranges[i].is_scanned;
    uint32_t source_count = plan->range_count + plan->pass_count;
    size_t bytes = ((size_t)source_count * CONFIG_LINKS_MAX + 1) * sizeof *set->parents;
    set->parents = memset(arena_alloc(&set->arena, bytes), 0, bytes);
    if (plan->range_count > 0)
        rc = range_reader_create(plan, options, &set->ranges, err);
    set->plan = plan;
    return rc;
}

int
source_set_prepare(struct source_set *set, const struct config *config,
                   const struct range_reader_options *options, struct pg *pg, struct error *err)
{
    struct error ignored;
    if (set->plan != NULL)
        return 0;
    int rc = load_session_enter(pg, err);
    if (rc != 0)
        return rc;
    rc = make_plan(set, config, options, pg, err);
    int left = load_session_leave(pg, rc == 0 ? err : &ignored);
    if (rc != 0)
        source_set_drop_plan(set);
    return rc == 0 ? left : rc;
}

static const struct load_source *
source_at(const struct load_plan *plan, uint32_t index)
{
    return index < plan->range_count ? &plan->ranges[index]
                                     : &plan->passes[index - plan->range_count];
}

int
source_set_find_parents(struct source_set *set, const struct range_reader_options *options,
                        struct pg *pg, uint32_t entry, uint32_t level,
                        const struct parent_reader **parents, struct error *err)
{
    struct error ignored;
    const struct load_plan *plan = set->plan;
    uint32_t count = plan->range_count + plan->pass_count;
    uint32_t at = 0;
    while (at < count && source_at(plan, at)->entry->index != entry)
        at++;
    CHECK(at < count && level < CONFIG_LINKS_MAX);
    struct parent_reader *reader = &set->parents[at * CONFIG_LINKS_MAX + level];
    *parents = reader;
    if (reader->source != NULL)
        return 0;
    int rc = load_session_enter(pg, err);
    if (rc != 0)
        return rc;
    rc = parent_reader_prepare(reader, pg, source_at(plan, at), level, options, &set->arena, err);
    int left = load_session_leave(pg, rc == 0 ? err : &ignored);
    if (rc != 0)
        *reader = (struct parent_reader){0};
    return rc == 0 ? left : rc;
}

void
source_set_refuse(struct source_set *set, const struct error *why)
{
    CHECK(why->code != 0);
    source_set_drop_plan(set);
    if (strcmp(set->problem, why->message) != 0)
        log_warn("refresh", "requests stay owed and are tried again: %s", why->message);
    memcpy(set->problem, why->message, sizeof set->problem);
    set->due_us = clock_monotonic_us() + (int64_t)set->retry_ms * US_PER_MS;
    set->retry_ms = 2 * set->retry_ms < RETRY_LAST_MS ? 2 * set->retry_ms : RETRY_LAST_MS;
}

void
source_set_succeed(struct source_set *set)
{
    set->problem[0] = '\0';
    set->retry_ms = RETRY_FIRST_MS;
    set->due_us = 0;
}
