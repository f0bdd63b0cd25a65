/* The JSON form of ops, as the column "BitdexOps".ops and the body of POST /ops hold it: a parser
 * that validates, and a writer.
 *
 * Every byte string gives ops or a reason. The form is what existing trigger functions write, for
 * example [{"op":"set","field":"nsfwLevel","value":16}]. Ops that are accepted can always be
 * written as an event (event_codec.h). Any thread.
 */
#ifndef COMMON_OPS_OPS_JSON_H
#define COMMON_OPS_OPS_JSON_H

#include "common/base/error.h"
#include "common/ops/op.h"
#include "common/ops/ops_invalid.h"
#include "common/ops/ops_limits.h"

struct buffer;
struct json_value;

/* The partitions that a row goes to, and what it is there. The rule is the same in every version:
 *
 *     A row is a fan-out when its text is JSON by the grammar of RFC 8259 and an array, and one of
 *     the array's elements is an object with a member "op" that is the string "queryOpSet". Else it
 *     is one of parents' requests when one of the elements is an object with a member "op" that is
 *     the string "refresh" and with a member "key" or "all", of any value.
 *
 * The rule does not depend on whether the row is valid or within limits: the depth, the size, the
 * range of numbers, repeated keys and the other elements do not matter. (A jsonb column returns
 * only JSON by the grammar.) */
enum ops_route {
    OPS_ROUTE_ENTITY,   /* to the partition of its entity_id */
    OPS_ROUTE_FAN_OUT,  /* a fan-out: to every partition */
    OPS_ROUTE_REQUESTS, /* parents' requests: to every partition */
};

/* Parses and validates `json`. Returns 0 with `*ops` in `arena`, which do not point into `json`; or
 * ERR_DATA with the place and the reason in `err` ("ops[3].value: is an object"), in ASCII, without
 * quoting the row, numbers aside. Sets `*route` in both cases.
 *
 * Refused: a text that is not an array, an empty array, an unknown op, a missing or empty "field"
 * of set, remove and add, a missing "value" of those three, null for remove and add, an object as a
 * value, an array with other items than integers or than strings, mixed slot ops and fan-outs, a
 * fan-out without ops, a fan-out, alive or refresh inside a fan-out, a query that does not parse
 * (filter_parse_query), a refresh with "key" or "all" beside any other op or without an entry, with
 * both, with a key that is neither an integer nor a string, with an "all" that is not true, with an
 * entry and fields, without a name in its fields, everything beyond `limits`. Members that an op
 * does not use are ignored.
 *
 * Numbers are exact (ops_value.h): one without a fraction is VALUE_INTEGER in every notation. */
int ops_json_parse(struct text json, const struct ops_limits *limits, struct arena *arena,
                   struct ops *ops, enum ops_route *route, struct error *err);

/* The same from a parsed JSON array (POST /ops). The parser of `array` has to enforce `row_bytes`
 * and `depth`. The texts of `ops` are those of `array`. */
int ops_json_from_value(const struct json_value *array, const struct ops_limits *limits,
                        struct arena *arena, struct ops *ops, enum ops_route *route,
                        struct error *err);

/* Parses a row of the outbox: as ops_json_parse(), but what is refused of a value of set, remove or
 * add, nested ones included, costs this op alone (ops_invalid.h), and so does a missing value. An
 * object {"invalid":"reason"} gives its reason. `*ops` has no op when all fell away. Every value in
 * `stored` (NULL: none) is invalid, for the stored reason; `*invalids`, in `arena`, are all that
 * are. The texts of `*ops` may point into `json`. */
int ops_json_parse_row(struct text json, const struct ops_limits *limits,
                       const struct ops_invalids *stored, struct arena *arena, struct ops *ops,
                       enum ops_route *route, struct ops_invalids *invalids, struct error *err);

/* Parses the JSON of one value, as the member "value" of a `set` has it: what ops_json_parse()
 * accepts of a value, and nothing else. Of the limits, those of a value and its items apply. The
 * result is in `arena`. ERR_DATA says why ("is an object"). */
int ops_json_parse_value(struct text json, const struct ops_limits *limits, struct arena *arena,
                         struct value *value, struct error *err);

/* Appends the canonical JSON array of `ops`, for dead letters and dumps. */
void ops_json_write(const struct ops *ops, struct buffer *out);

#endif
