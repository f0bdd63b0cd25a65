/* Asks the members of the groups of a request for their verdicts, until everything is known or time
 * is up.
 *
 * A member that does not answer, a group that rebalances and a shard that lags are asked again
 * until then. One thread at a time.
 */
#ifndef PRODUCER_VERIFY_COLLECT_H
#define PRODUCER_VERIFY_COLLECT_H

#include "common/config/config.h"
#include "producer/verify/members.h"
#include "producer/verify/shard_verdicts.h"

/* With `with_sums` the verdicts have the shards' own sums. Everything is in `arena`, which is of
 * this call alone. Returns what the broker returns when the groups cannot be described; what is
 * unknown is in `list`. A shutdown ends the waiting. */
int collect_verdicts(const struct config *config, const struct verify_request *request,
                     bool with_sums, int timeout_s, struct arena *arena, struct shard_list *list,
                     struct error *err);

/* Asks every member once. `what` is the path after /api/indexes/{index}/. Never fails: what went
 * wrong is in the reports. */
void collect_reports(const struct config *config, const struct kafka_members *members,
                     const char *what, struct arena *arena, struct member_report *reports);

#endif
