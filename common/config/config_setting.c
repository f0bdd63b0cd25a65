#include "common/config/config_setting.h"

#include <string.h>

#include "common/base/check.h"
#include "common/config/config.h"

static void
choices_check(const struct setting *setting)
{
    bool has_fallback = setting->is_required || setting->standard != NULL;
    CHECK(setting->bytes == sizeof(int));
    CHECK(setting->choices != NULL);
    CHECK(setting->choices[0].word != NULL);
    for (const struct choice *choice = setting->choices; choice->word != NULL; choice++)
        has_fallback = has_fallback || choice->value == setting->fallback;
    CHECK(has_fallback);
}

static void
integer_check(const struct setting *setting)
{
    CHECK(setting->bytes == sizeof(int32_t) || setting->bytes == sizeof(int64_t));
    CHECK(setting->minimum <= setting->maximum);
    CHECK(setting->bytes == sizeof(int64_t) || setting->maximum <= INT32_MAX);
    CHECK(setting->is_required ||
          (setting->fallback >= setting->minimum && setting->fallback <= setting->maximum));
}

static void
setting_check(const struct setting *setting)
{
    switch (setting->type) {
    case SETTING_TEXT:
        CHECK(setting->bytes == sizeof(const char *));
        CHECK(setting->text == NULL || setting->rule == NULL ||
              setting->rule(setting->text) == NULL);
        break;
    case SETTING_INTEGER:
        integer_check(setting);
        break;
    case SETTING_SHARE:
        CHECK(setting->bytes == sizeof(double));
        CHECK(setting->fallback >= 0 && setting->fallback <= (int64_t)SHARE_UNIT);
        break;
    case SETTING_FLAG:
        CHECK(setting->bytes == sizeof(bool));
        break;
    case SETTING_CHOICE:
        choices_check(setting);
        break;
    case SETTING_NAMES:
        CHECK(setting->count_offset > 0);
        break;
    case SETTING_ITEMS:
        CHECK(setting->count_offset > 0);
        section_check(setting->section);
        break;
    case SETTING_SECTION:
        CHECK(setting->bytes == setting->section->bytes);
        section_check(setting->section);
        break;
    case SETTING_KAFKA:
        CHECK(setting->bytes == sizeof(struct config_kafka));
        break;
    default:
        CHECK(false);
    }
}

void
section_check(const struct section *section)
{
    CHECK(section->bytes > 0);
    CHECK(section->count > 0 && section->count <= SECTION_SETTINGS_MAX);
    for (uint32_t i = 0; i < section->count; i++) {
        const struct setting *setting = &section->settings[i];
        bool is_nested = setting->section != NULL || setting->type == SETTING_KAFKA;
        CHECK(is_nested || setting->meaning != NULL);
        CHECK(setting->offset + setting->bytes <= section->bytes);
        CHECK(setting->alias == NULL || strcmp(setting->alias, setting->name) != 0);
        for (uint32_t j = 0; j < i; j++)
            CHECK(strcmp(section->settings[j].name, setting->name) != 0);
        setting_check(setting);
    }
}

int64_t
setting_integer(const struct setting *setting, const void *base)
{
    const void *value = setting_value(setting, base);
    CHECK(setting->type == SETTING_INTEGER);
    CHECK(setting->bytes == sizeof(int32_t) || setting->bytes == sizeof(int64_t));
    return setting->bytes == sizeof(int32_t) ? *(const int32_t *)value : *(const int64_t *)value;
}

double
setting_share(const struct setting *setting, const void *base)
{
    CHECK(setting->type == SETTING_SHARE);
    double share = *(const double *)setting_value(setting, base);
    CHECK(share >= 0 && share <= 1);
    return share;
}

uint32_t
setting_count(const struct setting *setting, const void *base)
{
    CHECK(setting->type == SETTING_NAMES || setting->type == SETTING_ITEMS);
    return *(const uint32_t *)((const char *)base + setting->count_offset);
}

const char *
setting_text(const struct setting *setting, const void *base)
{
    CHECK(setting->type == SETTING_TEXT);
    return *(const char *const *)setting_value(setting, base);
}

const char *
setting_word(const struct setting *setting, const void *base)
{
    CHECK(setting->type == SETTING_CHOICE);
    int value = *(const int *)setting_value(setting, base);
    for (const struct choice *choice = setting->choices; choice->word != NULL; choice++)
        if (choice->value == value)
            return choice->word;
    return NULL;
}

static bool
section_is_set(const struct section *section, const void *base)
{
    for (uint32_t i = 0; i < section->count; i++)
        if (section->settings[i].is_required && !setting_is_set(&section->settings[i], base))
            return false;
    return true;
}

bool
setting_is_set(const struct setting *setting, const void *base)
{
    switch (setting->type) {
    case SETTING_TEXT:
        return setting_text(setting, base) != NULL;
    case SETTING_CHOICE:
        return setting_word(setting, base) != NULL;
    case SETTING_NAMES:
    case SETTING_ITEMS:
        return setting_count(setting, base) > 0;
    case SETTING_SECTION:
        return section_is_set(setting->section, setting_value(setting, base));
    case SETTING_KAFKA:
        return ((const struct config_kafka *)setting_value(setting, base))->present;
    case SETTING_INTEGER:
        return !setting->hides_default || setting_integer(setting, base) != setting->fallback;
    case SETTING_FLAG:
        return !setting->hides_default || *(const bool *)setting_value(setting, base);
    case SETTING_SHARE:
        return true;
    default:
        CHECK(false);
    }
    return false;
}
