/* Rights of the producer's role that are revoked while the producer runs: it waits until they are
 * granted again, as in an outage. The drain's thread. */
#ifndef PRODUCER_DRAIN_RIGHTS_H
#define PRODUCER_DRAIN_RIGHTS_H

#include "producer/drain/session.h"

/* `rc` has ended `session`, which is not the first one of the process or has drained. Returns
 * ERR_RETRY with the right that is missing in `err` when ERR_FATAL came from that; else `rc`. */
int rights_explain(const struct session *session, int rc, struct error *err);

#endif
