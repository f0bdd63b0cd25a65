/* One value as a field of a given type takes it: the only place that implements the type rules of
 * engine.h. Any thread; scalar_find_key() only reads the field, scalar_make_key() writes to it.
 */
#ifndef CONSUMER_ENGINE_SCALAR_H
#define CONSUMER_ENGINE_SCALAR_H

#include "common/base/error.h"
#include "common/ops/filter.h"
#include "common/ops/op.h"
#include "consumer/engine/field.h"

enum { SCALAR_DIGITS_BYTES = 32 };

struct scalar {
    int64_t number;                   /* an integer; 0 or 1 for a boolean */
    struct text string;               /* points to the value's text, or into `digits` */
    char digits[SCALAR_DIGITS_BYTES]; /* so a scalar must not move */
};

/* ERR_DATA, naming the field: `value` is not one value of the field's type. Does not check the
 * bounds of the field. */
int scalar_from_value(const struct field *field, const struct value *value, struct scalar *scalar,
                      struct error *err);

/* Is `value` a float that is equal to no integer, and the field one of integers? Queries can
 * compare them; no slot has the value. */
bool scalar_is_no_integer(const struct field *field, const struct value *value);

/* The same as scalar_from_value() for a value of a fan-out's query, which has no type of its own:
 * it is a value of the field's type if it can be read as one. A number for a string field is its
 * shortest text. */
int scalar_from_untyped(const struct field *field, const struct value *value, struct scalar *scalar,
                        struct error *err);

/* The key (field.h) of a scalar. False: a string that no slot ever had. */
bool scalar_find_key(const struct field *field, const struct scalar *scalar, int64_t *key);
/* The same for a value that is to be stored: adds a string to the dictionary if it is new. */
int64_t scalar_make_key(struct field *field, const struct scalar *scalar);

/* For a comparison FILTER_GT to FILTER_LTE with `value`: the integers that satisfy it are `*low` to
 * `*high`; `*low` > `*high` when no integer does. ERR_DATA: the field has no order, or `value` is
 * not a number. */
int scalar_range(const struct field *field, enum filter_kind kind, const struct value *value,
                 int64_t *low, int64_t *high, struct error *err);

#endif
