/* The drain: carries the outbox to the topic until a shutdown is requested.
 *
 * An outage of the database or of the broker ends a session, never the drain: it retries without
 * limit, each time with a new session, a new generation, and everything from the saved cursor (L3,
 * L4).
 */
#ifndef PRODUCER_DRAIN_DRAIN_H
#define PRODUCER_DRAIN_DRAIN_H

#include "common/base/error.h"
#include "common/config/config.h"
#include "producer/drain/status.h"
#include "producer/load/csv_source.h"

/* `csv` is NULL, or a load of CSV files; then no rows are sent. Returns 0 after a shutdown, when
 * everything in flight is acknowledged and saved as far as the servers allow it. Any error is one
 * that a retry cannot repair. The calling thread becomes the drain's. */
int drain_run(const struct config *config, const struct csv_request *csv, struct status *status,
              struct error *err);

#endif
