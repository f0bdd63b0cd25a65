#include "common/config/config_read.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/config/config_foreign.h"
#include "common/config/config_kafka.h"

static int
read_ruled_text(const struct config_reader *reader, const struct setting *setting,
                const struct config_node *node, const char **text)
{
    CHECK(setting->type == SETTING_TEXT || setting->type == SETTING_NAMES);
    int rc = config_node_text(reader, node, text);
    const char *demand = rc == 0 && setting->rule != NULL ? setting->rule(*text) : NULL;
    return demand != NULL ? config_refuse(reader, node, "%s", demand) : rc;
}

/* Decimal, without '+' and leading zeros: what all versions of YAML read in the same way. */
static bool
parse_integer(const struct config_node *node, int64_t *value)
{
    CHECK(node->kind == NODE_SCALAR);
    const char *digits = node->text + (node->text[0] == '-');
    size_t count = strspn(digits, "0123456789");
    if (!node->is_plain || count == 0 || digits[count] != '\0' || (digits[0] == '0' && count > 1))
        return false;
    errno = 0;
    *value = strtoll(node->text, NULL, 10);
    return errno == 0 || errno == ERANGE; /* strtoll() saturates: the value is out of bounds */
}

static int
read_integer(const struct config_reader *reader, const struct setting *setting,
             const struct config_node *node, void *place)
{
    int64_t value;
    CHECK(setting->bytes == sizeof(int32_t) || setting->bytes == sizeof(int64_t));
    if (node->kind != NODE_SCALAR)
        return config_node_expect(reader, node, NODE_SCALAR, "an integer");
    if (!parse_integer(node, &value))
        return config_refuse(reader, node, "must be an integer");
    if (value < setting->minimum || value > setting->maximum)
        return config_refuse(reader, node, "must be from %" PRId64 " to %" PRId64 "%s%s",
                             setting->minimum, setting->maximum, setting->unit != NULL ? " " : "",
                             setting->unit != NULL ? setting->unit : "");
    if (setting->bytes == sizeof(int64_t))
        *(int64_t *)place = value;
    else
        *(int32_t *)place = (int32_t)value;
    CHECK(setting->bytes == sizeof(int64_t) || (int32_t)value == value);
    return 0;
}

/* "0" or "1", and perhaps "." and one to three digits: what all versions of YAML read in the same
 * way. */
static bool
parse_share(const struct config_node *node, double *share)
{
    CHECK(node->kind == NODE_SCALAR);
    static const int scales[] = {0, 100, 10, 1};
    const char *text = node->text;
    size_t digits = 0;
    if (!node->is_plain || (text[0] != '0' && text[0] != '1'))
        return false;
    if (text[1] == '.')
        digits = strspn(text + 2, "0123456789");
    if (text[1] != '\0' && (digits == 0 || digits > 3 || text[2 + digits] != '\0'))
        return false;
    long parts = digits > 0 ? strtol(text + 2, NULL, 10) * scales[digits] : 0;
    *share = (text[0] - '0') + (double)parts / SHARE_UNIT;
    return *share <= 1;
}

static int
read_share(const struct config_reader *reader, const struct config_node *node, double *share)
{
    if (node->kind != NODE_SCALAR)
        return config_node_expect(reader, node, NODE_SCALAR, "a number");
    if (!parse_share(node, share))
        return config_refuse(reader, node, "must be a number from 0 to 1, such as 0.25");
    CHECK(*share >= 0 && *share <= 1);
    return 0;
}

static int
read_flag(const struct config_reader *reader, const struct config_node *node, bool *flag)
{
    *flag = node->kind == NODE_SCALAR && strcmp(node->text, "true") == 0;
    if (node->kind == NODE_SCALAR && node->is_plain && (*flag || strcmp(node->text, "false") == 0))
        return 0;
    return config_refuse(reader, node, "must be true or false");
}

static int
read_choice(const struct config_reader *reader, const struct setting *setting,
            const struct config_node *node, int *value)
{
    CHECK(setting->type == SETTING_CHOICE);
    CHECK(setting->choices != NULL);
    struct buffer words;
    buffer_init(&words);
    bool found = false;
    for (const struct choice *choice = setting->choices; choice->word != NULL; choice++) {
        buffer_append_format(&words, "%s%s", words.bytes > 0 ? ", " : "", choice->word);
        if (node->kind == NODE_SCALAR && !found && strcmp(node->text, choice->word) == 0) {
            *value = choice->value;
            found = true;
        }
    }
    int rc = found ? 0 : config_refuse(reader, node, "must be one of: %s", buffer_string(&words));
    buffer_free(&words);
    return rc;
}

