/* The drain: carries the outbox to the topic until it is asked to stop (shutdown_request).
 *
 * A down database or broker stops the drain, never the process: it tries again for ever, each time
 * with a new session, a new generation, and everything from the saved cursor (L3, L4).
 */
#ifndef PRODUCER_DRAIN_DRAIN_H
#define PRODUCER_DRAIN_DRAIN_H

#include "common/config/config.h"
#include "producer/drain/status.h"

/* Returns 0 after a stop, when what was in flight is finished and saved as far as the servers
 * allow. Any error is one that time does not heal. The calling thread is the drain's. */
int drain_run(const struct config *config, struct status *status, struct error *err);

#endif
