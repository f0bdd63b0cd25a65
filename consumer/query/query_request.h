/* The query language over HTTP: JSON body in, engine query out. No I/O.
 *
 *     {"filters":[{"Eq":["nsfwLevel",{"Integer":1}]},{"In":["tagIds",[{"Integer":1}]]},
 *                 {"IsNull":"poi"},{"Not":{...}},{"And":[...]},{"Or":[...]}],
 *      "sort":{"field":"sortAt","direction":"Desc"},"limit":20,"offset":0,
 *      "cursor":{"sort_value":7,"slot_id":123}}
 *
 * Every member may be absent or null. The list under "filters" is an AND; what each filter matches
 * is told in engine.h. Values are {"Integer":n}, {"Float":x}, {"Bool":b}, {"String":"s"}; plain
 * JSON scalars are accepted as well, null is not: there is IsNull. The direction is "Desc" (the
 * default) or "Asc". Without "sort": by id, descending. In a cursor, `slot_id` is the entity id and
 * `sort_value` null (or absent) is a null sort value; without "sort" it is ignored. A cursor wins
 * over an offset. Default limit 20; limit 0 only counts.
 */
#ifndef CONSUMER_QUERY_QUERY_REQUEST_H
#define CONSUMER_QUERY_QUERY_REQUEST_H

#include "common/base/error.h"
#include "common/base/memory.h"
#include "consumer/engine/engine.h"

struct query_limits {
    uint64_t limit;   /* largest limit + offset */
    uint32_t depth;   /* nesting of filters: one that stands in the list is 1 deep */
    uint32_t clauses; /* filters of every kind plus the values in lists */
};

struct query_request {
    struct engine_query query;
    struct engine_page_key page_key; /* query.after points here when the request has a cursor */
};

/* Parses `body` into `arena`. ERR_DATA says what is wrong, and where; unknown members are refused
 * by name. `request` must not move afterwards; it does not point into `body`. */
int query_request_parse(struct text body, const struct query_limits *limits, struct arena *arena,
                        struct query_request *request, struct error *err);

#endif
