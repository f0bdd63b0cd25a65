/* The query language over HTTP: JSON body in, engine query out. No I/O.
 *
 *     {"filters":[{"Eq":["nsfwLevel",{"Integer":1}]},{"In":["tagIds",[{"Integer":1}]]},
 *                 {"IsNull":"poi"},{"Not":{...}},{"And":[...]},{"Or":[...]}],
 *      "sort":{"field":"sortAt","direction":"Desc"},"limit":20,"offset":0,
 *      "cursor":{"sort_value":7,"slot_id":123}}
 *
 * Every member may be absent or null. The list under "filters" is an AND; engine.h defines what
 * each filter matches. Values are {"Integer":n}, {"Float":x}, {"Bool":b}, {"String":"s"}, or plain
 * JSON scalars; null is not a value, IsNull is the filter for it. Numbers compare exactly: with a
 * field of integers, a fraction is equal to none, and in order. The direction is "Desc" (the
 * default) or "Asc". Without "sort" the order is by id, descending. In a cursor, `slot_id` is the
 * entity id, and a `sort_value` that is null or absent is a null sort value; without "sort" it is
 * ignored. With a cursor, the offset is ignored. The default limit is 20; limit 0 only counts.
 * document_request.h has "include_docs".
 * "after_xid":"745" asks that the answer hold what that transaction has written; the id is that of
 * pg_current_xact_id(), as a string, because it has 64 bits. "consistent":true asks that all
 * partitions answer from one tick.
 * The field `id` is the entity's id; in a sort by it, the cursor's `slot_id` counts. `skip_cache`,
 * which clients of the original send, is ignored.
 *
 * Any thread.
 */
#ifndef CONSUMER_QUERY_QUERY_REQUEST_H
#define CONSUMER_QUERY_QUERY_REQUEST_H

#include "common/base/error.h"
#include "common/base/memory.h"
#include "consumer/engine/engine.h"
#include "consumer/query/document_request.h"

struct query_limits {
    uint64_t limit;   /* largest limit + offset */
    uint64_t page;    /* a larger limit, up to `limit`, is reduced to it; UINT64_MAX: none is */
    uint32_t depth;   /* nesting of filters; a filter in the outermost list has depth 1 */
    uint32_t clauses; /* filters of every kind */
    uint64_t values;  /* in all lists */
};

struct query_request {
    struct engine_query query;
    struct engine_page_key page_key; /* query.after points here when the request has a cursor */
    struct document_fields documents;
    uint64_t after_xid; /* 0: not given */
    bool is_consistent;
};

/* Parses `body` into `arena`. ERR_DATA says what is wrong, and where; unknown members are refused
 * by name. `request` must not move afterwards; it does not point into `body`. */
int query_request_parse(struct text body, const struct query_limits *limits, struct arena *arena,
                        struct query_request *request, struct error *err);

#endif
