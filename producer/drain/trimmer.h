/* The trimmer: removes sent rows from the outbox while the producer runs.
 *
 * It has a thread and a database session of its own, and works only while the drain drains: then
 * all guards hold, and of several processes of one name it is one. No trouble of its own ends the
 * process; it is shown in `status` and logged when it begins and ends.
 */
#ifndef PRODUCER_DRAIN_TRIMMER_H
#define PRODUCER_DRAIN_TRIMMER_H

#include "common/config/config.h"
#include "producer/drain/status.h"

struct trimmer;

/* `config` and `status` must outlive the trimmer. */
int trimmer_start(const struct config *config, struct status *status, struct trimmer **out,
                  struct error *err);

/* Waits for the batch at hand. */
void trimmer_stop(struct trimmer *trimmer);

#endif
