/* The feeds of a stand-alone index, which has no topic: a queue per partition, between the threads
 * that answer POST /ops and the partition's worker. The log is the truth; a queue only leads there.
 *
 *     store     events are queued, then waited for until the worker has said that they are durable
 *     read      the worker takes what is there
 *
 * Offsets are dense: the first event gets the offset that comes next in the log. A queue holds
 * consumer.batch_bytes, or one event; those who find it full wait. What is queued when the process
 * ends is lost, and nobody was told that it was stored.
 */
#ifndef CONSUMER_GROUP_FEED_LOCAL_H
#define CONSUMER_GROUP_FEED_LOCAL_H

#include "common/config/config.h"
#include "consumer/ingest/ops_sink.h"
#include "consumer/partition/feed.h"

struct feed_local;

/* `config` must outlive it. Its sink destroys it. */
struct feed_local *feed_local_create(const struct config *config);
struct ops_sink *feed_local_sink(struct feed_local *local);

/* The worker's end of a queue, to be opened once. When it is destroyed, those who wait learn it. */
struct feed *feed_local_open(struct feed_local *local, int32_t partition);
/* From now on events are taken in; the first gets `offset`, or 0 for KAFKA_OFFSET_BEGINNING. */
void feed_local_start(struct feed_local *local, int32_t partition, int64_t offset);

#endif
