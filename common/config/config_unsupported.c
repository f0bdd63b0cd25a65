#include "common/config/config_unsupported.h"

#include <stdio.h>

#include "common/base/check.h"
#include "common/config/config_trigger.h"

struct unsupported {
    bool (*is_configured)(const struct config *config);
    const char *what;
};

static bool
configures_load(const struct config *config)
{
    return config->dump_phase_count > 0;
}

static const struct unsupported parts[] = {
    {configures_load, "dump_phases: loading"},
};

enum { PARTS = sizeof parts / sizeof parts[0], SETTINGS_PER_TRIGGER = 64 };

/* The settings that a trigger does not use. After the parts, the cursor counts SETTINGS_PER_TRIGGER
 * for each trigger. */
static bool
next_unused(const struct config *config, uint32_t *cursor, char *what, uint32_t what_bytes)
{
    CHECK(*cursor >= PARTS);
    uint32_t at = *cursor - PARTS;
    for (uint32_t i = at / SETTINGS_PER_TRIGGER; i < config->trigger_count; i++) {
        const struct config_trigger *trigger = &config->triggers[i];
        uint32_t setting = i == at / SETTINGS_PER_TRIGGER ? at % SETTINGS_PER_TRIGGER : 0;
        const char *name = config_trigger_next_unused(trigger, &setting);
        CHECK(setting < SETTINGS_PER_TRIGGER);
        if (name == NULL)
            continue;
        *cursor = PARTS + i * SETTINGS_PER_TRIGGER + setting;
        snprintf(what, what_bytes, "triggers[%u].%s (line %u): has no effect, the kind is %s", i,
                 name, trigger->place.line, config_trigger_kind_name(trigger->kind));
        return true;
    }
    return false;
}

bool
config_next_unsupported(const struct config *config, uint32_t *cursor, char *what,
                        uint32_t what_bytes)
{
    CHECK(what_bytes > 0);
    while (*cursor < PARTS) {
        const struct unsupported *part = &parts[(*cursor)++];
        if (!part->is_configured(config))
            continue;
        snprintf(what, what_bytes, "not supported yet: %s", part->what);
        return true;
    }
    return next_unused(config, cursor, what, what_bytes);
}
