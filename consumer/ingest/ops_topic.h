/* POST /ops onto the topic of a Kafka-fed index: one Kafka client for all who post, with a thread.
 *
 * The thread works in rounds: it takes all posts that wait, sends them, and tells their threads
 * when the broker has acknowledged everything. A round that takes longer than
 * consumer.post_timeout_ms is given up, with its client: what is still queued there is thrown away,
 * so that nothing is stored long after somebody was told that it may not be.
 */
#ifndef CONSUMER_INGEST_OPS_TOPIC_H
#define CONSUMER_INGEST_OPS_TOPIC_H

#include "common/config/config.h"
#include "consumer/ingest/ops_sink.h"

/* Starts the thread; the client is created with the first post. `config` must outlive it. */
int ops_topic_create(const struct config *config, struct ops_sink **sink, struct error *err);

#endif
