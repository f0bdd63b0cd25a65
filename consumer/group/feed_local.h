/* The feeds of a stand-alone index, which has no topic: one queue for each partition, between the
 * threads that serve POST /ops and the partition's worker. The log is the truth (law L8); events in
 * a queue are not durable.
 *
 *     store     queues events, and waits until the worker has reported that they are durable
 *     read      the worker takes queued events
 *
 * Offsets are dense: the first event gets the next offset of the log. A queue holds
 * consumer.batch_bytes, or one larger event; a full queue lets store() wait. Events that are queued
 * when the process ends are lost, and no client was told that they are stored.
 */
#ifndef CONSUMER_GROUP_FEED_LOCAL_H
#define CONSUMER_GROUP_FEED_LOCAL_H

#include "common/config/config.h"
#include "consumer/ingest/ops_sink.h"
#include "consumer/partition/feed.h"

struct feed_local;

/* `config` must outlive the feeds. The sink's destroy() frees them. */
struct feed_local *feed_local_create(const struct config *config);
struct ops_sink *feed_local_sink(struct feed_local *local);

/* The feed of a partition; may be opened once. Destroying the feed ends all waits of store(). */
struct feed *feed_local_open(struct feed_local *local, int32_t partition);
/* Opens the queue for events. The first one gets `offset`, or 0 for KAFKA_OFFSET_BEGINNING. */
void feed_local_start(struct feed_local *local, int32_t partition, int64_t offset);

#endif
