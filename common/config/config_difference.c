#include "common/config/config_difference.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/config/config_settings.h"

static bool section_is_same(const struct section *section, const void *a, const void *b);

static bool
text_is_same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
names_are_same(const struct setting *setting, const void *a, const void *b)
{
    const char *const *names_a = *(const char *const *const *)setting_value(setting, a);
    const char *const *names_b = *(const char *const *const *)setting_value(setting, b);
    uint32_t count = setting_count(setting, a);
    if (count != setting_count(setting, b))
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (!text_is_same(names_a[i], names_b[i]))
            return false;
    return true;
}

static bool
items_are_same(const struct setting *setting, const void *a, const void *b)
{
    const char *items_a = *(const char *const *)setting_value(setting, a);
    const char *items_b = *(const char *const *)setting_value(setting, b);
    uint32_t count = setting_count(setting, a);
    CHECK(setting->section->bytes > 0);
    if (count != setting_count(setting, b))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        size_t offset = i * setting->section->bytes;
        if (!section_is_same(setting->section, items_a + offset, items_b + offset))
            return false;
    }
    return true;
}

static bool
kafka_settings_are_same(const struct config_kafka_settings *a,
                        const struct config_kafka_settings *b)
{
    if (a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++)
        if (!text_is_same(a->items[i].name, b->items[i].name) ||
            !text_is_same(a->items[i].value, b->items[i].value))
            return false;
    return true;
}

static bool
kafka_is_same(const struct config_kafka *a, const struct config_kafka *b)
{
    return a->present == b->present && kafka_settings_are_same(&a->common, &b->common) &&
           kafka_settings_are_same(&a->producer, &b->producer) &&
           kafka_settings_are_same(&a->consumer, &b->consumer);
}

static bool
setting_is_same(const struct setting *setting, const void *a, const void *b)
{
    switch (setting->type) {
    case SETTING_TEXT:
        return text_is_same(setting_text(setting, a), setting_text(setting, b));
    case SETTING_NAMES:
        return names_are_same(setting, a, b);
    case SETTING_ITEMS:
        return items_are_same(setting, a, b);
    case SETTING_SECTION:
        return section_is_same(setting->section, setting_value(setting, a),
                               setting_value(setting, b));
    case SETTING_KAFKA:
        return kafka_is_same(setting_value(setting, a), setting_value(setting, b));
    default: /* numbers */
        CHECK(setting->bytes <= sizeof(int64_t));
        return memcmp(setting_value(setting, a), setting_value(setting, b), setting->bytes) == 0;
    }
}

static bool
section_is_same(const struct section *section, const void *a, const void *b)
{
    for (uint32_t i = 0; i < section->count; i++)
        if (!setting_is_same(&section->settings[i], a, b))
            return false;
    return true;
}

static void
difference_list(const struct section *section, const char *path, const void *a, const void *b,
                struct buffer *reloaded, struct buffer *fixed)
{
    for (uint32_t i = 0; i < section->count; i++) {
        const struct setting *setting = &section->settings[i];
        if (setting_is_same(setting, a, b))
            continue;
        char *own = memory_format("%s%s%s", path, path[0] != '\0' ? "." : "", setting->name);
        struct buffer *list = setting->is_reloaded ? reloaded : fixed;
        if (setting->type == SETTING_SECTION)
            difference_list(setting->section, own, setting_value(setting, a),
                            setting_value(setting, b), reloaded, fixed);
        else
            buffer_append_format(list, "%s%s", list->bytes > 0 ? ", " : "", own);
        free(own);
    }
}

void
config_difference(const struct config *a, const struct config *b, struct buffer *reloaded,
                  struct buffer *fixed)
{
    CHECK(reloaded != fixed);
    difference_list(&config_settings, "", a, b, reloaded, fixed);
}
