#include "common/config/config.h"

#include <stdio.h>

#include "common/config/config_items.h"

struct unbuilt {
    bool (*is_asked)(const struct config *config);
    const char *what;
};

static bool
asks_load(const struct config *config)
{
    return config->dump_phase_count > 0;
}

static const struct unbuilt unbuilts[] = {
    {asks_load, "dump_phases: loading"},
};

enum { UNBUILTS = sizeof unbuilts / sizeof unbuilts[0], SETTINGS_PER_TRIGGER = 64 };

/* Settings that a trigger's kind leaves idle: *cursor counts on through all triggers. */
static bool
next_idle(const struct config *config, uint32_t *cursor, char *what, uint32_t what_bytes)
{
    uint32_t at = *cursor - UNBUILTS;
    for (uint32_t i = at / SETTINGS_PER_TRIGGER; i < config->trigger_count; i++) {
        const struct config_trigger *trigger = &config->triggers[i];
        uint32_t setting = i == at / SETTINGS_PER_TRIGGER ? at % SETTINGS_PER_TRIGGER : 0;
        const char *name = config_trigger_next_idle(trigger, &setting);
        if (name == NULL)
            continue;
        *cursor = UNBUILTS + i * SETTINGS_PER_TRIGGER + setting;
        snprintf(what, what_bytes, "triggers[%u].%s (line %u): has no effect, the kind is %s", i,
                 name, trigger->place.line, config_trigger_kind_name(trigger->kind));
        return true;
    }
    return false;
}

bool
config_next_unbuilt(const struct config *config, uint32_t *cursor, char *what, uint32_t what_bytes)
{
    while (*cursor < UNBUILTS) {
        const struct unbuilt *unbuilt = &unbuilts[(*cursor)++];
        if (!unbuilt->is_asked(config))
            continue;
        snprintf(what, what_bytes, "not supported yet: %s", unbuilt->what);
        return true;
    }
    return next_idle(config, cursor, what, what_bytes);
}
