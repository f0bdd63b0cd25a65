/* The body of POST /ops, from JSON to ops that the index can apply. Pure.
 *
 *     {"ops":[{"entity_id":1,"ops":[...],"creates_slot":false}],
 *      "meta":{"source":"pg-sync-default","cursor":1,"max_id":2,"lag_rows":1}}
 *
 * `ops` of an entry has the form that ops_json.h describes. The list may be empty if `creates_slot`
 * is true, which puts `alive` before the ops. An entry with a queryOpSet is a fan-out; its
 * entity_id does not name a slot. A refresh is refused. `meta` and each of its numbers may be
 * absent or null; other members of `meta` are ignored.
 */
#ifndef CONSUMER_INGEST_OPS_REQUEST_H
#define CONSUMER_INGEST_OPS_REQUEST_H

#include "common/base/error.h"
#include "common/config/config.h"
#include "common/ops/op.h"

enum { OPS_SOURCE_BYTES_MAX = 127 };

struct ops_entry {
    int64_t entity_id;
    struct ops ops; /* not empty */
    bool is_fan_out;
};

/* What an HTTP source reports about itself. */
struct ops_meta {
    struct text source; /* empty: not reported */
    int64_t cursor;     /* negative: not reported, as are the next two */
    int64_t max_id;
    int64_t lag_rows;
};

struct ops_request {
    struct ops_entry *entries;
    uint32_t count;
    struct ops_meta meta;
};

/* What a request is checked against. */
struct ops_rules {
    const struct config_topic *topic;
    /* 0: the index can apply the op; ERR_DATA: why it cannot. */
    int (*check_op)(const void *context, const struct op *op, struct error *err);
    const void *context;
};

/* ERR_DATA with the place and the reason: the body is invalid, or one of its ops cannot be applied.
 * The result lives in `arena` and points into `body`. */
int ops_request_parse(struct text body, const struct ops_rules *rules, struct arena *arena,
                      struct ops_request *request, struct error *err);

#endif
