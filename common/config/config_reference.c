#include "common/config/config_reference.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/config/config_kafka.h"
#include "common/config/config_settings.h"

static void
append_type(struct buffer *out, const struct setting *setting)
{
    switch (setting->type) {
    case SETTING_TEXT:
        buffer_append_text(out, setting->kind != NULL ? setting->kind : "text");
        break;
    case SETTING_INTEGER:
        buffer_append_format(out, "%" PRId64 " to %" PRId64, setting->minimum, setting->maximum);
        buffer_append_format(out, "%s%s", setting->unit != NULL ? " " : "",
                             setting->unit != NULL ? setting->unit : "");
        break;
    case SETTING_SHARE:
        buffer_append_text(out, "0 to 1");
        break;
    case SETTING_FLAG:
        buffer_append_text(out, "true, false");
        break;
    case SETTING_CHOICE:
        for (const struct choice *choice = setting->choices; choice->word != NULL; choice++)
            buffer_append_format(out, "%s%s", choice > setting->choices ? ", " : "", choice->word);
        break;
    default:
        CHECK(setting->type == SETTING_NAMES);
        buffer_append_format(out, "list of %ss", setting->kind != NULL ? setting->kind : "text");
    }
}

static void
append_default_choice(struct buffer *out, const struct setting *setting)
{
    const struct choice *choice = setting->choices;
    while (choice->word != NULL && choice->value != setting->fallback)
        choice++;
    CHECK(choice->word != NULL);
    buffer_append_text(out, choice->word);
}

static void
append_default(struct buffer *out, const struct setting *setting)
{
    if (setting->is_required)
        buffer_append_text(out, "required");
    else if (setting->standard != NULL)
        buffer_append_text(out, setting->standard);
    else if (setting->type == SETTING_INTEGER)
        buffer_append_format(out, "%" PRId64, setting->fallback);
    else if (setting->type == SETTING_SHARE)
        buffer_append_format(out, "%.3g", (double)setting->fallback / SHARE_UNIT);
    else if (setting->type == SETTING_FLAG)
        buffer_append_text(out, "false");
    else if (setting->type == SETTING_CHOICE)
        append_default_choice(out, setting);
    else
        buffer_append_text(out, setting->text != NULL ? setting->text : "none");
}

static bool
setting_is_nested(const struct setting *setting)
{
    return setting->type == SETTING_SECTION || setting->type == SETTING_ITEMS ||
           setting->type == SETTING_KAFKA;
}

static void append_chapter(struct buffer *out, const struct setting *setting, const char *path);

static void
append_section(struct buffer *out, const struct section *section, const char *path)
{
    bool has_head = false;
    for (uint32_t i = 0; i < section->count; i++) {
        const struct setting *setting = &section->settings[i];
        if (setting_is_nested(setting))
            continue;
        if (!has_head)
            buffer_append_text(out,
                               "\n| setting | value | default | meaning |\n|---|---|---|---|\n");
        has_head = true;
        buffer_append_format(out, "| `%s` | ", setting->name);
        append_type(out, setting);
        buffer_append_text(out, " | ");
        append_default(out, setting);
        CHECK(setting->meaning != NULL);
        buffer_append_format(out, " | %s%s |\n", setting->meaning,
                             setting->is_reloaded ? " SIGHUP reloads it." : "");
    }
    for (uint32_t i = 0; i < section->count; i++)
        if (setting_is_nested(&section->settings[i]))
            append_chapter(out, &section->settings[i], path);
}

static void
append_chapter(struct buffer *out, const struct setting *setting, const char *path)
{
    if (setting->type == SETTING_KAFKA) {
        config_kafka_reference(out);
        return;
    }
    CHECK(setting_is_nested(setting));
    char *own_path = memory_format("%s%s%s%s", path, path[0] != '\0' ? "." : "", setting->name,
                                   setting->type == SETTING_ITEMS ? "[]" : "");
    buffer_append_format(out, "\n%s %s\n\n%s\n", path[0] != '\0' ? "###" : "##", own_path,
                         setting->section->meaning);
    if (setting->alias != NULL)
        buffer_append_format(out, "The section may also be named `%s`.\n", setting->alias);
    append_section(out, setting->section, own_path);
    free(own_path);
}

void
config_reference(struct buffer *out)
{
    config_settings_check();
    buffer_append_text(
        out, "# Configuration\n\n"
             "Both programs read one YAML file; [bitdex.yaml](../config/bitdex.yaml) is an example "
             "with comments.\nUnknown keys, wrong types, values out of bounds and references to "
             "fields that do not exist are errors\nwith file, line and column; one run reports all "
             "of them, at most 50. `${NAME}` in a value is replaced by\nthe environment variable "
             "`NAME`, which must be set; `$${` is replaced by `${`. Anchors, aliases and tags are\n"
             "refused. This page is generated from the settings tables of the programs.\n");
    append_section(out, &config_settings, "");
}
