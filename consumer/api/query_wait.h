/* What queries wait for before they read the shards, and how many may wait. Any thread. */
#ifndef CONSUMER_API_QUERY_WAIT_H
#define CONSUMER_API_QUERY_WAIT_H

#include "consumer/api/api_context.h"

/* False: consumer.waiting_queries wait already. */
bool query_wait_begin(struct api_context *api);
void query_wait_end(struct api_context *api);

/* Which partitions this process has: topic.partitions flags, which the caller frees. */
bool *query_wait_partitions(struct api_context *api);

/* Waits until every shard of this process is proved to hold a snapshot that sees the transaction.
 * ERR_RETRY: one did not before `until_us` of the monotonic clock. */
int query_wait_for_xid(struct api_context *api, uint64_t xid, int64_t until_us, struct error *err);

#endif
