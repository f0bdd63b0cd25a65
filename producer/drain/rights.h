/* Rights of the producer's role that are revoked while the producer runs: it waits until they are
 * granted again, as in an outage. The drain's thread. */
#ifndef PRODUCER_DRAIN_RIGHTS_H
#define PRODUCER_DRAIN_RIGHTS_H

#include "producer/drain/session.h"

/* `rc` has ended `session`, which is not the first one of the process or has drained. When
 * ERR_FATAL came from a right that is missing, returns ERR_RETRY with that right in `err`; when a
 * guard does not hold, ERR_FATAL with that guard; else `rc`. */
int rights_explain(const struct session *session, int rc, struct error *err);

#endif
