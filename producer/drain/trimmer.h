/* The trimmer: removes sent rows from the outbox (retention.h) while the producer runs, and counts
 * the dead letters that are open (letters.h).
 *
 * It has a thread and a database session of its own, and works only while the drain is draining:
 * then all guards hold, and only one of several processes of the same name does it. Its errors do
 * not end the process: they are shown in `status`, and logged when they begin and end.
 */
#ifndef PRODUCER_DRAIN_TRIMMER_H
#define PRODUCER_DRAIN_TRIMMER_H

#include "common/base/error.h"
#include "common/config/config.h"
#include "producer/drain/status.h"

struct trimmer;

/* `config` and `status` must outlive the trimmer, which trimmer_stop() frees. ERR_FATAL when the
 * thread cannot start. */
int trimmer_start(const struct config *config, struct status *status, struct trimmer **out,
                  struct error *err);

/* Waits for the current batch, and frees the trimmer. */
void trimmer_stop(struct trimmer *trimmer);

#endif
