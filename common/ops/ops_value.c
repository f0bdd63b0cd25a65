#include "common/ops/ops_value.h"

#include <math.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/exact_number.h"

enum { LITERAL_SHOWN_BYTES = 48 };

static int
refuse_number(const char *literal, const char *reason, struct error *err)
{
    bool is_cut = strlen(literal) > LITERAL_SHOWN_BYTES;
    return error_set(err, ERR_DATA, "%.*s%s %s", LITERAL_SHOWN_BYTES, literal, is_cut ? "..." : "",
                     reason);
}

static int
value_of_float(const struct json_value *json, struct value *value, struct error *err)
{
    double real = json->real;
    struct exact_number number;
    exact_number_read(text_of(json->literal), &number);
    if (number.range == EXACT_IN_RANGE && number.is_integer) {
        *value = (struct value){.kind = VALUE_INTEGER, .integer = number.floor};
        return 0;
    }
    if (!isfinite(real))
        return refuse_number(json->literal, "is beyond the range of floats", err);
    bool is_integer_of_64_bits = real == trunc(real) && real >= -0x1p63 && real < 0x1p63;
    if (is_integer_of_64_bits && number.is_integer)
        return refuse_number(json->literal, "does not fit 64 bits", err);
    if (real == trunc(real) && !number.is_integer)
        return refuse_number(json->literal, "is not an integer, and no float is near enough", err);
    *value = (struct value){.kind = VALUE_FLOAT, .real = real};
    return 0;
}

int
ops_value_from_scalar(const struct json_value *json, struct value *value, struct error *err)
{
    switch (json->kind) {
    case JSON_NULL:
        *value = (struct value){.kind = VALUE_NULL};
        return 0;
    case JSON_BOOLEAN:
        *value = (struct value){.kind = VALUE_BOOLEAN, .boolean = json->boolean};
        return 0;
    case JSON_INTEGER:
        *value = (struct value){.kind = VALUE_INTEGER, .integer = json->integer};
        return 0;
    case JSON_FLOAT:
        CHECK(json->literal != NULL);
        return value_of_float(json, value, err);
    case JSON_STRING:
        *value = (struct value){.kind = VALUE_STRING, .string = json->string};
        return 0;
    default:
        return error_set(err, ERR_DATA, "is an %s", json_kind_name(json->kind));
    }
}