static int
expect_list(const struct config_reader *reader, const struct setting *setting,
            const struct config_node *node)
{
    int64_t maximum = setting->maximum > 0 ? setting->maximum : CONFIG_LIST_MAX;
    CHECK(setting->type == SETTING_NAMES || setting->type == SETTING_ITEMS);
    if (node->kind == NODE_LIST && node->count > maximum)
        return config_refuse(reader, node, "must have at most %" PRId64 " items", maximum);
    if (node->kind == NODE_LIST && node->count == 0 && setting->is_required)
        return config_refuse(reader, node, "must not be empty");
    if (setting->may_be_one)
        return config_node_expect(reader, node, NODE_LIST, "a map, or a list of maps");
    return config_node_expect(reader, node, NODE_LIST, "a list");
}

/* Into list[item->index]; NULL when it is refused. */
static int
read_name(const struct config_reader *reader, const struct setting *setting,
          const struct config_node *item, const char **list)
{
    const char **name = &list[item->index];
    int rc = config_node_is_refused(reader, item) ? ERR_USAGE
                                                  : read_ruled_text(reader, setting, item, name);
    for (uint32_t i = 0; rc == 0 && i < item->index; i++)
        if (list[i] != NULL && strcmp(list[i], *name) == 0)
            rc = config_refuse(reader, item, "duplicate, as item %u", i);
    if (rc != 0)
        *name = NULL;
    return rc;
}

static int
read_names(const struct config_reader *reader, const struct setting *setting,
           const struct config_node *node, const char ***names)
{
    int rc = expect_list(reader, setting, node);
    if (rc != 0)
        return rc;
    const char **list = arena_alloc(reader->arena, (node->count + 1) * sizeof *list);
    for (struct config_node *item = node->first; item != NULL; item = item->next) {
        CHECK(item->index < node->count);
        if (read_name(reader, setting, item, list) != 0)
            rc = ERR_USAGE;
        config_node_bind(item, &list[item->index], sizeof list[item->index]);
    }
    *names = list;
    return rc;
}

/* The settings that a short form fills follow the same rules as those of a map. */
static int
read_short(const struct config_reader *reader, const struct section *section,
           const struct config_node *node, void *base)
{
    const char *demand = section->read_short(reader->arena, node->text, base);
    for (uint32_t i = 0; i < section->count && demand == NULL; i++) {
        const struct setting *setting = &section->settings[i];
        if (setting->type != SETTING_TEXT)
            continue; /* keeps its default */
        const char *text = setting_text(setting, base);
        demand = text != NULL && setting->rule != NULL ? setting->rule(text) : NULL;
    }
    return demand != NULL ? config_refuse(reader, node, "%s", demand) : 0;
}

static int
read_items(const struct config_reader *reader, const struct setting *setting,
           struct config_node *node, void **items)
{
    const struct section *section = setting->section;
    if (setting->may_be_one && node->kind == NODE_MAP) {
        *items = memset(arena_alloc(reader->arena, section->bytes), 0, section->bytes);
        return config_read_section(reader, section, node, *items);
    }
    int rc = expect_list(reader, setting, node);
    if (rc != 0)
        return rc;
    size_t bytes = (node->count + 1) * section->bytes;
    char *list = memset(arena_alloc(reader->arena, bytes), 0, bytes);
    for (struct config_node *item = node->first; item != NULL; item = item->next) {
        CHECK(item->index < node->count);
        char *place = list + item->index * section->bytes;
        if (config_read_section(reader, section, item, place) == 0)
            continue;
        memset(place, 0, section->bytes); /* later checks leave it out */
        rc = ERR_USAGE;
    }
    *items = list;
    return rc;
}

/* The count is 0 unless there is a list. */
static int
read_list(const struct config_reader *reader, const struct setting *setting,
          struct config_node *node, void *base)
{
    void *place = setting_place(setting, base);
    uint32_t *count = (uint32_t *)(void *)((char *)base + setting->count_offset);
    int rc = setting->type == SETTING_ITEMS ? read_items(reader, setting, node, place)
                                            : read_names(reader, setting, node, place);
    if (*(void **)place == NULL)
        return rc;
    *count = setting->may_be_one && node->kind == NODE_MAP ? 1 : node->count;
    return rc;
}

static void
refuse_unknown(const struct config_reader *reader, const struct config_node *node)
{
    const char *reason = config_foreign_reason(node);
    CHECK(node->key != NULL);
    if (config_node_is_refused(reader, node))
        return;
    config_refuse_extra(reader, node, "%s", reason != NULL ? reason : "unknown setting");
}

/* A map with the key `map_key` stands for its text. */
static int
read_text(const struct config_reader *reader, const struct setting *setting,
          const struct config_node *node, const char **text)
{
    const struct config_node *found = NULL;
    if (setting->map_key == NULL || node->kind != NODE_MAP)
        return read_ruled_text(reader, setting, node, text);
    for (const struct config_node *child = node->first; child != NULL; child = child->next)
        if (strcmp(child->key, setting->map_key) == 0)
            found = child;
        else
            refuse_unknown(reader, child);
    if (found == NULL)
        return config_refuse_missing(reader, node, setting->map_key);
    return config_node_is_refused(reader, found) ? ERR_USAGE
                                                 : read_ruled_text(reader, setting, found, text);
}

