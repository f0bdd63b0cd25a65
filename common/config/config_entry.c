#include "common/config/config_entry.h"

#include <string.h>

#include "common/base/check.h"
#include "common/config/config_trigger.h"

/* The largest number at the end of a name has so many digits. */
enum { NUMBER_DIGITS_MAX = 6 };

const char *
config_entry_field(const struct config *config, uint32_t index, uint32_t number)
{
    CHECK(index < config->trigger_count);
    const struct config_trigger *trigger = &config->triggers[index];
    bool is_join = trigger->kind == TRIGGER_JOIN; /* its track_fields have no effect */
    uint32_t tracked = is_join ? 1 : trigger->track_field_count;
    if (number < tracked)
        return is_join ? trigger->field : trigger->track_fields[number].target;
    number -= tracked;
    return number < trigger->computed_field_count ? trigger->computed_fields[number].target : NULL;
}

bool
config_entry_owns(const struct config *config, uint32_t index, struct text field)
{
    const char *owned;
    CHECK(index < config->trigger_count);
    for (uint32_t i = 0; (owned = config_entry_field(config, index, i)) != NULL; i++)
        if (text_is(field, owned))
            return true;
    return false;
}

int32_t
config_entry_owner(const struct config *config, struct text field)
{
    for (uint32_t i = 0; i < config->trigger_count; i++)
        if (config_entry_owns(config, i, field))
            return (int32_t)i;
    return -1;
}

static bool
take_prefix(struct text *text, const char *prefix)
{
    size_t bytes = strlen(prefix);
    CHECK(text->data != NULL || text->bytes == 0);
    if (text->bytes < bytes || memcmp(text->data, prefix, bytes) != 0)
        return false;
    *text = (struct text){text->data + bytes, text->bytes - bytes};
    return true;
}

/* `name` has neither a number nor `public.`. */
static bool
entry_is_named(const struct config *config, uint32_t index, struct text name)
{
    CHECK(index < config->trigger_count);
    if (!take_prefix(&name, config_table_bare(config->triggers[index].table)))
        return false;
    if (name.bytes == 0)
        return config_entry_field(config, index, 0) == NULL;
    return take_prefix(&name, ".") && config_entry_owns(config, index, name);
}

/* The `number`-th entry of this name, from 1. */
static int32_t
find_numbered(const struct config *config, struct text name, uint32_t number)
{
    struct text bare = name;
    CHECK(number > 0);
    bool is_public = take_prefix(&bare, "public.");
    for (uint32_t i = 0; i < config->trigger_count; i++) {
        bool named =
            entry_is_named(config, i, name) || (is_public && entry_is_named(config, i, bare));
        if (named && --number == 0)
            return (int32_t)i;
    }
    return -1;
}

/* Removes "#N" from the end of `name`; 0: it has no number. */
static uint32_t
take_number(struct text *name)
{
    uint32_t number = 0;
    uint32_t unit = 1;
    size_t at = name->bytes;
    for (int i = 0;
         i < NUMBER_DIGITS_MAX && at > 0 && name->data[at - 1] >= '0' && name->data[at - 1] <= '9';
         i++, unit *= 10)
        number += (uint32_t)(name->data[--at] - '0') * unit;
    CHECK(at <= name->bytes);
    if (number < 2 || name->data[at] == '0' || at == 0 || name->data[at - 1] != '#')
        return 0;
    name->bytes = at - 1;
    return number;
}

/* `name` has no level. */
static int32_t
find_own(const struct config *config, struct text name)
{
    CHECK(config->triggers != NULL || config->trigger_count == 0);
    int32_t found = find_numbered(config, name, 1);
    uint32_t number = found < 0 ? take_number(&name) : 0;
    return number > 0 ? find_numbered(config, name, number) : found;
}

/* Removes "/N" from the end of `name`; 0: it has no level. */
static uint32_t
take_level(struct text *name)
{
    _Static_assert(CONFIG_LINKS_MAX <= 9, "a level is one digit");
    size_t at = name->bytes;
    if (at < 2 || name->data[at - 2] != '/' || name->data[at - 1] < '1' || name->data[at - 1] > '9')
        return 0;
    name->bytes = at - 2;
    return (uint32_t)(name->data[at - 1] - '0');
}

int32_t
config_entry_find_level(const struct config *config, struct text name, uint32_t *level)
{
    int32_t found = find_own(config, name);
    *level = found < 0 ? take_level(&name) : 0;
    if (*level == 0)
        return found;
    found = find_own(config, name);
    CHECK(found < (int32_t)config->trigger_count);
    return found >= 0 && *level < config->triggers[found].link_count ? found : -1;
}

int32_t
config_entry_find(const struct config *config, struct text name)
{
    uint32_t level;
    return config_entry_find_level(config, name, &level);
}

void
config_entry_append_level(uint32_t level, struct buffer *out)
{
    CHECK(level < CONFIG_LINKS_MAX);
    if (level > 0)
        buffer_append_format(out, "/%u", level);
}

void
config_entry_append_name(const struct config *config, uint32_t index, struct buffer *out)
{
    struct buffer name = {0};
    uint32_t number = 0;
    CHECK(index < config->trigger_count);
    const char *field = config_entry_field(config, index, 0);
    buffer_append_text(&name, config_table_bare(config->triggers[index].table));
    if (field != NULL)
        buffer_append_format(&name, ".%s", field);
    for (uint32_t i = 0; i <= index; i++)
        number += entry_is_named(config, i, text_of(buffer_string(&name)));
    CHECK(number > 0);
    if (number > 1)
        buffer_append_format(&name, "#%u", number);
    buffer_append(out, name.data, name.bytes);
    buffer_free(&name);
}
