#include "common/config/config_exempt.h"

#include "common/base/check.h"
#include "common/config/config_entry.h"

const char *
config_exempt_reason(const struct config_trigger *trigger)
{
    CHECK(trigger->table != NULL);
    if (trigger->kind == TRIGGER_FAN_OUT && trigger->link_count == 0)
        return "only the index knows the entities of a row, so one that comes later or leaves keeps"
               " its old values: name the rows that say it with `children`";
    return NULL;
}

bool
config_next_exempt(const struct config *config, uint32_t *cursor, const char **field,
                   const char **reason)
{
    uint32_t number = 0;
    for (uint32_t i = 0; i < config->trigger_count; i++) {
        *reason = config_exempt_reason(&config->triggers[i]);
        for (uint32_t j = 0; *reason != NULL; j++) {
            *field = config_entry_field(config, i, j);
            if (*field == NULL)
                break;
            if (config_entry_owner(config, text_of(*field)) != (int32_t)i || number++ < *cursor)
                continue;
            *cursor = number;
            return true;
        }
    }
    return false;
}
