/* The patrol of `run`: asks the members of all consumer groups every few seconds for their newest
 * verdicts, shows a summary in the status, logs each range that has come to differ with the command
 * that repairs it, and queues a check of it, so that the entities are known.
 *
 * The sums themselves are sent by the drain. The patrol has a thread of its own, and works only
 * while the drain is draining, so that of several processes of one name only one does it. Its
 * errors are shown in the status and do not end the process.
 */
#ifndef PRODUCER_VERIFY_PATROL_H
#define PRODUCER_VERIFY_PATROL_H

#include "common/base/error.h"
#include "common/config/config.h"
#include "producer/drain/status.h"

struct patrol;

/* With producer.patrol.share 0 there is no patrol, and `*out` is NULL. `config` and `status` must
 * outlive it. ERR_FATAL when the thread cannot start. */
int patrol_start(const struct config *config, struct status *status, struct patrol **out,
                 struct error *err);

/* Waits for the end of a call to a member, and frees the patrol. NULL does nothing. */
void patrol_stop(struct patrol *patrol);

#endif
