/* POST /ops into the topic of a Kafka-fed index: one Kafka client, with a thread, for all requests.
 *
 * The thread works in rounds. It takes all posts that wait, sends their events, and wakes the
 * waiting threads when the broker has acknowledged all of them. A round that takes longer than
 * consumer.post_timeout_ms is abandoned together with its client, which drops its queue: no event
 * is stored long after the HTTP source was told that it may not be stored.
 */
#ifndef CONSUMER_INGEST_OPS_TOPIC_H
#define CONSUMER_INGEST_OPS_TOPIC_H

#include "common/base/error.h"
#include "common/config/config.h"
#include "consumer/ingest/ops_sink.h"

/* Starts the thread; the first post creates the client. `config` must outlive the sink. */
int ops_topic_create(const struct config *config, struct ops_sink **sink, struct error *err);

#endif
