/* The body of POST /ops, from JSON to ops that the index can apply. Pure.
 *
 *     {"ops":[{"entity_id":1,"ops":[...],"creates_slot":false}],
 *      "meta":{"source":"pg-sync-default","cursor":1,"max_id":2,"lag_rows":1}}
 *
 * `ops` of an entry as in ops_json.h; they may be empty when `creates_slot` is true, which puts
 * `alive` before them. An entry of queryOpSet is a fan-out: its entity_id names no slot. `meta` and
 * each of its numbers may be absent or null; further members of it are ignored.
 */
#ifndef CONSUMER_INGEST_OPS_REQUEST_H
#define CONSUMER_INGEST_OPS_REQUEST_H

#include "common/config/config.h"
#include "common/ops/op.h"
#include "consumer/engine/engine.h"

enum { OPS_SOURCE_BYTES_MAX = 127 };

struct ops_entry {
    int64_t entity_id;
    struct ops ops; /* not empty */
    bool is_fan_out;
};

/* What the one who posts says of itself. */
struct ops_meta {
    struct text source; /* empty: not said */
    int64_t cursor;     /* negative: not said, as are the next two */
    int64_t max_id;
    int64_t lag_rows;
};

struct ops_request {
    struct ops_entry *entries;
    uint32_t count;
    struct ops_meta meta;
};

/* `index` is asked whether each op would apply; it may belong to any partition. ERR_DATA says what
 * is wrong and where. The result lives in `arena`. */
int ops_request_parse(struct text body, const struct config_topic *topic,
                      const struct engine *index, struct arena *arena, struct ops_request *request,
                      struct error *err);

#endif
