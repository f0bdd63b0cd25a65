#include "consumer/engine/scalar.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/closest.h"
#include "common/base/number.h"

/* Integers below have at most 24 digits. */
#define SHOWN_INTEGERS_END 1e24

static const char *
scalar_wanted(const struct field *field)
{
    switch (field->type) {
    case FIELD_BOOLEAN:
        return "true or false";
    case FIELD_STRING:
        return "a string";
    default:
        CHECK(field->type == FIELD_SINGLE_VALUE || field->type == FIELD_MULTI_VALUE);
        return "an integer";
    }
}

static const char *
value_kind_name(enum value_kind kind)
{
    static const char *const names[] = {
        [VALUE_NULL] = "null",        [VALUE_INTEGER] = "an integer",
        [VALUE_FLOAT] = "a float",    [VALUE_BOOLEAN] = "a boolean",
        [VALUE_STRING] = "a string",  [VALUE_INTEGERS] = "an array",
        [VALUE_STRINGS] = "an array",
    };
    CHECK(kind < sizeof names / sizeof names[0]);
    return names[kind];
}

/* False: a fraction, or a number so large that a double does not identify one integer: 2^53 is also
 * what is left of 2^53 + 0.5 and of 2^53 + 1 (F90). */
static bool
scalar_integer_of(double real, int64_t *number)
{
    if (!(fabs(real) < 0x1p53) || real != trunc(real))
        return false;
    *number = (int64_t)real;
    return true;
}

/* The number as a message shows it: an integer with all its digits, another one with as many as
 * determine it. */
static const char *
scalar_show(double real, char text[NUMBER_TEXT_BYTES])
{
    if (fabs(real) < SHOWN_INTEGERS_END && real == trunc(real))
        snprintf(text, NUMBER_TEXT_BYTES, "%.0f", real);
    else if (isfinite(real))
        number_format(real, text, NUMBER_TEXT_BYTES);
    else
        snprintf(text, NUMBER_TEXT_BYTES, "a number beyond all floats");
    return text;
}

static bool
scalar_take_integer(const struct value *value, struct scalar *scalar)
{
    if (value->kind == VALUE_FLOAT)
        return scalar_integer_of(value->real, &scalar->number);
    scalar->number = value->kind == VALUE_INTEGER ? value->integer : 0;
    return value->kind == VALUE_INTEGER;
}

int
scalar_from_value(const struct field *field, const struct value *value, struct scalar *scalar,
                  struct error *err)
{
    CHECK(value->kind <= VALUE_STRINGS);
    scalar->number = 0;
    scalar->string = (struct text){0};
    bool fits;
    if (field->type == FIELD_BOOLEAN) {
        fits = value->kind == VALUE_BOOLEAN;
        scalar->number = fits && value->boolean;
    } else if (field->type == FIELD_STRING) {
        fits = value->kind == VALUE_STRING;
        scalar->string = fits ? value->string : (struct text){0};
    } else {
        fits = scalar_take_integer(value, scalar);
    }
    if (fits)
        return 0;
    char text[NUMBER_TEXT_BYTES];
    if (value->kind == VALUE_FLOAT && field->type != FIELD_BOOLEAN && field->type != FIELD_STRING)
        return error_set(err, ERR_DATA, "field \"%.*s\" takes an integer, not %s",
                         TEXT_ARGS(field->name), scalar_show(value->real, text));
    return error_set(err, ERR_DATA, "field \"%.*s\" takes %s, not %s", TEXT_ARGS(field->name),
                     scalar_wanted(field), value_kind_name(value->kind));
}

bool
scalar_is_no_integer(const struct field *field, const struct value *value)
{
    struct scalar scalar;
    return value->kind == VALUE_FLOAT && field->type != FIELD_BOOLEAN &&
           field->type != FIELD_STRING && !scalar_take_integer(value, &scalar);
}

/* Gives the scalar the text of a value that is no string. */
static void
scalar_write_text(const struct value *value, struct scalar *scalar)
{
    if (value->kind == VALUE_INTEGER)
        snprintf(scalar->digits, SCALAR_DIGITS_BYTES, "%lld", (long long)value->integer);
    else if (value->kind == VALUE_FLOAT)
        number_format(value->real, scalar->digits, SCALAR_DIGITS_BYTES);
    else
        snprintf(scalar->digits, SCALAR_DIGITS_BYTES, "%s", value->boolean ? "true" : "false");
    scalar->number = 0;
    scalar->string = text_of(scalar->digits);
    CHECK(scalar->string.bytes > 0);
}

/* False: the text is no integer of 64 bits, without blanks and without a plus sign. */
static bool
scalar_read_integer(struct text text, int64_t *number)
{
    char digits[SCALAR_DIGITS_BYTES];
    if (text.bytes == 0 || text.bytes >= sizeof digits ||
        (text.data[0] != '-' && (text.data[0] < '0' || text.data[0] > '9')))
        return false;
    memcpy(digits, text.data, text.bytes);
    digits[text.bytes] = '\0';
    char *end;
    errno = 0;
    *number = strtoll(digits, &end, 10);
    return errno == 0 && end == digits + text.bytes;
}

