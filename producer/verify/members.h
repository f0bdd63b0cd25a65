/* The members of the consumer groups that read the topic: who they are, and what they answer. They
 * are found in the descriptions of the groups, by the addresses that they advertise as client.id.
 *
 * Each call uses the broker or the member for a bounded time. One thread at a time.
 */
#ifndef PRODUCER_VERIFY_MEMBERS_H
#define PRODUCER_VERIFY_MEMBERS_H

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/config/config.h"
#include "common/kafka/kafka_admin.h"

/* Every bitdex-consumer of any group that has partitions of the topic; other programs, which have
 * no address as client.id, are left out. Waits up to `settle_s` seconds for groups that rebalance,
 * and says so on stderr; after it, and at a shutdown, one may still do so. The result is in
 * `arena`. */
enum { MEMBERS_SETTLE_S = 60 }; /* a member that died is removed after its session, often 45 s */
int members_find(const struct config *config, int settle_s, struct arena *arena,
                 struct kafka_members *members, struct error *err);

/* GET /api/indexes/{index}/{what} of the member at `address`; `answer` becomes its body. ERR_RETRY:
 * there is no answer. ERR_DATA: it is something else than a success. */
int members_ask(const struct config *config, const char *address, const char *what,
                struct buffer *answer, struct error *err);

#endif
