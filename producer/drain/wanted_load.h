/* The load of everything that answers requests of an entry that this configuration does not have:
 * which entities they mean, only a newer or older configuration knows.
 *
 *     rows wait --> a load is queued --> it has begun later than the rows, and is done --> answered
 *
 * A load that is running already may have read before the requests: another one is queued when it
 * has ended. The drain's thread.
 */
#ifndef PRODUCER_DRAIN_WANTED_LOAD_H
#define PRODUCER_DRAIN_WANTED_LOAD_H

#include "producer/drain/session.h"

/* Zero-initialise: nothing was queued yet. */
struct wanted_load {
    int64_t job;       /* 0: none */
    uint32_t rows;     /* the first ones of those that wait, which the job answers */
    bool is_done;      /* the job has ended, and its rows are to be answered */
    int64_t polled_us; /* monotonic */
};

/* About once a second: queues the load if rows wait, and finds out whether it has ended. */
int wanted_load_poll(struct wanted_load *load, struct session *session, struct error *err);

#endif