int
scalar_from_untyped(const struct field *field, const struct value *value, struct scalar *scalar,
                    struct error *err)
{
    CHECK(value->kind <= VALUE_STRING); /* the grammar of queries has no arrays as values */
    if (field->type == FIELD_STRING) {
        if (value->kind == VALUE_INTEGER || value->kind == VALUE_FLOAT ||
            value->kind == VALUE_BOOLEAN) {
            scalar_write_text(value, scalar);
            return 0;
        }
        return scalar_from_value(field, value, scalar, err);
    }
    struct value typed = *value;
    if (value->kind == VALUE_STRING && field->type == FIELD_BOOLEAN &&
        (text_is(value->string, "true") || text_is(value->string, "false")))
        typed = (struct value){.kind = VALUE_BOOLEAN, .boolean = text_is(value->string, "true")};
    int64_t number;
    if (value->kind == VALUE_STRING && field->type != FIELD_BOOLEAN &&
        scalar_read_integer(value->string, &number))
        typed = (struct value){.kind = VALUE_INTEGER, .integer = number};
    if (typed.kind == VALUE_STRING) /* as it was written: a number that no value is too (F90) */
        return error_set(err, ERR_DATA, "field \"%.*s\" takes %s, not \"%.*s\"",
                         TEXT_ARGS(field->name), scalar_wanted(field),
                         TEXT_ARGS(closest_shown(typed.string)));
    return scalar_from_value(field, &typed, scalar, err);
}

bool
scalar_find_key(const struct field *field, const struct scalar *scalar, int64_t *key)
{
    *key = scalar->number;
    if (field->type != FIELD_STRING)
        return true;
    uint32_t code;
    if (!dictionary_find(&field->dictionary, scalar->string, &code))
        return false;
    CHECK(code < field->dictionary.count);
    *key = code;
    return true;
}

int64_t
scalar_make_key(struct field *field, const struct scalar *scalar)
{
    if (field->type == FIELD_STRING) {
        uint32_t code = dictionary_add(&field->dictionary, scalar->string);
        if (field->ignores_case)
            case_index_add(&field->cases, &field->dictionary, code);
        return code;
    }
    CHECK(scalar->number >= field->min && scalar->number <= field->max);
    return scalar->number;
}

/* The value of a comparison, rounded down and up to integers. `above` and `below`: it is beyond the
 * integers of 64 bits, on that side. */
struct range_bound {
    int64_t floor;
    int64_t ceil;
    bool above;
    bool below;
};

static int
scalar_bound(const struct field *field, const struct value *value, struct range_bound *bound,
             struct error *err)
{
    *bound = (struct range_bound){0};
    if (value->kind == VALUE_INTEGER) {
        bound->floor = bound->ceil = value->integer;
        return 0;
    }
    if (value->kind != VALUE_FLOAT || isnan(value->real))
        return error_set(err, ERR_DATA, "field \"%.*s\" is compared with a number, not %s",
                         TEXT_ARGS(field->name), value_kind_name(value->kind));
    bound->above = value->real >= 0x1p63;
    bound->below = value->real < -0x1p63;
    if (!bound->above && !bound->below) {
        bound->floor = (int64_t)floor(value->real);
        bound->ceil = (int64_t)ceil(value->real);
        CHECK(bound->floor <= bound->ceil);
    }
    return 0;
}

int
scalar_range(const struct field *field, enum filter_kind kind, const struct value *value,
             int64_t *low, int64_t *high, struct error *err)
{
    if (field->type == FIELD_BOOLEAN || field->type == FIELD_STRING)
        return error_set(err, ERR_DATA, "field \"%.*s\" has no order to compare by",
                         TEXT_ARGS(field->name));
    CHECK(kind >= FILTER_GT && kind <= FILTER_LTE);
    struct range_bound bound;
    int rc = scalar_bound(field, value, &bound, err);
    if (rc != 0)
        return rc;
    bool greater = kind == FILTER_GT || kind == FILTER_GTE;
    *low = INT64_MIN;
    *high = INT64_MAX;
    if (greater ? bound.below : bound.above)
        return 0;
    bool none = bound.above || bound.below || (kind == FILTER_GT && bound.floor == INT64_MAX) ||
                (kind == FILTER_LT && bound.ceil == INT64_MIN);
    if (none) {
        *low = INT64_MAX;
        *high = INT64_MIN;
    } else if (greater) {
        *low = kind == FILTER_GT ? bound.floor + 1 : bound.ceil;
    } else {
        *high = kind == FILTER_LT ? bound.ceil - 1 : bound.floor;
    }
    CHECK(greater || none || *low == INT64_MIN);
    CHECK(!greater || none || *high == INT64_MAX);
    return 0;
}
