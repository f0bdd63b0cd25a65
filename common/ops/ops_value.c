#include "common/ops/ops_value.h"

#include <math.h>

#include "common/base/check.h"

#define EXACT_MAX 9007199254740992.0 /* 2^53 */

static struct value
value_of_float(double real)
{
    CHECK(isfinite(real));
    if (fabs(real) <= EXACT_MAX && real == (double)(int64_t)real)
        return (struct value){.kind = VALUE_INTEGER, .integer = (int64_t)real};
    return (struct value){.kind = VALUE_FLOAT, .real = real};
}

bool
ops_value_from_scalar(const struct json_value *json, struct value *value)
{
    switch (json->kind) {
    case JSON_NULL:
        *value = (struct value){.kind = VALUE_NULL};
        return true;
    case JSON_BOOLEAN:
        *value = (struct value){.kind = VALUE_BOOLEAN, .boolean = json->boolean};
        return true;
    case JSON_INTEGER:
        *value = (struct value){.kind = VALUE_INTEGER, .integer = json->integer};
        return true;
    case JSON_FLOAT:
        *value = value_of_float(json->real);
        return true;
    case JSON_STRING:
        *value = (struct value){.kind = VALUE_STRING, .string = json->string};
        return true;
    default:
        return false;
    }
}
