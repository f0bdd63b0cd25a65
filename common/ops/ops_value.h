/* JSON scalars as values, in the same way in ops and in queries. Pure; any thread.
 *
 * Numbers are exact (F90). A number without a fraction is an integer, in every notation: 3.0 is 3,
 * and so is 0.3e1. Any other is a float: its double is between the same two integers as the number,
 * or beyond 64 bits on the same side. There is no value for a number whose double is an integer,
 * although the number is not (2.9999999999999999999), nor for one beyond all doubles (1e400).
 */
#ifndef COMMON_OPS_OPS_VALUE_H
#define COMMON_OPS_OPS_VALUE_H

#include "common/base/error.h"
#include "common/json/json_value.h"
#include "common/ops/op.h"

/* A string is not copied. ERR_DATA, with the reason in ASCII: `json` is an array or object, or such
 * a number. */
int ops_value_from_scalar(const struct json_value *json, struct value *value, struct error *err);

#endif
