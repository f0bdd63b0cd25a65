/* The requests of one outbox row: its ops of kind OP_REFRESH as targets. Pure; any thread. */
#ifndef PRODUCER_REFRESH_ROW_REQUESTS_H
#define PRODUCER_REFRESH_ROW_REQUESTS_H

#include <stdbool.h>

#include "common/base/memory.h"
#include "common/config/config.h"
#include "common/ops/op.h"
#include "producer/refresh/request.h"

struct row_requests {
    const struct request *items; /* some may be equal */
    uint32_t count;
};

/* False: `ops`, the JSON text of a row, asks for nothing. True: it has to be parsed. */
bool row_requests_are_possible(struct text ops);

/* Fills `*requests` from the ops of an accepted row, with texts in `arena`. Several requests for
 * the row's entity are one for the sources of all of them; one that names an unknown entry is for
 * all sources, and a parent's then is a REQUEST_SOURCE of REQUEST_UNKNOWN_ENTRY. */
void row_requests_read(const struct config *config, int64_t entity_id, const struct ops *ops,
                       struct arena *arena, struct row_requests *requests);

#endif
