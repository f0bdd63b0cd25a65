/* The JSON form of ops (the column "BitdexOps".ops and the body of POST /ops): parse with
 * validation, and write.
 *
 * Parsing is total: any byte string gives ops or a reason. Source of the form: the surface that
 * existing trigger functions write, e.g. [{"op":"set","field":"nsfwLevel","value":16}]. What is
 * accepted can always be written as an event (event_codec.h). Any thread.
 */
#ifndef COMMON_OPS_OPS_JSON_H
#define COMMON_OPS_OPS_JSON_H

#include "common/base/error.h"
#include "common/ops/op.h"

struct buffer;
struct json_value;

/* L10: what is larger is rejected with a reason. */
struct ops_limits {
    uint32_t row_bytes;    /* the whole JSON text */
    uint32_t row_items;    /* ops, nested ops and array items of one row, all together */
    uint32_t depth;        /* JSON nesting, as json_parse counts it */
    uint32_t name_bytes;   /* a field name */
    uint32_t string_bytes; /* one string value */
    uint32_t array_items;  /* one array value */
    uint32_t query_bytes;  /* a fan-out's query */
};

extern const struct ops_limits ops_limits_default;

/* Which partitions a row goes to. The rule is the same in every version and depends on the row's
 * kind alone, never on whether it is valid or within limits:
 *
 *     A row is a fan-out when its text is JSON by the grammar of RFC 8259 and an array, and one of
 *     the array's elements is an object with a member "op" that is the string "queryOpSet".
 *
 * Nothing else counts: not the depth, the size, the range of a number, a repeated key or what the
 * other elements are. (All that a jsonb column returns is JSON by the grammar.) */
enum ops_route {
    OPS_ROUTE_ENTITY, /* to the partition of its entity_id */
    OPS_ROUTE_ALL,    /* a fan-out: to every partition */
};

/* Parses and validates `json`. On success returns 0 with `*ops` in `arena`; `json` may go. On
 * ERR_DATA `err` says what is wrong and where ("ops[3].value: is an object"), in ASCII, without
 * quoting the row. `*route` is filled in both cases.
 *
 * Refused: not an array, empty array, unknown op, a missing or empty "field" of set, remove and
 * add, a missing "value" of those three, null for remove and add, an object as a value, an array
 * that holds anything but integers or anything but strings, mixed slot ops and fan-outs, a fan-out
 * without ops, a fan-out or alive inside a fan-out, a query that does not parse
 * (filter_parse_query), anything beyond `limits`. Members that an op does not use are ignored.
 *
 * A number without a fraction is VALUE_INTEGER however it is written (ops_value.h): 3.0 is 3. */
int ops_json_parse(struct text json, const struct ops_limits *limits, struct arena *arena,
                   struct ops *ops, enum ops_route *route, struct error *err);

/* The same from a parsed JSON array (POST /ops); `row_bytes` and `depth` are up to who parsed it.
 * Texts of `ops` are those of `array`. */
int ops_json_from_value(const struct json_value *array, const struct ops_limits *limits,
                        struct arena *arena, struct ops *ops, enum ops_route *route,
                        struct error *err);

/* Appends the canonical JSON array of `ops` (used by dead letters and dumps). */
void ops_json_write(const struct ops *ops, struct buffer *out);

#endif
