/* A value of a binary COPY as the value of an op, which a trigger function would write of it (F84).
 * Pure; any thread.
 */
#ifndef PRODUCER_LOAD_WIRE_VALUE_H
#define PRODUCER_LOAD_WIRE_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/ops/op.h"
#include "producer/triggers/entry.h"

/* `bytes` is the column of the value, not null. The result may point into `bytes` and `arena`.
 * ERR_DATA, with the reason: no op carries such a value. ERR_FATAL: the bytes are not such a
 * column. */
int wire_value_read(const struct entry_value *value, struct text bytes, struct arena *arena,
                    struct value *out, struct error *err);

/* An integer that stands for an infinite point in time, which no op carries. */
bool wire_value_is_infinite(const struct entry_value *value, int64_t integer);

/* Checks a value that a trigger function writes as a list of one item: that of a field of several
 * values. ERR_DATA: it cannot be an item. */
int wire_value_check_item(const struct value *value, struct error *err);

#endif
