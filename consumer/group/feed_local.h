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
#include "consumer/group/feed_source.h"
#include "consumer/ingest/ops_sink.h"

struct feed_local;

/* `config` must outlive the feeds. The sink's destroy() frees them. */
struct feed_local *feed_local_create(const struct config *config);
struct ops_sink *feed_local_sink(struct feed_local *local);

/* Destroying a feed ends all waits of store() for it. The first event of a queue gets the offset at
 * which it starts, or 0 for KAFKA_OFFSET_BEGINNING. */
struct feed_source *feed_local_source(struct feed_local *local);

#endif
