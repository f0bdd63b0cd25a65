/* A bounded JSON reader.
 *
 * It accepts RFC 8259 (UTF-8 checked, one value, no trailing bytes) and keeps the difference
 * between integers and floats. It refuses what the grammar allows but parts of the system cannot
 * keep or read differently: a NUL in a string, half a surrogate pair, a repeated key. No global
 * state; one arena belongs to one thread.
 */
#ifndef COMMON_JSON_JSON_PARSE_H
#define COMMON_JSON_JSON_PARSE_H

#include "common/base/error.h"
#include "common/json/json_value.h"

/* ERR_DATA with the byte when `text` is not one JSON value, or nests more than `max_depth` arrays
 * and objects (`[[]]` nests 2; with 0 only scalars are accepted). The message never quotes `text`.
 * The result lives in `arena` and does not point into `text`. After an error `arena` may have
 * grown. */
int json_parse(struct text text, uint32_t max_depth, struct arena *arena,
               const struct json_value **value, struct error *err);

#endif
