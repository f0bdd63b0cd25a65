/* Queries.
 *
 * A query is put to each shard in turn, within its time limit, and the answers are merged. A reply
 * names the partitions that are not on this process or not recovered yet, and states whether the
 * others are complete (law L9). It carries the source snapshot that the shard furthest behind is
 * proved to hold, which was read before the shard's answer was made.
 *
 * With `after_xid` a query waits until the snapshots of all shards of this process see that
 * transaction. With `consistent` it waits until their workers are held at one tick (rendezvous.h),
 * and reads all shards meanwhile. A query that waits takes no slot of consumer.http_threads, and at
 * most consumer.waiting_queries wait (law L10).
 */
#ifndef CONSUMER_API_QUERY_H
#define CONSUMER_API_QUERY_H

#include "consumer/api/api_context.h"

void api_answer_query(struct api_call *call);

#endif
