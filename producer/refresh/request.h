/* A request of the outbox, as what it asks for: that one target be read from committed rows at the
 * end of a window, or that a whole source be loaded. Requests for the same target are one. Pure;
 * any thread.
 */
#ifndef PRODUCER_REFRESH_REQUEST_H
#define PRODUCER_REFRESH_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/memory.h"

enum request_kind {
    REQUEST_ENTITY, /* an entity: all sources, or those that own some fields */
    REQUEST_CHILD,  /* an entity: what one entry says of it */
    REQUEST_PARENT, /* what one entry says of the entities of one parent */
    REQUEST_SOURCE, /* everything that one entry says, which a load answers */
};

/* The entry of a REQUEST_SOURCE that only a load of everything answers: `triggers` has no entry of
 * the name. */
#define REQUEST_UNKNOWN_ENTRY UINT32_MAX

/* The texts belong to whoever made the request. */
struct request {
    enum request_kind kind;
    int64_t entity_id;         /* of ENTITY and CHILD */
    uint32_t entry;            /* of the others: index in config->triggers */
    uint32_t level;            /* of PARENT: the table whose row changed (config_entry.h) */
    struct text key;           /* of PARENT: as text */
    const struct text *fields; /* of ENTITY: only the sources that own one of them */
    uint32_t field_count;      /* 0: all sources */
};

/* Of requests whose fields are in the same order. */
bool request_equal(const struct request *a, const struct request *b);
uint64_t request_hash(const struct request *request);

#endif