static int
read_setting(const struct config_reader *reader, const struct setting *setting,
             struct config_node *node, void *base)
{
    void *place = setting_place(setting, base);
    config_node_bind(node, place, setting->bytes);
    if (config_node_is_refused(reader, node))
        return ERR_USAGE; /* a key that is given twice, a variable that is not set */
    switch (setting->type) {
    case SETTING_TEXT:
        return read_text(reader, setting, node, place);
    case SETTING_INTEGER:
        return read_integer(reader, setting, node, place);
    case SETTING_SHARE:
        return read_share(reader, node, place);
    case SETTING_FLAG:
        return read_flag(reader, node, place);
    case SETTING_CHOICE:
        return read_choice(reader, setting, node, place);
    case SETTING_NAMES:
    case SETTING_ITEMS:
        return read_list(reader, setting, node, base);
    case SETTING_SECTION:
        return config_read_section(reader, setting->section, node, place);
    case SETTING_KAFKA:
        return config_kafka_read(reader, node, place);
    default:
        CHECK(false);
    }
    return 0;
}

static void
fill_defaults(const struct section *section, void *base)
{
    for (uint32_t i = 0; i < section->count; i++) {
        const struct setting *setting = &section->settings[i];
        void *place = setting_place(setting, base);
        if (setting->type == SETTING_SECTION)
            fill_defaults(setting->section, place);
        else if (setting->type == SETTING_TEXT)
            *(const char **)place = setting->text;
        else if (setting->type == SETTING_INTEGER && setting->bytes == sizeof(int64_t))
            *(int64_t *)place = setting->fallback;
        else if (setting->type == SETTING_SHARE)
            *(double *)place = (double)setting->fallback / SHARE_UNIT;
        else if (setting->type == SETTING_INTEGER || setting->type == SETTING_CHOICE)
            *(int32_t *)place = (int32_t)setting->fallback;
    }
}

static const struct setting *
section_find(const struct section *section, const char *name)
{
    for (uint32_t i = 0; i < section->count; i++) {
        const struct setting *setting = &section->settings[i];
        if (strcmp(setting->name, name) == 0 ||
            (setting->alias != NULL && strcmp(setting->alias, name) == 0))
            return setting;
    }
    return NULL;
}

/* Adds the setting to `*seen`, a bitmap of the section's settings. */
static int
read_child(const struct config_reader *reader, const struct section *section,
           struct config_node *child, void *base, uint64_t *seen)
{
    const struct setting *setting = section_find(section, child->key);
    if (setting == NULL) {
        refuse_unknown(reader, child);
        return 0;
    }
    uint64_t bit = UINT64_C(1) << (setting - section->settings);
    if ((*seen & bit) != 0 && !config_node_is_refused(reader, child)) /* by config_yaml.c */
        return config_refuse_key(reader, child, "duplicate: %s and %s are one setting",
                                 setting->name, setting->alias);
    *seen |= bit;
    return read_setting(reader, setting, child, base);
}

static int
read_map(const struct config_reader *reader, const struct section *section,
         const struct config_node *node, void *base)
{
    uint64_t seen = 0;
    int rc = 0;
    CHECK(section->count <= SECTION_SETTINGS_MAX);
    const struct config_node *foreign = config_foreign_find(node);
    if (foreign != NULL && section_find(section, foreign->key) == NULL)
        return config_refuse_key(reader, foreign, "%s", config_foreign_reason(foreign));
    for (struct config_node *child = node->first; child != NULL; child = child->next)
        if (read_child(reader, section, child, base, &seen) != 0)
            rc = ERR_USAGE;
    for (uint32_t i = 0; i < section->count; i++)
        if (section->settings[i].is_required && (seen >> i & 1) == 0)
            rc = config_refuse_missing(reader, node, section->settings[i].name);
    return rc;
}

int
config_read_section(const struct config_reader *reader, const struct section *section,
                    struct config_node *node, void *base)
{
    CHECK(section->bytes > 0);
    config_node_bind(node, base, section->bytes);
    fill_defaults(section, base);
    if (section->place_offset > 0)
        *(struct config_place *)(void *)((char *)base + section->place_offset) =
            (struct config_place){node->line, node->column};
    bool has_short = section->read_short != NULL;
    int rc = 0;
    if (node->kind == NODE_SCALAR && has_short)
        rc = read_short(reader, section, node, base);
    else if (node->kind == NODE_MAP)
        rc = read_map(reader, section, node, base);
    else
        rc = config_node_expect(reader, node, NODE_MAP, has_short ? "a map or a text" : "a map");
    const char *demand =
        rc == 0 && section->complete != NULL ? section->complete(reader->arena, base) : NULL;
    return demand != NULL ? config_refuse(reader, node, "%s", demand) : rc;
}
