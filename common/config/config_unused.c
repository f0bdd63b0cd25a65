/* The cursor counts SETTINGS_PER_TRIGGER for each trigger, and then the dump phases. */
#include "common/config/config_unused.h"

#include <stdio.h>

#include "common/base/check.h"
#include "common/config/config_trigger.h"

enum { SETTINGS_PER_TRIGGER = 64 };

/* The settings that a trigger does not use. */
static bool
next_of_triggers(const struct config *config, uint32_t *cursor, char *what, uint32_t what_bytes)
{
    uint32_t at = *cursor;
    for (uint32_t i = at / SETTINGS_PER_TRIGGER; i < config->trigger_count; i++) {
        const struct config_trigger *trigger = &config->triggers[i];
        uint32_t setting = i == at / SETTINGS_PER_TRIGGER ? at % SETTINGS_PER_TRIGGER : 0;
        const char *name = config_trigger_next_unused(trigger, &setting);
        CHECK(setting < SETTINGS_PER_TRIGGER);
        if (name == NULL)
            continue;
        *cursor = i * SETTINGS_PER_TRIGGER + setting;
        snprintf(what, what_bytes, "triggers[%u].%s (line %u): has no effect, the kind is %s", i,
                 name, trigger->place.line, config_trigger_kind_name(trigger->kind));
        return true;
    }
    return false;
}

/* A load reads the tables of triggers. */
static bool
has_triggers(const struct config *config, const char *table)
{
    CHECK(table != NULL);
    for (uint32_t i = 0; i < config->trigger_count; i++)
        if (config_table_is(config->triggers[i].table, table))
            return true;
    return false;
}

static bool
next_of_phases(const struct config *config, uint32_t *cursor, char *what, uint32_t what_bytes)
{
    uint32_t base = config->trigger_count * SETTINGS_PER_TRIGGER;
    for (uint32_t i = *cursor < base ? 0 : *cursor - base; i < config->dump_phase_count; i++) {
        const struct config_dump_phase *phase = &config->dump_phases[i];
        if (phase->copy_query == NULL || has_triggers(config, phase->table))
            continue;
        *cursor = base + i + 1;
        snprintf(what, what_bytes,
                 "dump_phases[%u].copy_query (line %u): has no effect, table %s has no triggers", i,
                 phase->place.line, phase->table);
        return true;
    }
    return false;
}

bool
config_next_unused(const struct config *config, uint32_t *cursor, char *what, uint32_t what_bytes)
{
    CHECK(what_bytes > 0);
    return next_of_triggers(config, cursor, what, what_bytes) ||
           next_of_phases(config, cursor, what, what_bytes);
}
