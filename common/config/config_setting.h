/* One setting and one section of the configuration, as the tables of config_settings.h describe
 * them, and the values of a setting. Any thread. For this room only.
 */
#ifndef COMMON_CONFIG_CONFIG_SETTING_H
#define COMMON_CONFIG_CONFIG_SETTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/memory.h"

enum setting_type {
    SETTING_TEXT,    /* const char *; NULL: not given, and without a default */
    SETTING_INTEGER, /* int32_t, uint32_t or int64_t */
    SETTING_SHARE,   /* double from 0 to 1, with at most three decimals */
    SETTING_FLAG,    /* bool */
    SETTING_CHOICE,  /* an enum, which has words for its values */
    SETTING_NAMES,   /* a list of texts: const char *const *, with a count */
    SETTING_SECTION, /* a struct with its own table */
    SETTING_ITEMS,   /* a list of such structs: pointer, with a count */
    SETTING_KAFKA,   /* struct config_kafka, with the names of librdkafka */
};

struct choice {
    const char *word; /* NULL ends the list */
    int value;        /* the first word of a value is printed */
};

/* A rule for a text: returns NULL, or a message that begins with "must". */
typedef const char *(*setting_rule)(const char *text);

struct setting {
    const char *name;
    const char *alias; /* another accepted name */
    enum setting_type type;
    bool is_required;     /* if its section is given; a text, choice, list or integer > 0 */
    bool is_connection;   /* printed through config_redact() */
    bool may_be_one;      /* of items: a map stands for a list of one, which is printed so */
    const char *map_key;  /* of texts: a map with this key stands for its text */
    bool is_reloaded;     /* SIGHUP puts a change into effect */
    bool hides_default;   /* of an integer or flag: printed only with another value */
    size_t offset;        /* in the struct of the section */
    size_t bytes;         /* of the member */
    size_t count_offset;  /* of lists */
    int64_t minimum;      /* of integers */
    int64_t maximum;      /* of integers; the number of items, 0: CONFIG_LIST_MAX */
    int64_t fallback;     /* default of integers, choices, and shares in thousandths; flags are
                             false */
    const char *text;     /* default of texts */
    setting_rule rule;    /* of texts and names */
    const char *kind;     /* of texts, in the reference; NULL: "text" */
    const char *standard; /* the default in words, if it is not a constant */
    const struct choice *choices;
    const struct section *section; /* of sections and items */
    const char *unit;
    const char *meaning;
};

struct section {
    const char *meaning; /* in the reference */
    const struct setting *settings;
    uint32_t count;
    size_t bytes;        /* of the struct that it is read into */
    size_t place_offset; /* of a struct config_place; 0: none */
    /* Fills an item from a text instead of a map; a message that begins with "must", or NULL. */
    const char *(*read_short)(struct arena *arena, const char *text, void *item);
    /* Fills settings that follow from others; a message that begins with "must", or NULL. May be
     * NULL. */
    const char *(*complete)(struct arena *arena, void *item);
};

/* The unit of `fallback` of a share. */
#define SHARE_UNIT 1000.0

enum { CONFIG_LIST_MAX = 1000, SECTION_SETTINGS_MAX = 64 };

/* Checks that the table of a section, and those inside it, are consistent. */
void section_check(const struct section *section);

/* The address of the value in the struct of the section at `base`. */
static inline void *
setting_place(const struct setting *setting, void *base)
{
    return (char *)base + setting->offset;
}

static inline const void *
setting_value(const struct setting *setting, const void *base)
{
    return (const char *)base + setting->offset;
}

int64_t setting_integer(const struct setting *setting, const void *base);
double setting_share(const struct setting *setting, const void *base);
uint32_t setting_count(const struct setting *setting, const void *base);
const char *setting_text(const struct setting *setting, const void *base);
/* The word of the current value; NULL: the value has no word. */
const char *setting_word(const struct setting *setting, const void *base);
/* Whether the setting has a value that can be written into a file. For a section: whether its
 * required settings have one. */
bool setting_is_set(const struct setting *setting, const void *base);

#endif
