/* YAML in block style, from the settings tables. A text that is not a plain word is quoted, with
 * escapes that all versions of YAML have.
 */
#include "common/config/config_print.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "common/base/check.h"
#include "common/base/utf8.h"
#include "common/config/config_kafka.h"
#include "common/config/config_redact.h"
#include "common/config/config_settings.h"

enum { INDENT = 2 };

/* Words that are not texts in some versions of YAML. */
static bool
word_is_special(const char *text)
{
    static const char *const words[] = {"true", "false", "null", "yes", "no",
                                        "on",   "off",   "y",    "n"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcasecmp(text, words[i]) == 0)
            return true;
    return false;
}

static bool
text_is_plain(const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    if (text[0] == '\0' || strchr(letters, text[0]) == NULL || word_is_special(text))
        return false;
    return text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                             "0123456789_./-")] == '\0';
}

/* Printable in YAML 1.2, and not a line break in YAML 1.1. */
static bool
code_point_is_printable(uint32_t code)
{
    if (code < 0x80)
        return code >= 0x20 && code != 0x7f;
    return code >= 0xa0 && code != 0x2028 && code != 0x2029 && code != 0xfeff && code != 0xfffe &&
           code != 0xffff;
}

static void
print_quoted(struct buffer *out, const char *text)
{
    buffer_append_text(out, "\"");
    while (*text != '\0') {
        uint32_t code;
        size_t bytes = utf8_decode(text, &code);
        CHECK(bytes > 0); /* texts are checked when they are read */
        if (strncmp(text, "${", 2) == 0)
            buffer_append_text(out, "$$"); /* not a variable when it is read again */
        else if (*text == '"' || *text == '\\')
            buffer_append_format(out, "\\%c", *text);
        else if (*text == '\n')
            buffer_append_text(out, "\\n");
        else if (!code_point_is_printable(code))
            buffer_append_format(out, "\\u%04X", code);
        else
            buffer_append(out, text, bytes);
        text += bytes;
    }
    buffer_append_text(out, "\"");
}

static void
print_text(struct buffer *out, const char *text)
{
    CHECK(text != NULL);
    if (text_is_plain(text))
        buffer_append_text(out, text);
    else
        print_quoted(out, text);
}

static void
print_indent(struct buffer *out, int indent)
{
    CHECK(indent >= 0);
    CHECK(indent % INDENT == 0);
    buffer_append_format(out, "%*s", indent, "");
}

static void
print_connection(struct buffer *out, const char *connection_string)
{
    CHECK(connection_string != NULL);
    struct buffer redacted;
    buffer_init(&redacted);
    config_redact(connection_string, &redacted);
    print_text(out, buffer_string(&redacted));
    buffer_free(&redacted);
}

static void
print_names(struct buffer *out, const struct setting *setting, const void *base)
{
    const char *const *names = *(const char *const *const *)setting_value(setting, base);
    for (uint32_t i = 0; i < setting_count(setting, base); i++) {
        buffer_append_text(out, i == 0 ? "[" : ", ");
        print_text(out, names[i]);
    }
    buffer_append_text(out, "]");
}

static void
print_kafka_settings(struct buffer *out, const struct config_kafka_settings *settings, int indent)
{
    CHECK(settings->items != NULL || settings->count == 0);
    for (uint32_t i = 0; i < settings->count; i++) {
        const struct config_kafka_setting *setting = &settings->items[i];
        CHECK(setting->name != NULL && setting->value != NULL);
        print_indent(out, indent);
        buffer_append_format(out, "%s: ", setting->name);
        print_quoted(out, config_kafka_is_secret(setting) ? "***" : setting->value);
        buffer_append_text(out, "\n");
    }
}

static void
print_kafka_side(struct buffer *out, const char *name, const struct config_kafka_settings *settings,
                 int indent)
{
    print_indent(out, indent);
    buffer_append_format(out, "%s:%s\n", name, settings->count == 0 ? " {}" : "");
    print_kafka_settings(out, settings, indent + INDENT);
}

static void
print_kafka(struct buffer *out, const struct config_kafka *kafka, int indent)
{
    print_kafka_settings(out, &kafka->common, indent);
    print_kafka_side(out, "producer", &kafka->producer, indent);
    print_kafka_side(out, "consumer", &kafka->consumer, indent);
}

static void print_section(struct buffer *out, const struct section *section, const void *base,
                          int indent);

static void
print_items(struct buffer *out, const struct setting *setting, const void *base, int indent)
{
    const char *items = *(const char *const *)setting_value(setting, base);
    CHECK(setting->section != NULL && setting->section->bytes > 0);
    CHECK(items != NULL || setting_count(setting, base) == 0);
    if (setting->may_be_one && setting_count(setting, base) == 1) {
        print_section(out, setting->section, items, indent);
        return;
    }
    for (uint32_t i = 0; i < setting_count(setting, base); i++) {
        size_t start = out->bytes;
        print_section(out, setting->section, items + i * setting->section->bytes, indent + INDENT);
        CHECK(out->bytes > start + (size_t)indent);
        CHECK(out->data[start + (size_t)indent] == ' ');
        out->data[start + (size_t)indent] = '-'; /* before the first setting */
    }
}

static void
print_scalar(struct buffer *out, const struct setting *setting, const void *base)
{
    switch (setting->type) {
    case SETTING_TEXT:
        if (setting->is_connection)
            print_connection(out, setting_text(setting, base));
        else
            print_text(out, setting_text(setting, base));
        break;
    case SETTING_INTEGER:
        buffer_append_format(out, "%" PRId64, setting_integer(setting, base));
        break;
    case SETTING_SHARE:
        buffer_append_format(out, "%.3g", setting_share(setting, base));
        break;
    case SETTING_FLAG:
        buffer_append_text(out, *(const bool *)setting_value(setting, base) ? "true" : "false");
        break;
    case SETTING_CHOICE:
        buffer_append_text(out, setting_word(setting, base));
        break;
    default:
        CHECK(setting->type == SETTING_NAMES);
        print_names(out, setting, base);
    }
}

static bool
print_nested(struct buffer *out, const struct setting *setting, const void *base, int indent)
{
    const void *value = setting_value(setting, base);
    switch (setting->type) {
    case SETTING_SECTION:
        print_section(out, setting->section, value, indent);
        return true;
    case SETTING_ITEMS:
        print_items(out, setting, base, indent);
        return true;
    case SETTING_KAFKA:
        print_kafka(out, value, indent);
        return true;
    default:
        return false;
    }
}

static void
print_setting(struct buffer *out, const struct setting *setting, const void *base, int indent)
{
    CHECK(setting_is_set(setting, base));
    print_indent(out, indent);
    buffer_append_format(out, "%s:\n", setting->name);
    size_t head = out->bytes;
    bool is_nested = print_nested(out, setting, base, indent + INDENT);
    if (out->bytes > head)
        return;
    CHECK(out->data[head - 1] == '\n');
    out->bytes--; /* on the same line */
    buffer_append_text(out, " ");
    if (is_nested)
        buffer_append_text(out, "{}");
    else
        print_scalar(out, setting, base);
    buffer_append_text(out, "\n");
}

static void
print_section(struct buffer *out, const struct section *section, const void *base, int indent)
{
    CHECK(base != NULL);
    CHECK(section->count > 0);
    for (uint32_t i = 0; i < section->count; i++)
        if (setting_is_set(&section->settings[i], base))
            print_setting(out, &section->settings[i], base, indent);
}

void
config_print(const struct config *config, struct buffer *out)
{
    print_section(out, &config_settings, config, 0);
}
