/* Ops as Postgres prints them, read in place: the fast path of ops_json_parse_row().
 *
 * It knows the plain slot ops that triggers write, one space after each comma and colon, as the
 * output of jsonb has them: alive, delete, and set, remove and add of an integer, a boolean, a
 * string in ASCII without escapes, or (set) null. Everything else, also everything that is invalid
 * or beyond a limit, is left to the parser of JSON. Any thread.
 */
#ifndef COMMON_OPS_OPS_PRINTED_H
#define COMMON_OPS_OPS_PRINTED_H

#include <stdbool.h>

#include "common/ops/op.h"
#include "common/ops/ops_limits.h"

/* Returns whether `json` was read. If so, `*ops` are in `arena`, their texts point into `json`, and
 * they are what ops_json_parse() makes of it. Without success `arena` may have grown. */
bool ops_printed_parse(struct text json, const struct ops_limits *limits, struct arena *arena,
                       struct ops *ops);

#endif
