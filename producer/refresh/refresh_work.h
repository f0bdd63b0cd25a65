/* What a turn of the refresh reader is asked for, and what it has done. */
#ifndef PRODUCER_REFRESH_REFRESH_WORK_H
#define PRODUCER_REFRESH_REFRESH_WORK_H

#include <stdint.h>

#include "producer/refresh/request.h"

/* One target, and the outbox rows that ask for it, in the order in which they became owed: rows
 * that are added later follow those that were there in an earlier turn. */
struct refresh_work {
    const struct request *request;
    const int64_t *rows;
    uint32_t row_count;
    /* Set by the turn: */
    uint32_t answered_count; /* of the rows, from the first on: they are answered by this turn */
    int64_t cost_us;         /* of reading a parent, over all of its turns; else 0 */
};

#endif
