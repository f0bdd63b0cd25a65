#include "producer/triggers/type_fit.h"

#include <string.h>

#include "common/base/check.h"
#include "common/config/config_fields.h"

/* What the values of a type are in an op. */
enum value_class {
    CLASS_INTEGER,
    CLASS_NUMBER, /* may have a fraction */
    CLASS_BOOLEAN,
    CLASS_TEXT,
    CLASS_JSON, /* anything */
};

/* Is it the name of a number's type, or of an array of these? */
static bool
names_number(const char *type)
{
    static const char *const numbers[] = {"numeric", "real", "double precision"};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        size_t bytes = strlen(numbers[i]);
        if (strncmp(type, numbers[i], bytes) == 0 &&
            (type[bytes] == '\0' || strcmp(type + bytes, "[]") == 0))
            return true;
    }
    return false;
}

static bool
names_integer_array(const char *type)
{
    return strcmp(type, "smallint[]") == 0 || strcmp(type, "integer[]") == 0 ||
           strcmp(type, "bigint[]") == 0;
}

static enum value_class
class_of(const struct entry_value *value)
{
    CHECK(value->form <= FORM_TEXT);
    if (value->form == FORM_JSON)
        return CLASS_JSON;
    if (names_number(value->type_name))
        return CLASS_NUMBER;
    if (strcmp(value->type_name, "boolean[]") == 0)
        return CLASS_BOOLEAN;
    if (value->wire == WIRE_INTEGER || names_integer_array(value->type_name))
        return CLASS_INTEGER;
    return value->wire == WIRE_BOOLEAN ? CLASS_BOOLEAN : CLASS_TEXT;
}

static enum type_fit fit_integer(enum value_class class)
{
    if (class == CLASS_INTEGER)
        return FIT_ALL;
    return class == CLASS_NUMBER ? FIT_SOME : FIT_NONE;
}

enum type_fit
type_fit_of(const struct config_index *index, const struct entry_value *value)
{
    enum config_field_type type;
    if (!config_index_find_type(index, value->target, &type))
        return FIT_ALL;
    enum value_class class = class_of(value);
    if (class == CLASS_JSON)
        return FIT_SOME;
    if (entry_form_is_array(value->form) && type != FIELD_MULTI_VALUE)
        return FIT_NONE;
    switch (type) {
    case FIELD_MULTI_VALUE:
        return class == CLASS_TEXT ? FIT_ALL : fit_integer(class);
    case FIELD_SINGLE_VALUE:
        return fit_integer(class);
    case FIELD_BOOLEAN:
        return class == CLASS_BOOLEAN ? FIT_ALL : FIT_NONE;
    case FIELD_STRING:
        return class == CLASS_TEXT ? FIT_ALL : FIT_NONE;
    default:
        CHECK(false);
        return FIT_NONE;
    }
}

const char *
type_fit_wanted(const struct config_index *index, const struct entry_value *value)
{
    static const char *const wanted[] = {
        [FIELD_SINGLE_VALUE] = "an integer",
        [FIELD_MULTI_VALUE] = "integers or strings",
        [FIELD_BOOLEAN] = "true or false",
        [FIELD_STRING] = "a string",
    };
    enum config_field_type type;
    bool found = config_index_find_type(index, value->target, &type);
    CHECK(found);
    return wanted[type];
}
