/* One value as a field of a given type takes it: the type rules of engine.h, in one place. */
#ifndef CONSUMER_ENGINE_SCALAR_H
#define CONSUMER_ENGINE_SCALAR_H

#include "common/base/error.h"
#include "common/ops/filter.h"
#include "common/ops/op.h"

struct field;

enum { SCALAR_DIGITS_BYTES = 32 };

struct scalar {
    int64_t number;                   /* integers; booleans as 0 and 1 */
    struct text string;               /* the value's, or points into `digits` */
    char digits[SCALAR_DIGITS_BYTES]; /* so a scalar must not move */
};

/* ERR_DATA, naming the field, when `value` is no single value of the field's type. Does not look at
 * the field's bounds. */
int scalar_from_value(const struct field *field, const struct value *value, struct scalar *scalar,
                      struct error *err);

/* The same for a value without a type of its own, out of a fan-out's query: what reads as a value
 * of the field's type is one. A number for a string field is its shortest text. */
int scalar_from_untyped(const struct field *field, const struct value *value, struct scalar *scalar,
                        struct error *err);

/* The integers x with `x kind value`, for FILTER_GT .. FILTER_LTE, are low .. high; low > high when
 * there are none. ERR_DATA when the field has no order or `value` is no number. */
int scalar_range(const struct field *field, enum filter_kind kind, const struct value *value,
                 int64_t *low, int64_t *high, struct error *err);

#endif
