/* The settings tables: one per section, each setting with its type, bounds, default, unit and
 * meaning. Reading, printing and the reference manual all walk these tables. Constant data.
 */
#ifndef COMMON_CONFIG_CONFIG_SETTINGS_H
#define COMMON_CONFIG_CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/memory.h"

enum setting_type {
    SETTING_TEXT,    /* const char *; NULL when not given */
    SETTING_INTEGER, /* int32_t, uint32_t or int64_t */
    SETTING_FLAG,    /* bool */
    SETTING_CHOICE,  /* an enum, by its words */
    SETTING_NAMES,   /* a list of texts: const char *const *, with a count */
    SETTING_SECTION, /* a struct with a table of its own */
    SETTING_ITEMS,   /* a list of such structs: pointer, with a count */
    SETTING_KAFKA,   /* struct config_kafka: names that are not ours */
};

struct choice {
    const char *word; /* NULL ends the list */
    int value;        /* the first word of a value is the one that is printed */
};

/* A rule for a text: NULL, or what it must be ("must be ..."). */
typedef const char *(*setting_rule)(const char *text);

struct setting {
    const char *name;
    const char *alias; /* accepted as well */
    enum setting_type type;
    bool is_required;     /* where its section is given; a text, choice, list or integer > 0 */
    bool is_connection;   /* printed through config_redact() */
    size_t offset;        /* within the section's struct */
    size_t bytes;         /* of the member */
    size_t count_offset;  /* of lists */
    int64_t minimum;      /* of integers */
    int64_t maximum;      /* of integers */
    int64_t fallback;     /* default of integers and choices; flags are false */
    const char *text;     /* default of texts */
    setting_rule rule;    /* of texts and names */
    const char *kind;     /* of texts, in the manual; NULL: "text" */
    const char *standard; /* default in words, where it is not a constant */
    const struct choice *choices;
    const struct section *section; /* of sections and items */
    const char *unit;
    const char *meaning;
};

struct section {
    const char *meaning; /* in the manual */
    const struct setting *settings;
    uint32_t count;
    size_t bytes;        /* of the struct that it is read into */
    size_t place_offset; /* of a struct config_place; 0: none */
    /* An item that is a text instead of a map: fills the item, or says what it must be. */
    const char *(*read_short)(struct arena *arena, const char *text, void *item);
    /* Fills what follows from other settings of the item, or says what it must be; may be NULL. */
    const char *(*complete)(void *item);
};

enum { CONFIG_LIST_MAX = 1000 };

/* The whole file: struct config. */
extern const struct section config_settings;

/* Where the setting's value stands in the section's struct at `base`. */
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
uint32_t setting_count(const struct setting *setting, const void *base);
const char *setting_text(const struct setting *setting, const void *base);
/* The word of the present value; NULL when it has none. */
const char *setting_word(const struct setting *setting, const void *base);
/* Has it a value that can be written into a file? A section: has all that it requires. */
bool setting_is_set(const struct setting *setting, const void *base);

#endif
