/* JSON scalars as values, in the same way in ops and in queries. Pure; any thread.
 *
 * A number without a fraction is an integer: 3.0 is 3, and so is 0.3e1. Beyond 2^53 a double does
 * not determine which integer was written, so such a float stays a float.
 */
#ifndef COMMON_OPS_OPS_VALUE_H
#define COMMON_OPS_OPS_VALUE_H

#include "common/json/json_value.h"
#include "common/ops/op.h"

/* False when `json` is an array or object. A string is not copied. */
bool ops_value_from_scalar(const struct json_value *json, struct value *value);

#endif
