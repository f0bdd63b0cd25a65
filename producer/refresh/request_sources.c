#include "producer/refresh/request_sources.h"

#include <string.h>

#include "common/base/check.h"
#include "common/config/config_entry.h"

bool
request_sources_is_pass(const struct config *config, uint32_t entry)
{
    CHECK(entry < config->trigger_count);
    const struct config_trigger *trigger = &config->triggers[entry];
    return trigger->kind == TRIGGER_FAN_OUT && trigger->link_count == 0;
}

static bool
owns_any(const struct config *config, uint32_t entry, const struct request *request)
{
    for (uint32_t i = 0; i < request->field_count; i++)
        if (config_entry_owns(config, entry, request->fields[i]))
            return true;
    return request->field_count == 0;
}

/* Do the two write the same field? */
static bool
shares_field(const struct config *config, uint32_t entry, uint32_t other)
{
    const char *field;
    for (uint32_t i = 0; (field = config_entry_field(config, entry, i)) != NULL; i++)
        if (config_entry_owns(config, other, text_of(field)))
            return true;
    return false;
}

/* Existence is stated by all entries that set it together. */
static bool
belongs(const struct config *config, const struct request_sources *sources, uint32_t entry)
{
    for (uint32_t i = 0; i < config->trigger_count; i++) {
        if (!sources->entries[i])
            continue;
        bool sets_alive = config->triggers[i].sets_alive && config->triggers[entry].sets_alive;
        if ((sources->states_alive && sets_alive) || shares_field(config, i, entry))
            return true;
    }
    return false;
}

static void
complete(const struct config *config, struct request_sources *sources)
{
    bool grows = true;
    while (grows) {
        grows = false;
        for (uint32_t i = 0; i < config->trigger_count; i++) {
            if (sources->entries[i] || request_sources_is_pass(config, i) ||
                !belongs(config, sources, i))
                continue;
            sources->entries[i] = true;
            grows = true;
        }
    }
}

void
request_sources_find(const struct config *config, const struct request *request,
                     struct request_sources *sources)
{
    memset(sources->entries, 0, config->trigger_count * sizeof *sources->entries);
    sources->states_alive = request->field_count == 0;
    if (request->kind != REQUEST_ENTITY) {
        CHECK(request->entry < config->trigger_count);
        bool is_pass = request_sources_is_pass(config, request->entry);
        sources->entries[request->entry] = !is_pass || request->kind == REQUEST_PARENT;
        if (is_pass)
            return;
    } else {
        for (uint32_t i = 0; i < config->trigger_count; i++)
            sources->entries[i] =
                !request_sources_is_pass(config, i) && owns_any(config, i, request);
    }
    complete(config, sources);
}
